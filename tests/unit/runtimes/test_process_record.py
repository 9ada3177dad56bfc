"""A process, remembered beyond its own life and ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.schema import ProcessTarget
from gateway.runtimes import process_record
from gateway.runtimes.process_record import ProcessRecord, kernel_start, load_record


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    record = ProcessRecord(os.getpid(), kernel_start(os.getpid()) or "", 12.5, 8000, "salt", "hash")
    record.save(tmp_path / "x.json")
    assert load_record(tmp_path / "x.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert record.alive()
    assert not record.recycled()


def test_nothing_saved_is_nothing_loaded(tmp_path: Path) -> None:
    assert load_record(tmp_path / "x.json") is None


@pytest.mark.parametrize("proc", ["/proc", "/nowhere"])
def test_a_process_is_gone_when_it_has_ended_even_if_nobody_reaped_it(
    proc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_record, "PROC", Path(proc))
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = ProcessRecord(process.pid, kernel_start(process.pid) or "", 0)
    assert record.alive()
    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and left as a zombie
    assert not record.alive()
    assert not record.recycled()
    process.wait()
    assert not record.alive()


def test_another_process_with_the_same_id_is_not_it() -> None:
    record = ProcessRecord(os.getpid(), "another-boot:1", 0)
    assert not record.alive()
    assert record.recycled()


def test_a_name_with_parentheses_and_blanks_does_not_confuse(tmp_path: Path) -> None:
    """/proc/pid/stat holds the program's name as it is."""
    program = tmp_path / "a) Z (b 1 2"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        assert kernel_start(process.pid) == kernel_start(process.pid) is not None
        assert (kernel_start(process.pid) or "").rpartition(":")[2].isdigit()
    finally:
        process.kill()
        process.wait()


def test_instances_differ_by_start() -> None:
    assert ProcessRecord(7, "boot:123", 0).instance == "7-123"


TARGET = ProcessTarget(command=("engine", "--port={port}"), environment={"TOKEN": "hunter2"}, directory=Path("/tmp"))


@pytest.mark.parametrize(
    ("change", "port"),
    [
        ({}, 8001),
        ({"command": ("engine",)}, 8000),
        ({"environment": {"TOKEN": "other"}}, 8000),
        ({"environment": {}}, 8000),
        ({"directory": None}, 8000),
    ],
    ids=["port", "command", "value", "variable", "directory"],
)
def test_a_record_knows_the_settings_its_process_runs_with(change: dict[str, object], port: int) -> None:
    record = ProcessRecord.of(os.getpid(), TARGET, 8000)
    assert record.runs(TARGET.model_copy(), 8000)
    assert not record.runs(TARGET.model_copy(update=change), port)


def test_a_record_of_an_earlier_version_tells_no_settings(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"pid": 7, "started": "boot:1", "since": 2.5}')
    record = load_record(tmp_path / "x.json")
    assert record == ProcessRecord(7, "boot:1", 2.5)
    assert not record.runs(TARGET, 0)
    assert not record.runs(TARGET, 8000)


def test_a_record_tells_no_secrets(tmp_path: Path) -> None:
    """Not even that two engines have the same: each record has a salt of its own. And only its owner reads it."""
    one, two = (ProcessRecord.of(os.getpid(), TARGET, 8000) for _ in range(2))
    assert one.settings != two.settings
    one.save(tmp_path / "x.json")
    assert "hunter2" not in (tmp_path / "x.json").read_text()
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o600
