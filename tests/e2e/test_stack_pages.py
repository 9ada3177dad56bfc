"""What the pages tell an operator to type, typed: line by line, on the stack that they are about."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.compose import CPU, DOMAIN, VARIABLES
from tests.e2e.compose_stack import IMAGES, LOGIN, WHISPER
from tests.e2e.conftest import ROOT
from tests.e2e.shipped import Shipped
from tests.fixtures.patience import LONG_PATIENCE

pytestmark = [pytest.mark.docker, pytest.mark.model]

PASSWORD = LOGIN[1]


class Operator:
    """Sits in a folder like the repository's, where `docker compose` means this stack and `curl` finds its hostnames.

    key: what is typed where a page has `wg_...`.
    """

    def __init__(self, stack: Shipped, folder: Path) -> None:
        self.stack = stack
        self.key = ""
        self.folder = folder / "whisper-gateway"
        self.folder.mkdir()
        shutil.copy(ROOT / ".env.example", self.folder)
        (self.folder / "samples").symlink_to(ROOT / "samples")
        programs = folder / "bin"
        programs.mkdir()
        files = f"-p {stack.project} -f {CPU} -f {stack._override}"
        docker, curl = shutil.which("docker"), shutil.which("curl")
        compose = f'if [ "$1" = compose ]; then shift; set -- compose {files} "$@"; fi'
        nearby = f"--cacert {stack.certificate} --connect-to ::127.0.0.1:{stack.https}"
        for name, line in (("docker", f'{compose}\nexec {docker} "$@"'), ("curl", f'exec {curl} {nearby} "$@"')):
            (programs / name).write_text(f"#!/bin/sh\n{line}\n")
            (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, **VARIABLES, **stack._variables, "PATH": path}

    def types(self, line: str, stdin: str = "") -> str:
        """What a line of a page prints to standard output; it must succeed."""
        line = line.replace("example.org", DOMAIN).replace("whisper-gateway/gateway ", f"{IMAGES['gateway']} ")
        variables = {**self._environment, "KEY": self.key}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder, env=variables, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def status(self, **credentials: Any) -> int:
        with self.stack.client(WHISPER) as client:
            return client.get("/health", timeout=LONG_PATIENCE, **credentials).status_code

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture(scope="module")
def operator(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """In the end keys of the names that pages use are revoked, and Anna may log in, as other tests expect."""
    yield Operator(shipped, tmp_path_factory.mktemp("operator"))
    for name in ("first", "ci"):
        shipped("exec", "gateway", "whisper-gateway", "keys", "revoke", name, check=False)
    shipped.run("nginx", "add-user", LOGIN[0], stdin=LOGIN[1])


def lines(page: str, heading: str) -> list[str]:
    """Each line of shell below a heading, up to the next of its rank."""
    text = (ROOT / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in found for line in block.replace("\\\n", " ").splitlines()]


def test_from_a_bare_server_to_the_first_transcript(operator: Operator) -> None:
    printed: dict[str, str] = {}
    for line in lines("docs/deploy.md", "Ten minutes"):
        if line.startswith("KEY="):
            operator.key = next(text.strip() for typed, text in printed.items() if "keys create" in typed)
        else:
            printed[line] = operator.types(line, stdin=f"{PASSWORD}\n" if "add-user" in line else "")
    assert f"DOMAIN={DOMAIN}\n" in (operator.folder / ".env").read_text()
    (answer,) = [text for typed, text in printed.items() if typed.startswith("curl")]
    assert "please start the project report now" in answer
    assert operator.status(auth=("anna", PASSWORD)) == 200


def test_a_changed_configuration_is_checked_and_read_at_once(operator: Operator) -> None:
    check, reload = [line for line in lines("docs/deploy.md", "Making it yours") if "exec gateway" in line]
    assert "good, 3 engines" in operator.types(check)
    before = operator.stack.config.read_text()
    try:
        operator.stack.edit("$a nonsense: 1")
        with pytest.raises(AssertionError, match='unknown setting "nonsense"'):
            operator.types(check)
    finally:
        operator.stack.config.write_text(before)
    assert operator.types(reload) == "reloaded: no engine has changed\n"


def test_keys_and_passwords_come_back_from_a_backup(operator: Operator) -> None:
    save_keys, save_passwords, restore_keys, restore_passwords = lines("docs/operations.md", "Backup")
    (create,) = [line for line in lines("docs/operations.md", "API keys") if line.startswith("docker")]
    add, remove = lines("docs/operations.md", "Who may come in")
    operator.key = operator.types(create).strip()
    operator.types(add, stdin=f"{PASSWORD}\n")
    operator.types(save_keys)
    operator.types(save_passwords)
    operator.types("docker compose exec gateway whisper-gateway keys revoke ci")
    operator.types(remove)
    assert (operator.status(headers=operator.bearer), operator.status(auth=("anna", PASSWORD))) == (401, 401)
    operator.types(restore_keys)
    operator.types(restore_passwords)
    assert (operator.status(headers=operator.bearer), operator.status(auth=("anna", PASSWORD))) == (200, 200)


def test_one_word_finds_a_request_in_every_log(operator: Operator) -> None:
    with operator.stack.client(WHISPER) as client:
        answer: httpx.Response = client.get("/v1/models?of=yours", auth=LOGIN)  # from the engine, not from memory
    identity = answer.headers["x-request-id"]
    (search,) = [line for line in lines("docs/operations.md", "Log") if "grep" in line]
    operator.stack.until_logged("faster-whisper", identity)
    operator.stack.until_logged("nginx", identity)
    found = operator.types(re.sub(r"grep \w+", f"grep {identity}", search))
    assert f'"request_id": "{identity}"' in found, "nginx"
    assert f"request_id={identity}" in found, "the engine"


def test_an_installation_is_checked_as_the_page_on_security_says(operator: Operator) -> None:
    told = {line: operator.types(line) for line in lines("SECURITY.md", "Checking an installation")}
    assert [text for line, text in told.items() if line.startswith("curl")] == ["401\n", "401\n"]
