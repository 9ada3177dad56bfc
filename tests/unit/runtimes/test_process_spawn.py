"""What a local engine inherits."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.schema import ProcessTarget
from gateway.runtimes import process_spawn
from gateway.runtimes.process_log import ProcessLog


@pytest.fixture
def raised_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """As the gateway raises its own after it was started with a lower one."""
    was, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    at_start = min(was, hard) - 7
    monkeypatch.setattr(process_spawn, "FILES_AT_START", (at_start, hard))
    yield at_start
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (was, hard)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can set another process's limits")
def test_an_engine_gets_the_file_limit_that_the_gateway_was_started_with(tmp_path: Path, raised_limit: int) -> None:
    os.mkfifo(tmp_path / "go")
    log = ProcessLog(tmp_path / "x.log")
    target = ProcessTarget(command=("sh", "-c", "read line < go; ulimit -Sn"), directory=tmp_path)
    pid = process_spawn.spawn(target, port=1, log=log)
    (tmp_path / "go").write_text("now\n")
    os.waitpid(pid, 0)
    assert log.tail(1) == [str(raised_limit)]
