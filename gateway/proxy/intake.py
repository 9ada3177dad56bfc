"""Takes a request's body in while its engine wakes, and goes on while the engine reads it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from gateway.proxy.http import Receive
from gateway.spool.spool import Spool


class Intake:
    """`async with Intake(receive, spool) as intake:` fills the spool from `receive` inside the block, once begun.

    If that fails, the block is cancelled and the failure raised in its place. Whatever ends the block ends the filling,
    and frees the spool.
    """

    __slots__ = ("_cancelling", "_failure", "_filling", "_leaving", "_receive", "_task", "spool")

    def __init__(self, receive: Receive, spool: Spool) -> None:
        self.spool = spool
        self._receive = receive
        self._filling: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._leaving = False
        self._task: asyncio.Task[object]
        self._cancelling = 0

    @property
    def begun(self) -> bool:
        """Whether any of the body has been asked for."""
        return self._filling is not None

    def begin(self) -> None:
        """Ask the client for its body. Who may yet be refused at once is not asked."""
        if self._filling is None:
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving = True
        self.spool.close()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait({self._filling})
            self._filling = None  # how it ended leads back here
        if self._failure is not None and self._task.uncancel() <= self._cancelling:
            raise self._failure from error

    async def _fill(self) -> None:
        try:
            more = True
            while more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    self.spool.close()  # its reader learns of it there
                    return
                more = message.get("more_body", False)
                await self.spool.append(message.get("body", b""), end=None if more else message.get("trailers", []))
        except Exception as failure:  # no room for the body, or a mistake of ours: the block raises it
            if not self._leaving:
                self._failure = failure
                self._task.cancel()
