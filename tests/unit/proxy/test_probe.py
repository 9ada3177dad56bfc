"""One question whether an engine is ready: only a good HTTP answer says yes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.proxy import probe as module
from gateway.proxy.pool import Pool
from gateway.proxy.probe import probe_of
from gateway.runtimes.base import Address
from tests.fixtures.ports import free_port
from tests.unit.proxy.engine import OK, fetch, tiny_engine

pytestmark = pytest.mark.anyio


async def ready(answer: bytes) -> bool:
    pool = Pool()
    async with tiny_engine(answer) as engine:
        said = await probe_of(pool, "/health", "a.test")(engine.address)
        pool.close()
    return said


@pytest.mark.parametrize("status", [b"200", b"204", b"301", b"399"])
async def test_up_to_399_is_yes(status: bytes) -> None:
    assert await ready(b"HTTP/1.1 " + status + b" x\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
    ],
)
async def test_anything_else_is_no(answer: bytes) -> None:
    assert not await ready(answer)


async def test_nobody_there_is_no() -> None:
    assert not await probe_of(Pool(), "/health", "a.test")(Address("127.0.0.1", free_port()))


async def test_an_informational_answer_is_not_the_answer() -> None:
    assert await ready(b"HTTP/1.1 103 x\r\n\r\n" + OK)
    assert not await ready(b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")


async def test_an_answer_that_breaks_off_is_no() -> None:
    async def half(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        writer.close()

    pool = Pool()
    async with tiny_engine(half) as engine:
        assert not await probe_of(pool, "/health", "a.test")(engine.address)


async def test_silence_is_no_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.02)

    async def say_nothing(_: bytes, writer: asyncio.StreamWriter) -> None:
        await writer.drain()

    async with tiny_engine(say_nothing) as engine:
        assert not await probe_of(Pool(), "/health", "a.test")(engine.address)
        await engine.until_open(0)


async def test_it_asks_for_the_path_under_the_engines_name() -> None:
    heads: list[bytes] = []

    async def note(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(OK)

    pool = Pool()
    async with tiny_engine(note) as engine:
        assert await probe_of(pool, "/health", "a.test")(engine.address)
        assert heads[0].startswith(b"GET /health HTTP/1.1\r\nhost: a.test\r\n")
        pool.close()


async def test_its_connection_serves_the_first_request() -> None:
    pool = Pool()
    async with tiny_engine() as engine:
        assert await probe_of(pool, "/health", "a.test")(engine.address)
        await fetch(pool, engine.address)
        assert engine.connections == 1
        pool.close()
