"""How much memory a process group takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.runtimes import process_usage
from gateway.runtimes.process_usage import group_memory

WORKER = "import sys; kept = b'x' * (64 * 2**20); print(1, flush=True); sys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKER!r}])"


def test_workers_count() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        taken = group_memory(process.pid)
        process.communicate()
    assert taken is not None
    assert 64 * 2**20 < taken < 256 * 2**20
    assert group_memory(process.pid) is None


def test_where_there_is_no_proc_nobody_can_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process_usage, "PROC", tmp_path)
    assert group_memory(1) is None
