"""Tells when a file has changed, however that was done.

An editor writes a new file and renames it over the old one, so the folder is watched; a file that is mounted into a
container by itself changes without its folder's notice, so it is watched as well. And a change that no kernel tells of
(on a network's disk, or behind a link) is seen by looking every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

import structlog
import watchfiles

LOOK_SECONDS = 2.0
"""The longest time until a change is noticed."""
CALM_MS, LONGEST_MS = 200, 2000
"""A change is told when all is quiet for so long, or else after so long: half a file is no file."""


class Look(NamedTuple):
    """What tells one state of a file from another. named: False if it is mounted, and was replaced where it is from."""

    device: int
    inode: int
    size: int
    changed: int
    named: bool


async def changes(path: Path, look_seconds: float = LOOK_SECONDS, *, since: Look | None = None) -> AsyncIterator[None]:
    """Yields after each change of the file, for ever. That it goes away is none, nor that it comes back as it was.

    since: how it looked when it was read; if that is not known, what there is now is none either.
    """
    seen = since or await look(path)
    complained = False
    while True:
        try:
            now = await _another_look(path, seen, look_seconds)
        except (OSError, RuntimeError) as error:  # there is no folder, or no watch left; the latter is watchfiles' own
            if not complained:
                structlog.get_logger().warning("config.not_watched", reason=str(error), look_every=look_seconds)
            complained = True
            await asyncio.sleep(look_seconds)
            now = await look(path)
        if now is None or now == seen:
            continue
        seen = now
        if not now.named:
            hint = "its container goes on seeing the old file: let it see the folder, and restart it"
            structlog.get_logger().warning("config.replaced_outside", path=str(path), hint=hint)
        else:
            yield


async def _another_look(path: Path, seen: Look | None, look_seconds: float) -> Look | None:
    """Returns when the file does not look as it did. A watch is for one file, and not for what is put in its place."""
    if (now := await look(path)) not in (seen, None):
        return now
    watch = watchfiles.awatch(
        *([path.parent] if now is None else [path.parent, path]),
        watch_filter=None,
        recursive=False,
        step=CALM_MS,
        debounce=LONGEST_MS,
        rust_timeout=round(look_seconds * 1000),
        yield_on_timeout=True,
    )
    async with aclosing(watch) as happenings:
        async for _ in happenings:
            if (after := await look(path)) != now:
                return after
    raise AssertionError("a watch does not end by itself")


async def look(path: Path) -> Look | None:
    """How it looks now; None if it is not there, or cannot be looked at. In a thread: the disk may be a slow one."""
    return await asyncio.to_thread(_look_now, path)


def _look_now(path: Path) -> Look | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return Look(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_nlink > 0)
