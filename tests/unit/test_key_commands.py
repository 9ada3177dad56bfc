"""`whisper-gateway keys`: what it prints where, and what it refuses."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from gateway.auth.key_file import KeyFile
from gateway.auth.tokens import id_in
from tests.fixtures.commands import one_line
from tests.fixtures.commands import run as run_words

ENGINE = {"hosts": ["whisper.example.org", "speech.example.org"], "process": {"command": ["none"]}, "port": 8000}


class Keys:
    """`whisper-gateway keys`, with a configuration of its own."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        self.state = folder / "state"
        self.state.mkdir()
        self.settle()

    def settle(self, **settings: Any) -> None:
        self.config.write_text(yaml.safe_dump({"gateway": settings, "engines": {"whisper": ENGINE}}))

    def run(self, word: str, *words: str) -> Result:
        return run_words("keys", word, "--config", str(self.config), *words)

    def create(self, *words: str) -> tuple[str, str]:
        """The token, and what is said about it."""
        result = self.run("create", *words)
        assert result.exit_code == 0, result.stderr
        assert re.fullmatch(r"wg_[a-z2-7]{10}_[0-9A-Za-z]{43}\n", result.stdout)
        return result.stdout.strip(), result.stderr

    def listed(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(self.run("list", "--json").stdout)
        return listed


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def test_a_key_is_all_that_is_printed_and_is_kept_nowhere(keys: Keys) -> None:
    token, said = keys.create("--name", "ci")
    assert token not in said
    assert "It is shown this once only" in said
    assert all(token[-43:] not in path.read_text() for path in keys.state.iterdir())


def test_what_it_is_for_is_kept_and_said(keys: Keys) -> None:
    token, said = keys.create(
        "--name", "ci", "--hosts", "Whisper.example.org., speech.example.org,whisper.example.org", "--rate", "60/m",
        "--expires", "90d", "--admin",
    )  # fmt: skip
    (key,) = keys.listed()
    assert key["id"] == id_in(token.encode())
    assert key["hosts"] == ["whisper.example.org", "speech.example.org"]
    assert (key["name"], key["rate"], key["admin"], key["state"]) == ("ci", "60/m", True, "active")
    lifetime = datetime.fromisoformat(key["expires"]) - datetime.fromisoformat(key["created"])
    assert lifetime == timedelta(days=90)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(key["created"])) < timedelta(minutes=1)
    for word in (
        "whisper.example.org, speech.example.org",
        "at most 60 requests a minute",
        "waking engines",
        "until 20",
    ):
        assert word in said


def test_without_limits_it_has_none_and_says_so(keys: Keys) -> None:
    _, said = keys.create("--name", "ci")
    (key,) = keys.listed()
    assert (key["hosts"], key["rate"], key["expires"], key["admin"]) == (None, None, None, False)
    assert "is for every engine, until it is revoked." in said


