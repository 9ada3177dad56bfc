"""What the documents tell a reader to type would be understood: commands, options, services, files, variables.

Nothing is run here but programs' own `--help`, and compose's reading of the shipped files. That the commands do what
the pages say is tested where there is a stack to do it to: tests/e2e.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from gateway.cli import app
from gateway.config import load_config
from gateway.config.reference import sections, settings
from tests.fixtures.written_commands import PAGES, ROOT, Written, blocks, commands, written

PLAIN = {
    "apt", "cd", "certbot", "chown", "cp", "curl", "dmesg", "echo", "export", "git", "grep", "install", "journalctl",
    "ln", "nginx", "pip", "python", "python3", "rm", "sed", "set", "systemctl", "systemd-analyze", "tar", "tee", ".",
}  # fmt: skip
"""Programs of other people, of whose words only the paths into this repository are looked at."""
ENGINES_MANUALS = {"faster-whisper.env": "docs/engine-faster.md", "whisperx.env": "docs/engine-whisperx.md"}
COMPOSES_OWN = {"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}
WITH_VALUE = {
    "-f", "--file", "--profile", "-p", "--project-name", "--tail", "-n", "--user", "-u", "-e", "--env",
    "--timeout", "-t",
}  # fmt: skip
"""Options of docker compose that take the next word along."""
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROFILES = {profile for service in SERVICES.values() for profile in service.get("profiles", ())}
ENV = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)) | COMPOSES_OWN


def the(program: str, *second: str) -> list[Written]:
    """The commands that begin with these words."""
    start = (program, *second)
    return [one for one in written() if one.words[: len(start)] == start]


def test_a_line_is_taken_apart_as_a_shell_does_it() -> None:
    line = "sudo -E A=1 whisper-gateway keys list | jq '.[] | .name' >> out.txt && KEY=$(echo 'a # b') # comment"
    found = [(one.words, one.into) for one in commands(line)]
    assert found == [
        (("whisper-gateway", "keys", "list"), None),
        (("jq", ".[] | .name"), "out.txt"),
        (("echo", "a # b"), None),
    ]


def test_there_are_commands_to_look_at() -> None:
    assert len(written()) > 100
    assert {"docs/deploy.md", "docs/operations.md", "README.md", "nginx/README.md"} <= {one.where for one in written()}


@pytest.mark.parametrize("command", sorted(set(written()), key=str), ids=str)
def test_the_command_would_be_understood(command: Written) -> None:
    check(command)


def check(command: Written) -> None:
    """Whoever writes of a new program says here how its words are looked at, or adds it to PLAIN."""
    program = Path(command.words[0]).name
    known: dict[str, Callable[[Sequence[str]], None]] = {
        "whisper-gateway": functools.partial(check_whisper_gateway, whole=command.whole),
        "docker": check_docker,
        "make": check_make,
        "add-user": check_add_user,
        "whisper-gateway-add-user": check_add_user,
        "certificate": check_certificate,
        "render": lambda words: check_words(words, {"default", "gateway"}),
        "install.sh": check_paths,
    }
    if program in known:
        known[program](command.words[1:])
    else:
        assert program in PLAIN or program.startswith("."), f"what is {program}?"
    check_paths(command.words)
    for variable in command.assigned if program == "docker" else ():
        assert variable.partition("=")[0] in ENV, variable
    if command.into in (".env", *ENGINES_MANUALS):
        check_settings(command.words[1:], command.into)


def check_whisper_gateway(words: Sequence[str], *, whole: bool) -> None:
    """As the program itself reads its words. "…" stands for more of them. whole: see `Written`."""
    group: Any = typer.main.get_command(app)
    rest = list(words)
    while rest and hasattr(group, "commands"):
        group = group.commands[rest.pop(0)]
    if (whole or rest) and "…" not in rest:
        group.make_context("whisper-gateway", rest)


def check_docker(words: Sequence[str]) -> None:
    if words[0] == "compose":
        check_compose(words[1:])
    elif words[0] in ("build", "run"):
        check_files(words)
    else:
        assert words[0] in ("image", "exec", "ps"), words


def check_compose(words: Sequence[str]) -> None:
    """Profiles, files, services; what is run in a container is a command like any other."""
    options, rest = split(words)
    for option, value in options:
        if option == "--profile":
            assert value in PROFILES
        if option in ("-f", "--file"):
            assert value
            assert (ROOT / value).is_file()
    if not rest or rest == ["…"]:
        return
    _, arguments = split(rest[1:])
    if rest[0] in ("exec", "run"):
        assert arguments[0] in SERVICES
        check(Written("in the container", tuple(arguments[1:])))
    else:
        assert set(arguments) <= set(SERVICES), arguments


def split(words: Sequence[str]) -> tuple[list[tuple[str, str | None]], list[str]]:
    """The options before the first other word, each with its value, and what follows."""
    rest = list(words)
    options: list[tuple[str, str | None]] = []
    while rest and rest[0].startswith("-"):
        name, _, value = rest.pop(0).partition("=")
        options.append((name, value or (rest.pop(0) if name in WITH_VALUE else None)))
    return options, rest


def check_files(words: Sequence[str]) -> None:
    """Dockerfiles, and the arguments that they take."""
    if "-f" not in words:
        return
    dockerfile = (ROOT / words[words.index("-f") + 1]).read_text()
    for option, value in itertools.pairwise(words):
        if option == "--build-arg":
            assert f"ARG {value.partition('=')[0]}" in dockerfile


def check_make(words: Sequence[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        assert f"\n.PHONY: {word}\n" in makefile


def check_add_user(words: Sequence[str]) -> None:
    script = (ROOT / "nginx" / "add-user").read_text()
    names = [word for word in words if not word.startswith("-")]
    assert len(names) == 1
    assert all(word in script for word in words if word.startswith("-"))


def check_certificate(words: Sequence[str]) -> None:
    script = (ROOT / "packaging" / "certbot" / "certificate").read_text()
    assert f"\n    {words[0]}) " in script


def check_words(words: Sequence[str], known: set[str]) -> None:
    assert set(words) <= known


def check_paths(words: Sequence[str]) -> None:
    """What is named of this repository is in it."""
    for word in words:
        name = word.rpartition("@")[2].split(":")[0]
        if "/" in name and not name.startswith(("/", ".")) and (ROOT / name.split("/")[0]).is_dir():
            assert (ROOT / name).exists(), name


def check_settings(words: Sequence[str], file: str) -> None:
    """A line that is written into a file of settings sets something that is read from there."""
    for word in words:
        name = word.partition("=")[0]
        if file == ".env":
            assert name in ENV
        else:
            assert f"| `{name}` |" in (ROOT / ENGINES_MANUALS[file]).read_text()


# with compose itself


@functools.cache
def help_of(*command: str) -> str:
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.docker
def test_docker_knows_every_option() -> None:
    for command in the("docker"):
        words = list(command.words)
        if words[1] == "compose":
            options, rest = split(words[2:])
            assert_known([name for name, _ in options], help_of("docker", "compose"), command)
            if not rest or rest == ["…"]:
                continue
            options, _ = split(rest[1:])
            assert_known([name for name, _ in options], help_of("docker", "compose", rest[0]), command)
        else:
            begin = 3 if words[1] == "image" else 2
            options, _ = split(words[begin:])
            assert_known([name for name, _ in options], help_of(*words[:begin]), command)


def assert_known(options: Sequence[str], text: str, command: Written) -> None:
    for option in options:
        assert re.search(rf"(^|[\s,]){re.escape(option)}[\s,]", text), f"{command}: {option}"


FRAGMENTS = [(page, text) for page in PAGES for text in blocks(page, "yaml")]
OVERRIDES = [text for _, text in FRAGMENTS if text.startswith("services:")]
SETTINGS = [text for page, text in FRAGMENTS if text not in OVERRIDES and page.name != "configuration.md"]


@pytest.mark.docker
@pytest.mark.parametrize("text", OVERRIDES)
def test_compose_accepts_what_is_to_be_written_into_an_override(text: str, tmp_path: Path) -> None:
    override = tmp_path / "compose.override.yaml"
    override.write_text(text)
    together = ["docker", "compose", "-f", "compose.yaml", "-f", str(override)]
    command = [*together, "--profile", "engines", "config", "--quiet"]
    environment = {**os.environ, "DOMAIN": "example.org"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(yaml.safe_load(text)["services"]) <= set(SERVICES)


# settings


@pytest.mark.parametrize("text", SETTINGS)
def test_a_piece_of_configuration_is_a_piece_of_a_valid_one(text: str, tmp_path: Path) -> None:
    data = yaml.safe_load(text)
    data.setdefault("engines", {"e": {"hosts": ["e.example.org"], "docker": {"container": "e"}, "port": 8000}})
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(data))
    load_config(file, environment={})


def test_every_variable_in_a_block_for_the_file_env_is_in_its_example() -> None:
    lines = [line for page in PAGES for text in blocks(page, "ini") for line in text.splitlines() if "[" not in text]
    assert lines
    assert {line.partition("=")[0] for line in lines} <= ENV


SPAN = re.compile(r"`([^`\n]+)`")
MANUALS = ("nginx/README.md", "packaging/certbot/README.md", *ENGINES_MANUALS.values())
"""Pages with a row for each variable, which other tests hold against the programs."""


def test_every_variable_that_is_named_exists() -> None:
    rows = "".join((ROOT / page).read_text() for page in MANUALS)
    cells = re.findall(r"^\| (`[A-Z][^|]*) \|", rows, flags=re.MULTILINE)
    known = ENV | {name for cell in cells for name in re.findall(r"[A-Z0-9_]+", cell)}
    known |= {"WHISPER_GATEWAY_CONFIG", "DOCKER_HOST"}
    for page in ("docs/deploy.md", "docs/operations.md", "docs/errors.md", "SECURITY.md", "README.md"):
        for span in SPAN.findall((ROOT / page).read_text()):
            name = re.fullmatch(r"([A-Z][A-Z0-9]*_[A-Z0-9_]+)(=.*)?", span)
            assert name is None or name[1] in known, f"{page}: {span}"


def test_every_setting_that_is_named_exists() -> None:
    known = {setting.dotted for setting in settings()} | {".".join(pattern) for pattern, _ in sections()}
    source = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))  # events are named alike
    for page in PAGES:
        for span in SPAN.findall(page.read_text()):
            name = re.fullmatch(r"((?:gateway|engines|defaults)\.[a-z_.*]+)(: .*)?", span)
            if name and not name[1].endswith((".py", ".conf", ".md")) and f'"{name[1]}"' not in source:
                assert name[1] in known, f"{page.name}: {span}"
