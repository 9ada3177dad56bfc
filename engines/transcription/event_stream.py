"""An answer that begins before its work is done: server-sent events."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engines.transcription import events
from engines.transcription.disconnect import ClientLeft, while_client_waits
from engines.transcription.errors import EngineError

log = logging.getLogger(__name__)

SILENCE_S = 15.0
"""After so long without an event a comment is sent, which clients pass over: proxies take silent servers for dead."""
_STILL_HERE = b": still here\n\n"

Tell = Callable[[bytes], None]
"""Sends an event soon, after those before it. On the event loop, and never waits."""
Work = Callable[[Tell], Awaitable[bytes]]
"""Does what the answer is about, tells events on the way, and returns the last one."""


class EventStream(Response):
    """Runs `work` while it is sent, and sends each event as soon as it is told.

    The answer begins with the first thing that there is to send. So a failure before that is raised, and answered as
    any other; a later one is the last event, as `failed` writes it. When the client leaves, the work is cancelled.
    """

    media_type = "text/event-stream"

    def __init__(self, work: Work, failed: Callable[[EngineError], bytes] = events.failed) -> None:
        self._work = work
        self._failed = failed
        self._begun = False
        self.status_code = 200
        self.background = None
        # The second is for nginx: its buffer would hold the events back until it is full.
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_client_waits(Request(scope, receive), lambda: self._serve(send))
        except ClientLeft:
            if not self._begun:  # else there is no way to answer any more, and nobody to hear it
                raise

    async def _serve(self, send: Send) -> None:
        writer, reader = anyio.create_memory_object_stream[bytes](math.inf)
        last: bytes | None = None
        failure: Exception | None = None
        with writer, reader:
            async with anyio.create_task_group() as group:
                group.start_soon(self._send_all, reader, send, group.cancel_scope)
                try:
                    last = await self._work(writer.send_nowait)
                except Exception as exc:
                    failure = exc  # told below: leaving the group with it would wrap it in an ExceptionGroup
                writer.close()
        try:
            if last is not None:
                await self._send(send, last, more=False)
            elif failure is None:
                raise ClientLeft
            elif self._begun:
                await self._send(send, self._failed(_told(failure)), more=False)
            else:
                raise failure
        finally:
            del failure  # it refers to this frame by its traceback, and by that to a whole recording

    async def _send_all(self, reader: MemoryObjectReceiveStream[bytes], send: Send, scope: anyio.CancelScope) -> None:
        try:
            while True:
                event = _STILL_HERE if self._begun else b""
                with anyio.move_on_after(SILENCE_S):
                    event = await reader.receive()
                if event:
                    await self._send(send, event, more=True)
        except anyio.EndOfStream:
            pass
        except ClientLeft:
            scope.cancel()

    async def _send(self, send: Send, event: bytes, *, more: bool) -> None:
        """Raises ClientLeft."""
        try:
            if not self._begun:
                self._begun = True
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": event, "more_body": more})
        except OSError:  # servers may report a disconnect so, too
            raise ClientLeft from None


def _told(failure: Exception) -> EngineError:
    """What the client is told; of our own mistakes only that there was one."""
    if isinstance(failure, EngineError):
        log.info("stream.failed status=%d code=%s", failure.status, failure.code)
        return failure
    log.error("stream.failed", exc_info=failure)
    return EngineError("The engine failed to answer this request.")
