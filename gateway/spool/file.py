"""One file without a name. Everything that touches the disk happens in a thread: a slow disk must stop nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from gateway.spool.disk import Disk

_AT_ONCE: int | None = getattr(os, "RWF_NOWAIT", None)
MOST_PARTS = 512
"""Parts that one system call takes; IOV_MAX is 1024 or more everywhere."""


T = TypeVar("T")


class FileClosed(Exception):
    """The file was closed before its turn came."""


class SpoolFile:
    """Read and written at places, in threads. Closing waits for none of them, and a descriptor is never used after.

    closed: called on the event loop when the disk has its space back.
    """

    def __init__(self, descriptor: int, disk: Disk, closed: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._disk = disk
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()  # of the two below, which threads share
        self._users = 0
        self._closing = False

    async def write(self, parts: list[bytes], at: int) -> None:
        """Write all of it. Raises OSError, after which some of it may be there; and FileClosed."""
        await self._disk.do(self._use, _write, parts, at)

    async def read(self, size: int, at: int, within: float) -> bytes:
        """What is there, at most so many bytes. Raises OSError, TimeoutError after so many seconds, and FileClosed."""
        if (found := self._at_hand(size, at)) is not None:
            return found  # without a timer: the loop frees those once a turn, and a thousand readers go on here in one
        async with asyncio.timeout(within):
            return await self._disk.do(self._use, _read, size, at)

    def _at_hand(self, size: int, at: int) -> bytes | None:
        """Likewise, if the system has it in memory: that needs no thread."""
        if _AT_ONCE is None or self._closing:  # nobody else closes it: that is done on the event loop
            return None
        buffer = bytearray(size)
        try:
            count = os.preadv(self._descriptor, [buffer], at, _AT_ONCE)
        except OSError:  # it is not, or this file system cannot tell
            return None
        return bytes(memoryview(buffer)[:count]) if count else None

    def close(self) -> None:
        """Free the disk as soon as no thread is at work on it any more."""
        with self._lock:
            closing, self._closing = self._closing, True
            if closing or self._users:
                return  # the last user closes it
        self._disk.leave_to_it(self._close)  # to free a large file takes its time

    def _use(self, operation: Callable[..., T], *arguments: object) -> T:
        with self._lock:
            if self._closing:
                raise FileClosed
            self._users += 1
        try:
            return operation(self._descriptor, *arguments)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._closing and not self._users
        if last:
            self._close()

    def _close(self) -> None:
        os.close(self._descriptor)
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody counts any more
            self._loop.call_soon_threadsafe(self._closed)


def _write(descriptor: int, parts: list[bytes], at: int) -> None:
    left = [memoryview(part) for part in parts]
    while left:
        written = os.pwritev(descriptor, left[:MOST_PARTS], at)
        at += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]


def _read(descriptor: int, size: int, at: int) -> bytes:
    return os.pread(descriptor, size, at)
