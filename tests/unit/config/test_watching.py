"""A change of a file is told, whichever way it was made; what is no change is not."""

# ruff: noqa: ASYNC240 - files of the test's own
from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import watchfiles
from structlog.testing import capture_logs

from gateway.config import watching
from gateway.config.watching import changes

pytestmark = pytest.mark.anyio
PATIENCE = 20.0
SOON = 0.3
"""Seconds between looks where no event comes; much shorter than a test's patience."""


class Watched:
    """A file, how often the test did something to it, and how often a change of it was told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = self.told = 0
        self._heard = asyncio.Event()

    async def follow(self, look_seconds: float) -> None:
        stream = changes(self.path, look_seconds)
        assert isinstance(stream, AsyncGenerator)
        async with aclosing(stream) as each:
            async for _ in each:
                self.told += 1
                self._heard.set()

    async def hears(self, act: Callable[[], object]) -> None:
        """Does it again and again until it is told of: nobody says when a watch has begun."""
        self._heard.clear()
        for _ in range(200):
            self.done += 1
            act()
            try:
                async with asyncio.timeout(PATIENCE / 40):
                    await self._heard.wait()
            except TimeoutError:
                continue
            return
        raise AssertionError("nothing was told")


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """Watched by the kernel alone: the next look would come too late."""
    async for one in watching_file(tmp_path / "config.yaml", PATIENCE * 10):
        yield one


async def watching_file(path: Path, look_seconds: float) -> AsyncIterator[Watched]:
    path.write_text("0")
    watched = Watched(path)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.follow(look_seconds))
        try:
            yield watched
        finally:
            task.cancel()


def counter(write: Callable[[str], object]) -> Callable[[], object]:
    """Writes another content each time it is called."""
    numbers = iter(range(1, 10_000))
    return lambda: write("x" * next(numbers))


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


async def test_a_file_written_in_place_or_replaced_in_any_order_is_told(watched: Watched) -> None:
    path = watched.path
    await watched.hears(counter(path.write_text))
    await watched.hears(counter(lambda text: replace(path, text)))
    await watched.hears(counter(lambda text: replace(path, f"{text} again")))
    await watched.hears(counter(lambda text: path.write_text(f"{text} in place")))


async def test_a_file_that_goes_away_is_told_when_another_comes(watched: Watched) -> None:
    await watched.hears(counter(watched.path.write_text))
    watched.path.unlink()
    (watched.path.parent / "other").write_text("no business of ours")
    await watched.hears(counter(lambda text: replace(watched.path, f"{text} back")))
    assert watched.told <= watched.done, "that it went away is no change"


async def test_the_target_of_a_link_and_a_link_to_another_target_are_told(tmp_path: Path) -> None:
    """As a folder of secrets or of a config map is mounted: links to a folder that is exchanged."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(name)
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "config.yaml").symlink_to("data/config.yaml")
    path = tmp_path / "config.yaml"
    watched = Watched(path)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.follow(SOON))
        await watched.hears(counter((tmp_path / "one" / "config.yaml").write_text))

        def exchange() -> None:
            target = "two" if os.readlink(tmp_path / "data") == "one" else "one"  # noqa: PTH115
            (tmp_path / "new").symlink_to(target)
            (tmp_path / "new").replace(tmp_path / "data")

        await watched.hears(exchange)
        task.cancel()


async def test_without_events_a_change_is_seen_by_looking_and_the_log_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_watch(*_: object, **__: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "awatch", no_watch)
    with capture_logs() as lines:
        async for watched in watching_file(tmp_path / "config.yaml", 0.01):
            await watched.hears(counter(watched.path.write_text))
            await watched.hears(counter(watched.path.write_text))
    assert [line["event"] for line in lines] == ["config.not_watched"]
    assert "limit" in lines[0]["reason"]


async def test_a_mounted_file_that_somebody_has_replaced_outside_is_told_in_the_log(tmp_path: Path) -> None:
    """Whoever goes on seeing the old one, as a container does, sees no change but that its name is gone."""
    (tmp_path / "config.yaml").write_text("old")
    with (tmp_path / "config.yaml").open() as mounted, capture_logs() as lines:
        watched = Watched(Path(f"/proc/self/fd/{mounted.fileno()}"))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watched.follow(0.01))
            await watched.hears(counter((tmp_path / "config.yaml").write_text))
            told = watched.told
            replace(tmp_path / "config.yaml", "new")
            async with asyncio.timeout(PATIENCE):
                while "config.replaced_outside" not in (line["event"] for line in lines):  # noqa: ASYNC110 - a log
                    await asyncio.sleep(0.01)
            task.cancel()
    assert watched.told == told, "there is nothing to read anew"
    assert [line["event"] for line in lines].count("config.replaced_outside") == 1


async def test_whoever_stops_watching_is_not_kept_waiting(watched: Watched) -> None:
    """The watch's thread is told; it does not have to wait for its next look, in many seconds."""
    await watched.hears(counter(watched.path.write_text))
    assert watching.LOOK_SECONDS <= 10
