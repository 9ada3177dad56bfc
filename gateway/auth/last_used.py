"""When each key was last used, for whoever wonders which may be revoked: `keys-used.json` beside the keys.

The gateway is the only one to write it. A request only notes the time in memory; a task writes the file, at most once a
minute and at shutdown. A killed gateway loses the last minute of it, and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from gateway.auth.key_file import KeyTrouble
from gateway.auth.replacing import replace_file
from gateway.clock import Clock, SystemClock
from gateway.config.problems import printable

PAUSE = 60.0
"""Seconds between two writes, at least."""

_TIMES = TypeAdapter(dict[str, AwareDatetime])
_log = structlog.get_logger()


class LastUsed:
    """clock: for the pauses. now: the Unix time."""

    def __init__(self, folder: Path, clock: Clock | None = None, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock or SystemClock()
        self._now = now
        self._times: dict[str, float] = {}
        self._noted = asyncio.Event()
        self._saving = threading.Lock()
        self._failing = False

    def note(self, key_id: str) -> None:
        """The key with this id was used just now."""
        self._times[key_id] = self._now()
        if not self._noted.is_set():
            self._noted.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes what is noted inside the block, and what is left when it ends."""
        self._times = {**self._earlier(), **self._times}
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep(), name="last used keys")
                try:
                    yield
                finally:
                    keeping.cancel()
        finally:
            if self._noted.is_set():
                self._write_the_last()

    def _earlier(self) -> dict[str, float]:
        """What was noted before a restart. A file that is no good is overwritten."""
        try:
            found = read_last_used(self._folder)
        except KeyTrouble as trouble:
            _log.warning("keys.use_unknown", reason=str(trouble))
            return {}
        # A file may say anything, but no key was used in the year 1, or 9999.
        return {key_id: when.timestamp() for key_id, when in found.items() if 1970 < when.year < 3000}

    async def _keep(self) -> None:
        while True:
            await self._noted.wait()
            await self._write()
            await self._pause()

    async def _write(self) -> None:
        """A failure is told once, and tried again with the next use."""
        self._noted.clear()
        try:
            await asyncio.to_thread(self._save, self._times.copy())
        except asyncio.CancelledError:
            self._noted.set()  # the thread goes on, but nobody hears how it ended: once more, at the end
            raise
        except Exception as error:  # whatever it is, requests are served on
            self._complain(error)
        else:
            self._failing = False

    def _write_the_last(self) -> None:
        """Without a thread: there may be none left to have, and nobody waits any more."""
        try:
            self._save(self._times)
        except Exception as error:  # it is no reason for the gateway not to end
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._failing:
            _log.warning("keys.use_unwritten", reason=f"{_path_in(self._folder)} cannot be written: {error}")
        self._failing = True

    def _save(self, times: dict[str, float]) -> None:
        seconds = {key_id: datetime.fromtimestamp(int(when), UTC) for key_id, when in times.items()}
        with self._saving:
            replace_file(_path_in(self._folder), _TIMES.dump_json(seconds, indent=1) + b"\n")

    async def _pause(self) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(PAUSE, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()


def read_last_used(folder: Path) -> dict[str, datetime]:
    """When the keys with these ids were last used, as far as it is written yet. Raises KeyTrouble."""
    path = _path_in(folder)
    try:
        return _TIMES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KeyTrouble(f"{printable(str(path))} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise KeyTrouble(f"{printable(str(path))} is damaged; the gateway will write a new one") from error


def _path_in(folder: Path) -> Path:
    return folder / "keys-used.json"
