"""Paths beside the configuration file, and values kept out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.config.files import LARGEST_SECRET
from gateway.config.schema import ProcessTarget

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

PROCESS = "gateway: {{state_dir: {0}}}\nengines:\n  a: {{hosts: [a], port: 1, process: {{command: [x], {1}}}}}\n"


def process_of(load: Load, settings: str) -> ProcessTarget:
    process = load(PROCESS.format("state", settings)).engines["a"].process
    assert process is not None
    return process


def test_relative_paths_begin_at_the_files_folder_and_not_at_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "key").write_text("secret")
    (tmp_path / "etc" / "c.yaml").write_text(PROCESS.format("./s", "directory: work, environment_files: {KEY: ./key}"))
    monkeypatch.chdir(tmp_path)
    config = load_config("etc/c.yaml", environment={})
    process = config.engines["a"].process
    assert process is not None
    assert config.gateway.state_dir == tmp_path / "etc" / "s"
    assert process.directory == tmp_path / "etc" / "work"
    assert process.environment == {"KEY": "secret"}


def test_a_linked_file_has_its_neighbours_where_the_link_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "c.yaml").write_text(PROCESS.format("s", ""))
    (tmp_path / "c.yaml").symlink_to("real/c.yaml")
    assert load_config(tmp_path / "c.yaml").gateway.state_dir == tmp_path / "s"


def test_a_command_runs_in_the_files_folder_by_default(load: Load, tmp_path: Path) -> None:
    assert process_of(load, "").directory == tmp_path


def test_absolute_paths_stay_and_home_is_home(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert process_of(load, "directory: /srv").directory == Path("/srv")
    assert process_of(load, "directory: ~/x").directory == Path("/home/somebody/x")


def test_the_home_of_nobody_is_an_ordinary_name(load: Load, tmp_path: Path) -> None:
    assert process_of(load, "directory: ~no-such-user-here/x").directory == tmp_path / "~no-such-user-here/x"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"two\nlines\n\n", "two\nlines\n"),
        (b"", ""),
        (b" $${NOT} ${A} # ", " $${NOT} ${A} # "),
    ],
)
def test_a_variable_is_read_from_a_file_as_it_is_but_for_the_last_line_break(
    load: Load, tmp_path: Path, content: bytes, value: str
) -> None:
    (tmp_path / "key").write_bytes(content)
    process = process_of(load, "environment: {A: b}, environment_files: {KEY: key}")
    assert process.environment == {"A": "b", "KEY": value}
    assert process.environment_files == {"KEY": tmp_path / "key"}


def test_files_that_cannot_be_read_are_told_with_all_other_problems(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "nul").write_bytes(b"a\0b")
    (tmp_path / "key").write_text("secret")
    (tmp_path / "huge").write_bytes(b"x" * (LARGEST_SECRET + 1))
    files = "{A: missing, B: folder, C: binary, D: nul, E: huge, F: '', G: [], 'H=': key}"
    where = "config.yaml:3 engines.a.process.environment_files"
    assert problems(PROCESS.format("state", f"nice: 1, environment_files: {files}")) == [
        (
            'config.yaml:3 engines.a.process.environment_files."H=": "H=" is not the name of a variable '
            '(try "WHISPER_MODEL")'
        ),
        f'{where}.A: "{tmp_path}/missing" does not exist',
        f'{where}.B: "{tmp_path}/folder" is a folder, not a file',
        f'{where}.C: "{tmp_path}/binary" is not UTF-8 from line 1 on (save it as UTF-8)',
        f'{where}.D: "{tmp_path}/nul" holds a NUL character, which no program can be given',
        f'{where}.E: "{tmp_path}/huge" is larger than 128 KiB',
        f'{where}.F: a path is missing (try "./state")',
        f"{where}.G: a text is expected here, not a list",
        (
            'config.yaml:3 engines.a.process.nice: unknown setting "nice" '
            "(known here: command, environment, environment_files, directory)"
        ),
    ]


@pytest.mark.parametrize("setting", ["state_dir", "directory"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("''", "a path is missing"),
        ("' '", "a path is missing"),
        ('"a\\0b"', "NUL character"),
        ("[]", "a text is expected"),
    ],
)
def test_a_path_must_name_something(problems: Problems, setting: str, wrong: str, said: str) -> None:
    text = PROCESS.format(wrong, "") if setting == "state_dir" else PROCESS.format("s", f"directory: {wrong}")
    (problem,) = problems(text)
    assert said in problem
    assert f"{setting}: " in problem
