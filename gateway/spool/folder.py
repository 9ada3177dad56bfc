"""The folder in which spools lie. Its files have no names, so that nothing of them outlives the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import structlog

from gateway.spool.disk import Disk
from gateway.spool.file import SpoolFile

COMPLAIN_EVERY = 60.0
"""Seconds between two lines of the log about a disk that cannot be written."""
ONE_GIVES_UP_PER = 0.6
"""Seconds. Meanwhile the others who wait for a full disk have tried it again, and may find room."""
PREFIX = "whisper-gateway-body-"


class SpoolFolder:
    """Opens files. disk: on which they lie."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.disk = Disk()
        self._complained: float | None = None
        self._gave_up = float("-inf")

    def prepare(self) -> None:
        """Make the folder, for us alone, unless it is there; and remove what a crash has left in it.

        Raises OSError, with the folder in its text, if files cannot be made there.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self.path.glob(f"{PREFIX}*"):
                with contextlib.suppress(OSError):  # somebody else's, in a folder that is everybody's
                    left.unlink()
            os.close(_unnamed(self.path))
        except OSError as error:
            text = f"request bodies cannot be kept in {self.path}: {error.strerror}"
            raise OSError(error.errno, text) from error

    async def open(self, closed: Callable[[], None]) -> SpoolFile:
        """A new file; see `SpoolFile`. Raises OSError."""
        opening = self.disk.submit(_unnamed, self.path)
        try:
            descriptor = await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise
        return SpoolFile(descriptor, self.disk, closed)

    def could_not_write(self, error: OSError) -> None:
        """Says so in the log, but not for each of the requests that this concerns: the log may be on the same disk."""
        now = asyncio.get_running_loop().time()
        if self._complained is None or now >= self._complained + COMPLAIN_EVERY:
            self._complained = now
            structlog.get_logger().warning("spool.not_written", folder=str(self.path), reason=reason_of(error))

    def lets_give_up(self) -> bool:
        """Whether somebody who waits in vain for space may give up now. If so, he does."""
        now = asyncio.get_running_loop().time()
        if now - self._gave_up < ONE_GIVES_UP_PER:
            return False
        self._gave_up = now
        return True

    def close(self) -> None:
        """No more files. Those that are open are closed by their spools."""
        self.disk.close()


def reason_of(error: OSError) -> str:
    """In words. A TimeoutError of ours has none of its own."""
    return error.strerror or "the disk does not answer"


def _close_unwanted(opening: Future[int]) -> None:
    """Whoever wanted this file has gone."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def _unnamed(folder: Path) -> int:
    """A descriptor of a new file without a name."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is not None:
        with contextlib.suppress(IsADirectoryError, FileNotFoundError, NotADirectoryError):
            try:
                return os.open(folder, flag | os.O_RDWR | os.O_CLOEXEC | os.O_EXCL, 0o600)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
    descriptor, name = tempfile.mkstemp(prefix=PREFIX, dir=folder)
    with contextlib.suppress(FileNotFoundError):
        Path(name).unlink()
    return descriptor
