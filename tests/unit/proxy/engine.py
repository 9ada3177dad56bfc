"""A tiny server for the upstream client's tests, on the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from gateway.proxy.pool import Pool
from gateway.proxy.upstream import Answer, Upstream
from gateway.runtimes.base import Address
from tests.fixtures.patience import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"

Answering = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class TinyEngine:
    """connections: how many were made. open: those that the pool has not closed. changed: set when one ends."""

    address: Address = field(default=Address("127.0.0.1", 0))
    connections: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_open(self, count: int) -> None:
        """Waits until so many connections are left."""
        async with asyncio.timeout(PATIENCE):
            while len(self.open) != count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def tiny_engine(answer: bytes | Answering = OK) -> AsyncIterator[TinyEngine]:
    """Answers each head with these bytes, or as the function does."""
    engine = TinyEngine()
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        engine.connections += 1
        engine.open.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while not writer.is_closing():
                    head = await reader.readuntil(b"\r\n\r\n")
                    if isinstance(answer, bytes):
                        writer.write(answer)
                    else:
                        await answer(head, writer)
        finally:
            engine.open.discard(writer)
            engine.changed.set()
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    engine.address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    async with server:
        yield engine
        for task in tasks:
            task.cancel()
        await engine.until_open(0)


async def exchange(upstream: Upstream, request: bytes = GET, method: str = "GET") -> tuple[Answer, bytes]:
    """One request, its whole answer; the connection is given back."""
    upstream.begin(method)
    upstream.write(request)
    try:
        answer = await upstream.answer()
        body, more = b"", True
        while more:
            data, more = await upstream.read()
            body += data
        return answer, body
    finally:
        upstream.release(request_sent=True)


async def connected(pool: Pool, address: Address) -> Upstream:
    """A kept connection, or else a new one."""
    return pool.idle(address) or await pool.connect(address)


async def fetch(pool: Pool, address: Address) -> tuple[Answer, bytes]:
    return await exchange(await connected(pool, address))
