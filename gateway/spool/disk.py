"""The threads that touch the disk, and whether it answers them.

A disk that hangs (a share whose server is gone, a dying drive) holds its threads for as long as it likes. One wait in
vain is enough to know: until it has answered anybody, nobody else need wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple, Unpack

THREADS = 4
"""At work on the disk at once, for all requests."""

T = TypeVar("T")
A = TypeVarTuple("A")


class Disk:
    """Everything but `close` belongs to the event loop. An operation that has begun goes on to its end."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")
        self._under_way = 0
        self._silent = False  # somebody has waited in vain, and it has answered nobody since

    def __repr__(self) -> str:
        return f"<Disk under_way={self._under_way}{' hangs' * self.hangs}>"

    @property
    def hangs(self) -> bool:
        """If nothing is under way there is nothing that it does not answer."""
        return self._silent and self._under_way > 0

    @asynccontextmanager
    async def answers_within(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError if what is done inside takes longer; while the disk hangs, at once."""
        if self.hangs:
            raise TimeoutError
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        finally:
            self._silent |= limit.expired()

    async def do(self, operation: Callable[[Unpack[A]], T], *arguments: *A) -> T:
        """In a thread. Raises what it raises. Cancelled before it has begun, it is not done."""
        return await asyncio.wrap_future(self.submit(operation, *arguments))

    def submit(self, operation: Callable[[Unpack[A]], T], *arguments: *A) -> Future[T]:
        """Likewise, for whoever does not wait. Raises RuntimeError after `close`."""
        loop = asyncio.get_running_loop()
        work = self._threads.submit(operation, *arguments)
        self._under_way += 1
        work.add_done_callback(lambda work: self._is_over(loop, answered=not work.cancelled()))
        return work

    def leave_to_it(self, operation: Callable[[], object]) -> None:
        """Do this, and tell nobody; here, if there are no threads any more: the gateway ends."""
        try:
            self.submit(operation)
        except RuntimeError:
            operation()

    def close(self) -> None:
        """No more operations but those that have begun, or wait."""
        self._threads.shutdown(wait=False)

    def _is_over(self, loop: asyncio.AbstractEventLoop, *, answered: bool) -> None:
        """In a thread, mostly."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(self._count, answered)

    def _count(self, answered: bool) -> None:  # noqa: FBT001 - the loop calls it
        self._under_way -= 1
        if answered:
            self._silent = False
