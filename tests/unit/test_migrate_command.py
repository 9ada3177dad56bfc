"""`whisper-gateway migrate`: where the result goes, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.commands import one_line, run

ENTRY = {"proxyPort": 8001, "containers": ["faster-whisper"]}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text(json.dumps({"services": {"whisper.test": ENTRY}}))
    return "config.json"


def test_it_writes_config_yaml_and_lists_what_to_check(source: str) -> None:
    result = run("migrate", source)
    assert (result.exit_code, result.stdout) == (0, "")
    first, *checks = result.stderr.splitlines()
    assert first == "config.yaml is written; to check:"
    assert checks
    assert all(check.startswith("- faster-whisper: ") for check in checks)
    assert run("check").stdout == "config.yaml: good, 1 engines under 1 hostnames\n"


def test_a_file_that_is_there_is_replaced_only_by_force(source: str) -> None:
    Path("mine.yaml").write_text("mine")
    result = run("migrate", source, "--output", "mine.yaml")
    assert result.exit_code == 1
    assert "mine.yaml is there already" in one_line(result)
    assert Path("mine.yaml").read_text() == "mine"
    assert run("migrate", source, "--output", "mine.yaml", "--force").exit_code == 0
    assert "faster-whisper:" in Path("mine.yaml").read_text()


def test_it_can_be_printed_with_nothing_else_on_standard_output(source: str) -> None:
    result = run("migrate", source, "-o", "-")
    Path("printed.yaml").write_text(result.stdout)
    assert run("check", "-c", "printed.yaml").exit_code == 0
    assert not Path("config.yaml").exists()


def test_a_place_that_cannot_be_written_is_told_in_one_line(source: str) -> None:
    result = run("migrate", source, "-o", "none/config.yaml")
    assert result.exit_code == 1
    assert "none/config.yaml cannot be written: No such file or directory" in one_line(result)


def test_a_file_that_is_none_is_told_in_one_line_and_writes_nothing(source: str) -> None:
    Path(source).write_text("{}")
    result = run("migrate", source)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == 'config.json: "services" is missing: an entry for each hostname\n'
    assert "none.json: does not exist" in run("migrate", "none.json").stderr
    assert not Path("config.yaml").exists()