def test_the_portals_hostname_is_one(keys: Keys) -> None:
    keys.settle(portal="portal.example.org")
    keys.create("--name", "ci", "--hosts", "portal.example.org", "--hosts", "speech.example.org")
    assert keys.listed()[0]["hosts"] == ["portal.example.org", "speech.example.org"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--hosts", "whispr.example.org"], '--hosts: no engine has the hostname "whispr.example.org" (did you mean'),
        (["--hosts", "x.test"], "(known are whisper.example.org, speech.example.org)"),
        (["--hosts", ""], '--hosts: "" is not a hostname'),
        (["--hosts", "whisper.example.org,"], '--hosts: "" is not a hostname'),
        (["--hosts", "https://whisper.example.org/"], "leave out scheme, port and path"),
        (["--rate", "60 per minute"], '--rate: "60 per minute" is not a rate (try "60/m"'),
        (["--rate", ""], '--rate: "" is not a rate'),
        (["--expires", "90 days"], '--expires: "90 days" is not a duration (try "90d")'),
        (["--expires", "0s"], "too short"),
        (["--name", "a b\x1b[2J\n"], "is not a name for a key"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line_and_makes_no_key(keys: Keys, words: list[str], problem: str) -> None:
    result = keys.run("create", "--name", "ci", *words)
    assert result.exit_code == 1
    assert problem in one_line(result)
    assert list(keys.state.iterdir()) == []


def test_a_name_is_taken_while_its_key_is_active(keys: Keys) -> None:
    keys.create("--name", "ci")
    result = keys.run("create", "--name", "ci")
    assert result.exit_code == 1
    assert 'there is an active key "ci"' in one_line(result)
    keys.run("revoke", "ci")
    keys.create("--name", "ci")
    assert [key["state"] for key in keys.listed()] == ["revoked", "active"]


OPENED = "From now on every request needs a key"


def test_the_first_key_is_the_end_of_letting_everybody_in_and_that_is_said(keys: Keys) -> None:
    assert OPENED in keys.create("--name", "first")[1]
    assert OPENED not in keys.create("--name", "second")[1]


@pytest.mark.parametrize(
    "settings", [{"access": "known"}, {"trusted_proxies": ["127.0.0.1/32"]}, {"listen": "0.0.0.0:8890"}]
)
def test_where_keys_were_asked_for_before_nothing_is_said(keys: Keys, settings: dict[str, Any]) -> None:
    keys.settle(**settings)
    assert OPENED not in keys.create("--name", "ci")[1]


def test_where_nobody_is_asked_for_a_key_that_is_said(keys: Keys) -> None:
    keys.settle(access="everybody")
    assert "Nobody is asked for a key, though" in keys.create("--name", "ci")[1]


def test_a_key_can_be_revoked_by_name_by_id_and_by_itself(keys: Keys) -> None:
    tokens = [keys.create("--name", name)[0] for name in ("a", "b", "c")]
    ids = [id_in(token.encode()) or "" for token in tokens]
    for word, name, key_id in zip(["a", ids[1], tokens[2]], "abc", ids, strict=True):
        result = keys.run("revoke", word)
        assert (result.exit_code, result.stdout) == (0, f"{name} (id {key_id}) is revoked\n")
    assert [key["state"] for key in keys.listed()] == ["revoked"] * 3
    again = keys.run("revoke", "a")
    assert (again.exit_code, again.stdout) == (0, f"a (id {ids[0]}) is revoked already\n")


def test_revoking_what_is_not_there_is_told(keys: Keys) -> None:
    keys.create("--name", "website")
    result = keys.run("revoke", "webiste")
    assert result.exit_code == 1
    assert one_line(result) == 'whisper-gateway: there is no key "webiste" (did you mean "website"?)'


def test_the_list_is_a_line_for_each_key(keys: Keys) -> None:
    token, _ = keys.create("--name", "ci", "--hosts", "whisper.example.org,speech.example.org", "--rate", "5/s")
    keys.create("--name", "old")
    keys.run("revoke", "old")
    result = keys.run("list")
    heading, first, second = (re.split(r" {2,}", line.strip()) for line in result.stdout.splitlines())
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert heading == ["NAME", "ID", "STATE", "HOSTS", "RATE", "ADMIN", "CREATED", "EXPIRES", "LAST USED"]
    hosts = "whisper.example.org, speech.example.org"
    assert first == ["ci", id_in(token.encode()), "active", hosts, "5/s", "-", today, "-", "never"]
    assert second[2:5] == ["revoked", "all", "-"]
    assert "\x1b" not in result.stdout


def test_the_list_tells_when_a_key_was_last_used(keys: Keys) -> None:
    token, _ = keys.create("--name", "ci")
    used = {id_in(token.encode()): "2026-01-31T12:34:56Z", "aaaaaaaaaa": "2026-01-31T12:34:56Z"}
    (keys.state / "keys-used.json").write_text(json.dumps(used))
    assert "2026-01-31 12:34" in keys.run("list").stdout
    assert keys.listed()[0]["last_used"] == "2026-01-31T12:34:56Z"


def test_the_list_is_shown_though_the_last_use_is_not_known(keys: Keys) -> None:
    keys.create("--name", "ci")
    (keys.state / "keys-used.json").write_text("rubbish")
    result = keys.run("list")
    assert result.exit_code == 0
    assert "never" in result.stdout
    assert "keys-used.json is damaged" in result.stderr


def test_hashes_are_not_shown(keys: Keys) -> None:
    keys.create("--name", "ci")
    assert keys.listed()[0].keys().isdisjoint({"sha256", "digest"})


def test_without_keys_the_list_says_how_to_make_one(keys: Keys) -> None:
    result = keys.run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "whisper-gateway keys create" in result.stderr
    assert keys.listed() == []


@pytest.mark.parametrize("words", [["create", "--name", "ci"], ["list"], ["list", "--json"], ["revoke", "ci"]])
def test_a_damaged_file_is_told_in_one_line(keys: Keys, words: list[str]) -> None:
    (keys.state / "keys.json").write_text("rubbish")
    result = keys.run(*words)
    assert result.exit_code == 1
    assert one_line(result).startswith(f"whisper-gateway: {keys.state}/keys.json is damaged (")


@pytest.mark.parametrize("words", [["create", "--name", "ci"], ["list"], ["revoke", "ci"]])
def test_a_configuration_that_cannot_be_used_is_told(keys: Keys, words: list[str]) -> None:
    keys.config.write_text("engines: {}")
    result = keys.run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert str(keys.config) in result.stderr


def program(keys: Keys, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "keys", words[0], "--config", str(keys.config), *words[1:]]
    return subprocess.run(command, text=True, check=False, **options)


def test_a_key_that_could_not_be_printed_is_taken_back(keys: Keys) -> None:
    """Nobody could ever use it, and its name would be taken."""
    with Path("/dev/full").open("w") as full:
        done = program(keys, "create", "--name", "ci", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == (
        "whisper-gateway: the key could not be printed (No space left on device), and was taken back\n"
    )
    assert keys.listed() == []


def test_the_same_name_from_several_shells_at_once_is_one_key(keys: Keys) -> None:
    def create(_: int) -> subprocess.CompletedProcess[str]:
        return program(keys, "create", "--name", "ci", capture_output=True)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        done = list(pool.map(create, range(3)))
    assert sorted(process.returncode for process in done) == [0, 1, 1]
    assert len(keys.listed()) == 1


def test_the_folder_is_made_and_root_is_told_whose_it_is(keys: Keys) -> None:
    keys.state.rmdir()
    _, said = keys.create("--name", "ci")
    assert len(KeyFile(keys.state).read()[0]) == 1
    assert ("belongs to root" in said) == (os.geteuid() == 0)
