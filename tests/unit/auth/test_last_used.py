"""When keys were last used: noted in memory, written at most once a minute, never in the way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.auth.key_file import KeyTrouble
from gateway.auth.last_used import LastUsed, read_last_used
from tests.fixtures.clock import FakeClock
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def used(tmp_path: Path, clock: FakeClock) -> LastUsed:
    return LastUsed(tmp_path, clock, now=lambda: NOON.timestamp() + clock.monotonic() - 1000 + 0.9)


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def until(there: Callable[[], bool]) -> None:
    """A file that another thread writes tells nobody."""
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_the_first_use_is_written_at_once_and_the_next_a_minute_later(
    used: LastUsed, clock: FakeClock, tmp_path: Path
) -> None:
    async with used.running():
        used.note("a")
        await until(lambda: clock.pending == [60])
        assert read_last_used(tmp_path) == {"a": NOON}
        used.note("b")
        used.note("a")
        clock.advance(59)
        assert read_last_used(tmp_path) == {"a": NOON}
        clock.advance(1)
        await until(lambda: read_last_used(tmp_path).keys() == {"a", "b"})


async def test_nothing_is_written_when_nothing_was_used(used: LastUsed, clock: FakeClock, tmp_path: Path) -> None:
    async with used.running():
        await asyncio.sleep(0)
        assert clock.pending == []
    assert files(tmp_path) == []


async def test_what_is_left_is_written_at_the_end(used: LastUsed, clock: FakeClock, tmp_path: Path) -> None:
    async with used.running():
        used.note("a")
        await until(lambda: clock.pending == [60])
        used.note("b")
    assert read_last_used(tmp_path).keys() == {"a", "b"}
    assert clock.pending == []


async def test_an_end_in_the_middle_of_a_write_loses_nothing(used: LastUsed, tmp_path: Path) -> None:
    async with used.running():
        for _ in range(200):
            used.note("a")
            await asyncio.sleep(0)
        used.note("b")
    assert read_last_used(tmp_path).keys() == {"a", "b"}
    assert files(tmp_path) == ["keys-used.json"]


async def test_what_fails_inside_the_block_is_not_hidden_and_loses_nothing(used: LastUsed, tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - it fails after a use
        async with used.running():
            used.note("a")
            raise ValueError
    assert read_last_used(tmp_path).keys() == {"a"}


async def test_a_restart_forgets_nothing(used: LastUsed, clock: FakeClock, tmp_path: Path) -> None:
    async with used.running():
        used.note("old")
    again = LastUsed(tmp_path, clock, now=NOON.timestamp)
    async with again.running():
        again.note("new")
    assert read_last_used(tmp_path).keys() == {"old", "new"}


async def test_a_note_from_before_it_runs_is_newer_than_the_file(
    used: LastUsed, clock: FakeClock, tmp_path: Path
) -> None:
    async with used.running():
        used.note("a")
    again = LastUsed(tmp_path, clock, now=lambda: NOON.timestamp() + 3600)
    again.note("a")
    async with again.running():
        pass
    assert read_last_used(tmp_path)["a"].hour == 13


async def test_a_clock_that_was_put_back_is_believed(tmp_path: Path, clock: FakeClock) -> None:
    times = iter([NOON.timestamp() + 1e9, NOON.timestamp()])
    used = LastUsed(tmp_path, clock, now=lambda: next(times))
    async with used.running():
        used.note("a")
        used.note("a")
    assert read_last_used(tmp_path) == {"a": NOON}


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "1969-01-01T00:00:00Z"])
async def test_a_time_that_cannot_be_is_forgotten(used: LastUsed, tmp_path: Path, when: str) -> None:
    (tmp_path / "keys-used.json").write_text(json.dumps({"old": when, "older": "2025-05-05T05:05:05Z"}))
    async with used.running():
        used.note("a")
    assert sorted(read_last_used(tmp_path)) == ["a", "older"]


@pytest.mark.parametrize("content", [b"", b"rubbish", b'{"a": 5, "b": []}', b"[" * 100_000, b"\xff"])
async def test_a_damaged_file_is_told_and_written_anew(used: LastUsed, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys-used.json"
    path.write_bytes(content)
    with pytest.raises(KeyTrouble, match=r"keys-used\.json is damaged"):
        read_last_used(tmp_path)
    with capture_logs() as log:
        async with used.running():
            used.note("a")
    assert [line["event"] for line in log] == ["keys.use_unknown"]
    assert json.loads(path.read_text()) == {"a": "2026-01-01T12:00:00Z"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_cannot_be_written_is_told_once_and_harms_nobody(
    used: LastUsed, clock: FakeClock, tmp_path: Path
) -> None:
    obstacle = tmp_path / "keys-used.json.new"
    obstacle.mkdir()
    with capture_logs() as log:
        async with used.running():
            for _ in range(3):
                used.note("a")
                await until(lambda: clock.pending == [60])
                clock.advance(60)
                await until(lambda: clock.pending == [])
            assert [line["event"] for line in log] == ["keys.use_unwritten"]
            assert "keys-used.json cannot be written" in log[0]["reason"]
            obstacle.rmdir()
            used.note("a")
            await until(lambda: read_last_used(tmp_path) != {})
    assert len(log) == 1


async def test_a_system_without_threads_to_spare_harms_nobody(used: LastUsed, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with capture_logs() as log:
        async with used.running():
            monkeypatch.setattr(asyncio, "to_thread", refuse)
            used.note("a")
            await until(lambda: len(log) == 1)
        monkeypatch.undo()
    assert [line["event"] for line in log] == ["keys.use_unwritten"]


async def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys-used.json").mkdir()
    with pytest.raises(KeyTrouble, match="cannot be read"):
        read_last_used(tmp_path)
    with contextlib.suppress(KeyTrouble):
        read_last_used(tmp_path / "none")
