"""Which connections to engines are kept, for how long, and for whom."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from gateway.proxy.pool import MOST_SPARE, ConnectFailed, Pool
from gateway.proxy.upstream import Broke
from gateway.runtimes.base import Address
from tests.fixtures.patience import PATIENCE
from tests.fixtures.ports import free_port
from tests.unit.proxy.engine import GET, OK, exchange, fetch, tiny_engine

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    one = Pool()
    yield one
    one.close()


async def test_a_connection_serves_again(pool: Pool) -> None:
    async with tiny_engine() as engine:
        for _ in range(5):
            answer, body = await fetch(pool, engine.address)
            assert (answer.status, body) == (200, b"ok")
        assert engine.connections == 1


async def test_a_new_one_is_always_new(pool: Pool) -> None:
    async with tiny_engine() as engine:
        await fetch(pool, engine.address)
        upstream = await pool.connect(engine.address)
        await exchange(upstream)
        assert engine.connections == 2


async def test_a_connection_is_given_to_one_only(pool: Pool) -> None:
    async with tiny_engine() as engine:
        first = await pool.connect(engine.address)
        await exchange(first)
        assert pool.idle(engine.address) is first
        assert pool.idle(engine.address) is None
        first.close()


async def test_a_connection_in_use_is_not_given_to_another(pool: Pool) -> None:
    async with tiny_engine() as engine:
        first, second = await pool.connect(engine.address), await pool.connect(engine.address)
        assert first is not second
        await exchange(first)
        await exchange(second)
        assert pool.idle(engine.address) is second  # the one used last
        second.close()


async def test_engines_do_not_share_connections(pool: Pool) -> None:
    async with tiny_engine() as one, tiny_engine() as two:
        for engine in (one, two, one, two):
            await fetch(pool, engine.address)
        assert (one.connections, two.connections) == (1, 1)


async def test_one_that_the_engine_closed_is_forgotten(pool: Pool) -> None:
    async with tiny_engine() as engine:
        await fetch(pool, engine.address)
        for writer in list(engine.open):
            writer.close()
        await engine.until_open(0)
        async with asyncio.timeout(PATIENCE):
            while pool._idle:  # noqa: ASYNC110 - its end has to be read here, too
                await asyncio.sleep(0)
        assert (await fetch(pool, engine.address))[1] == b"ok"
        assert engine.connections == 2


async def test_no_more_are_kept_than_allowed() -> None:
    pool = Pool(most_idle=2)
    async with tiny_engine() as engine:
        upstreams = [await pool.connect(engine.address) for _ in range(5)]
        await asyncio.gather(*(exchange(upstream) for upstream in upstreams))
        await engine.until_open(2)
        pool.close()
        await engine.until_open(0)


async def test_what_is_idle_for_too_long_is_closed_and_nothing_stays_behind() -> None:
    pool = Pool(idle_timeout=0.05)
    async with tiny_engine() as engine:
        await fetch(pool, engine.address)
        await engine.until_open(0)
        pool._sweep()
        assert (pool._idle, pool._timer) == ({}, None)


async def test_what_is_used_in_time_is_not_closed() -> None:
    pool = Pool(idle_timeout=100)
    async with tiny_engine() as engine:
        for _ in range(6):
            await fetch(pool, engine.address)
            ((upstream,),) = pool._idle.values()
            upstream.idle_since -= 60  # that long ago, it seems
            pool._sweep()
        assert engine.connections == 1
    pool.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\n",
    ],
)
async def test_a_connection_that_cannot_be_trusted_is_not_kept(pool: Pool, answer: bytes) -> None:
    async with tiny_engine(answer) as engine:
        assert (await fetch(pool, engine.address))[1] == b"ok"
        await engine.until_open(0)


async def test_a_half_read_answer_is_not_kept(pool: Pool) -> None:
    async with tiny_engine() as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("GET")
        upstream.write(GET)
        await upstream.answer()
        upstream.release(request_sent=True)
        await engine.until_open(0)


async def test_a_half_sent_request_is_not_kept(pool: Pool) -> None:
    async with tiny_engine() as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("POST")
        upstream.write(GET)
        await upstream.answer()
        while (await upstream.read())[1]:
            pass
        upstream.release(request_sent=False)
        await engine.until_open(0)


async def test_nobody_there_is_connect_failed(pool: Pool) -> None:
    with pytest.raises(ConnectFailed, match=r"^127.0.0.1:\d+: .*[Cc]onnect"):
        await pool.connect(Address("127.0.0.1", free_port()))


async def test_an_answers_head_has_a_limit() -> None:
    pool = Pool(head_limit=1024)
    async with tiny_engine(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000 + b"\r\nContent-Length: 0\r\n\r\n") as engine:
        with pytest.raises(Broke, match="larger than 1024 bytes"):
            await fetch(pool, engine.address)
    pool.close()


async def test_addresses_that_are_no_longer_used_are_forgotten(pool: Pool) -> None:
    """A container gets another address with each start."""
    for _ in range(3):
        async with tiny_engine() as engine:
            await fetch(pool, engine.address)
            upstream = pool.idle(engine.address)
            assert upstream is not None
            upstream.close()
    pool._sweep()
    assert not pool._idle


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_asks_if_a_silent_engine_is_there(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """An engine cut off from its network says nothing; its request must not hang for ever."""

    async def options() -> tuple[int, int]:
        async with tiny_engine() as engine:
            pool = Pool()
            upstream = await pool.connect(engine.address)
            sock = upstream._transport.get_extra_info("socket")
            seen = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            upstream.close()
            return seen, idle

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(options()) == (1, 60)


async def test_of_connections_that_uploads_have_used_few_are_kept(pool: Pool) -> None:
    async with tiny_engine() as engine:
        used = [await pool.connect(engine.address) for _ in range(MOST_SPARE + 3)]
        for upstream in used:
            upstream.begin("GET")
            upstream.write(GET)
            await upstream.answer()
            while (await upstream.read())[1]:
                pass
        for upstream in used:
            upstream.release(request_sent=True, spare=True)
        kept = 0
        while pool.idle(engine.address) is not None:
            kept += 1
        assert kept == MOST_SPARE
        for upstream in used:
            upstream.abort()
