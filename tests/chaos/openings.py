"""An engine that opens and shuts in no time: a listening socket that is there only while it is said to be."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from types import TracebackType
from typing import Any, Self, cast

import httptools
import uvloop

from tests.fixtures.ports import free_port


class Opening:
    """On 127.0.0.1:`port`, in a thread of its own. Answers /health, /instance and /sum as the stand-in does.

    open, shut: may be called from any thread, and have happened when they return. Shutting ends all connections.
    """

    def __init__(self) -> None:
        self.run = 0
        self.connections: set[asyncio.Transport] = set()
        self.port = free_port()
        self._server: asyncio.AbstractServer | None = None
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="opening")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self) -> None:
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def shut(self) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()

    async def _open(self) -> None:
        self.run += 1
        self._server = await self._loop.create_server(lambda: _Visit(self), "127.0.0.1", self.port, backlog=4096)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self.connections):
            transport.abort()
        await asyncio.sleep(0)


class _Visit(asyncio.Protocol):
    """One connection of the gateway's."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._size = 0
        self._digest = hashlib.sha256()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._opening.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opening.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        self._digest.update(body)

    def on_message_complete(self) -> None:
        if self._url == b"/sum":
            said: dict[str, Any] = {"bytes": self._size, "sha256": self._digest.hexdigest()}
        else:
            said = {"id": self._opening.run}
        text = json.dumps(said).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(text) + text)
        self._url, self._size, self._digest = b"", 0, hashlib.sha256()
