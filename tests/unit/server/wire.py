"""The server's protocol on a transport that only remembers: what an application does becomes bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

from uvicorn.server import ServerState

from gateway.server.connection import Connection
from gateway.server.limits import Limits
from gateway.server.sweeper import Sweeper

Message = dict[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"


class Remembering(asyncio.Transport):
    """written: all that was sent. paused: whether reading is. ended: half-closed, closed, aborted or not.

    unsent: bytes of it that the client has not taken, as far as a test says so. extra: what it tells of itself.
    """

    def __init__(self) -> None:
        self.extra: dict[str, Any] = {"peername": ("203.0.113.7", 1234), "sockname": ("127.0.0.1", 8890)}
        super().__init__(self.extra)
        self.written = b""
        self.paused = False
        self.ended: str | None = None
        self.unsent = 0

    def write(self, data: Any) -> None:
        self.written += data

    def writelines(self, list_of_data: Any) -> None:
        self.written += b"".join(list_of_data)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = "half-closed"

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return self.ended in ("closed", "aborted")

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Wire:
    """One client connection to an application."""

    def __init__(self, app: App, **limits: Any) -> None:
        self.state = ServerState()
        self.state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        self.transport = Remembering()
        config: Any = SimpleNamespace(loaded_app=app)
        self.connection = Connection(config, self.state, {}, limits=Limits(**limits), sweeper=Sweeper())
        self.connection.connection_made(self.transport)

    async def hear(self, data: bytes) -> bytes:
        """The client sends this; returns what it has been answered when nothing more happens."""
        self.connection.data_received(data)
        return await self.settle()

    async def settle(self) -> bytes:
        for _ in range(20):
            await asyncio.sleep(0)
        said, self.transport.written = self.transport.written, b""
        return said

    def ended(self) -> str | None:
        """How the server has ended the connection; None if it has not."""
        return self.transport.ended

    def held_back(self) -> bool:
        """Whether the server reads no more for now."""
        return self.transport.paused

    def leave(self) -> None:
        self.connection.connection_lost(None)


def answering(*messages: Message) -> App:
    """An application that sends just this."""

    async def app(_scope: Message, _receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        for message in messages:
            await send(message)

    return app


def start(status: int = 200, *headers: tuple[bytes, bytes], **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
