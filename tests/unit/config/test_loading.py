from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, load_config
from gateway.config.files import LARGEST
from gateway.config.hosts import Listen
from gateway.config.schema import DockerTarget
from gateway.errors import ConfigError

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

SMALL = """\
engines:
  whisper:
    hosts: [whisper.example.org]
    docker: {container: faster-whisper}
    port: 8000
"""


def test_the_least_file_gets_the_defaults(load: Load, tmp_path: Path) -> None:
    config = load(SMALL)
    whisper = config.engines["whisper"]
    assert whisper.hosts == ("whisper.example.org",)
    assert whisper.docker == DockerTarget(container="faster-whisper")
    assert (whisper.port, whisper.ready.path, whisper.idle_after, whisper.start_timeout) == (8000, "/health", 900, 60)
    assert config.gateway.listen == Listen("127.0.0.1", 8890)
    assert config.gateway.state_dir == tmp_path / "state"


def test_defaults_reach_every_engine_that_has_no_own_value(load: Load) -> None:
    text = f"defaults: {{idle_after: never, stop_timeout: 3s}}\n{SMALL}"
    text += "  other: {hosts: [other], docker: {container: other}, port: 1, idle_after: 1m}\n"
    config = load(text)
    assert [(engine.idle_after, engine.stop_timeout) for engine in config.engines.values()] == [(None, 3), (60, 3)]


def test_the_same_file_gives_an_equal_configuration(load: Load) -> None:
    """A reload touches only what differs."""
    assert load(SMALL) == load(SMALL + "# a comment\n")
    assert load(SMALL) != load(SMALL.replace("8000", "8001"))


def test_engines_keep_the_order_of_the_file(load: Load) -> None:
    engine = "{{hosts: [{0}], docker: {{container: {0}}}, port: 1}}"
    text = "engines:\n" + "".join(f"  {name}: {engine.format(name)}\n" for name in "cab")
    assert list(load(text).engines) == ["c", "a", "b"]


def test_numbers_and_sections_come_from_variables_too(load: Load) -> None:
    text = SMALL.replace("8000", "${PORT:-8000}").replace("[whisper.example.org]", "['whisper.${DOMAIN}']")
    config = load(text + "    idle_after: '${IDLE:-90}'\n", {"DOMAIN": "test.org", "PORT": "9"})
    whisper = config.engines["whisper"]
    assert (whisper.port, whisper.hosts, whisper.idle_after) == (9, ("whisper.test.org",), 90)


def test_variables_come_from_the_process_environment_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_TEST_PORT", "1234")
    file = tmp_path / "c.yaml"
    file.write_text(SMALL.replace("8000", "${GATEWAY_TEST_PORT}"))
    assert load_config(file).engines["whisper"].port == 1234
    assert load_config(str(file)).engines["whisper"].port == 1234


def test_what_is_not_quoted_is_taken_as_written(load: Load) -> None:
    text = SMALL.replace(
        "docker: {container: faster-whisper}", "process: {command: [no, 1.10], environment: {A: 010, B: no}}"
    )
    process = load(text).engines["whisper"].process
    assert process is not None
    assert process.command == ("no", "1.10")
    assert process.environment == {"A": "010", "B": "no"}


def test_a_byte_order_mark_and_windows_lines_are_no_problem(load: Load) -> None:
    assert load(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode()) == load(SMALL)


def test_all_problems_are_told_at_once_in_the_files_order(problems: Problems) -> None:
    text = """\
gateway:
  listen: 8890
  log: {level: debg}
  idle_after: 5m
defaults:
  idle_after: 5 mins
engines:
  whisper:
    hosts: whisper.example.org
    docker: {container: a b}
    port: ${NO_SUCH}
    prot: 8000
  Whisper X:
    hosts: []
    process: {command: python server.py, environment: {A: [x]}}
    port: 70000
    start_timeout:
    ready: {path: health}
rooms: {memory: 4g}
"""
    assert problems(text) == [
        'config.yaml:2 gateway.listen: "8890" is not an address to listen on (try "127.0.0.1:8890")',
        'config.yaml:3 gateway.log.level: "debg" is not one of debug, info, warning, error (did you mean "debug"?)',
        (
            'config.yaml:4 gateway.idle_after: unknown setting "idle_after" '
            "(did you mean `defaults.idle_after` or `engines.*.idle_after`?)"
        ),
        'config.yaml:6 defaults.idle_after: "5 mins" is not a duration (try "5m")',
        (
            'config.yaml:9 engines.whisper.hosts: a list is expected here, not "whisper.example.org" '
            '(try ["whisper.example.org"])'
        ),
        'config.yaml:10 engines.whisper.docker.container: "a b" is not the name of a container (try "faster-whisper")',
        "config.yaml:11 engines.whisper.port: the variable NO_SUCH is not set (set it, or write ${NO_SUCH:-default})",
        'config.yaml:12 engines.whisper.prot: unknown setting "prot" (did you mean "port"?)',
        'config.yaml:13 engines."Whisper X": "Whisper X" is not a name for an engine (use a-z, 0-9, "-" and "_")',
        'config.yaml:14 engines."Whisper X".hosts: at least one entry is needed',
        (
            'config.yaml:15 engines."Whisper X".process.command: a list is expected here, not "python server.py" '
            '(try ["python server.py"])'
        ),
        'config.yaml:15 engines."Whisper X".process.environment.A: a text is expected here, not a list',
        'config.yaml:16 engines."Whisper X".port: "70000" is too large (at most 65535)',
        (
            'config.yaml:17 engines."Whisper X".start_timeout: a value is missing '
            '(remove the line, or write "" for an empty text)'
        ),
        'config.yaml:18 engines."Whisper X".ready.path: "health" is not a path (try "/health")',
        'config.yaml:19 rooms: unknown setting "rooms" (known here: gateway, budget, defaults, engines)',
    ]


def test_a_wrong_default_is_told_once_and_at_its_own_line(problems: Problems) -> None:
    text = (
        f"defaults:\n  idle_after: soon\n  prot: 1\n{SMALL}  other: {{hosts: [o], docker: {{container: o}}, port: 1}}\n"
    )
    assert problems(text) == [
        'config.yaml:2 defaults.idle_after: "soon" is not a duration (try "15m")',
        (
            'config.yaml:3 defaults.prot: unknown setting "prot" (known here: '
            "idle_after, start_timeout, stop_timeout, answer_timeout, concurrency, queue, replay, min_awake)"
        ),
    ]


def test_a_wrong_default_does_not_hide_a_wrong_engine(problems: Problems) -> None:
    assert problems(f"defaults: {{idle_after: soon}}\n{SMALL}    start_timeout: later\n") == [
        'config.yaml:1 defaults.idle_after: "soon" is not a duration (try "15m")',
        'config.yaml:7 engines.whisper.start_timeout: "later" is not a duration (try "15m")',
    ]


def test_missing_settings_are_told_at_their_section(problems: Problems) -> None:
    assert problems("gateway: {on_exit: stop}\n") == ["config.yaml:1 engines: this setting is required"]
    assert problems("engines:\n  a: {}\n") == [
        "config.yaml:2 engines.a: say what runs this engine: `docker` or `process` is missing",
        "config.yaml:2 engines.a.hosts: this setting is required",
        "config.yaml:2 engines.a.port: this setting is required",
    ]
    assert problems("engines: {}\n") == ["config.yaml:1 engines: at least one entry is needed"]


@pytest.mark.parametrize("section", ["gateway", "defaults"])
def test_a_section_with_nothing_in_it_is_told_and_not_skipped(problems: Problems, section: str) -> None:
    assert problems(f"{section}:\n{SMALL}") == [
        f'config.yaml:1 {section}: a value is missing (remove the line, or write "" for an empty text)'
    ]


def test_what_is_inside_an_unknown_setting_is_not_told(problems: Problems) -> None:
    assert problems(f"{SMALL}    quota:\n      a: ${{NO_SUCH}}\n      b:\n") == [
        (
            'config.yaml:6 engines.whisper.quota: unknown setting "quota" (known here: hosts, docker, process, port, '
            "ready, cors, forward_authorization, idle_after, start_timeout, stop_timeout, answer_timeout, concurrency, "
            "queue, replay, min_awake, needs, keep_warm, preload, quiet_paths)"
        )
    ]


def test_a_setting_in_the_wrong_section_is_led_to_the_right_one(problems: Problems) -> None:
    assert problems(f"{SMALL}listen: 127.0.0.1:80\n") == [
        'config.yaml:6 listen: unknown setting "listen" (did you mean `gateway.listen`?)'
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "config.yaml: the file is empty (at least `engines` is needed)"),
        (b"- a\n", "config.yaml:1: settings are expected at the top (engines: ...), not a list"),
        (b"\n\nhello\n", 'config.yaml:3: settings are expected at the top (engines: ...), not "hello"'),
        (b"a: 1\nb: \xff\n", "config.yaml: is not UTF-8 from line 2 on (save it as UTF-8)"),
        ("a: 1\n".encode("utf-16"), "config.yaml: is UTF-16 from line 1 on (save it as UTF-8)"),
        (b"#" * (LARGEST + 1), "config.yaml: is larger than 1024 KiB"),
        (b"a: \x00\n", 'config.yaml:1: the character "\\u0000" is not allowed in YAML'),
        (b"engines:\n\ta: 1\n", "config.yaml:2: not valid YAML: a tab is used for indentation (use spaces)"),
    ],
)
def test_a_file_that_cannot_be_used_at_all_is_one_clear_line(problems: Problems, content: bytes, problem: str) -> None:
    assert problems(content) == [problem]


def refusal(path: str | os.PathLike[str]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(path, environment={})
    return refused.value.problems


def test_a_file_that_cannot_be_opened_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    assert refusal("missing.yaml") == ["missing.yaml: does not exist"]
    assert refusal("no/missing.yaml") == ["no/missing.yaml: does not exist"]
    assert refusal(tmp_path) == [f"{tmp_path}: is a folder, not a file"]
    assert refusal("loop") == ["loop: cannot be read: Too many levels of symbolic links"]
    assert refusal("x" * 5000) == [f"{'x' * 5000}: cannot be read: File name too long"]
    assert refusal("a\0b") == ["a\\u0000b: embedded null byte"]
    assert refusal("a\nb") == ["a\\nb: does not exist"]


def test_a_file_of_somebody_else_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(SMALL)
    file.chmod(0)
    if os.access(file, os.R_OK):  # root may read anything; /proc/self/mem refuses even root
        assert refusal("/proc/self/mem") == ["/proc/self/mem: cannot be read: Input/output error"]
    else:
        assert refusal(file) == [f"{file}: may not be read by this user"]


def test_a_file_without_end_is_one_clear_line() -> None:
    assert refusal("/dev/zero") == ["/dev/zero: is larger than 1024 KiB"]


def test_the_error_shows_every_problem(problems: Problems, load: Load) -> None:
    text = "gateway: {listen: x}\nengines: {}\n"
    with pytest.raises(ConfigError) as refused:
        load(text)
    assert str(refused.value).splitlines() == problems(text)


def test_a_configuration_cannot_be_changed_and_does_not_show_its_secrets(load: Load) -> None:
    text = SMALL.replace("docker: {container: faster-whisper}", "process: {command: [x], environment: {KEY: hunter2}}")
    config: Any = load(text)
    assert "hunter2" not in repr(config)
    with pytest.raises(Exception, match="frozen"):
        config.gateway = None
    assert isinstance(config, Config)
