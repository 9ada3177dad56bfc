"""One connection to an engine: whatever it says is an answer, or is told as broken; and nobody waits in vain."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.proxy.pool import Pool
from gateway.proxy.upstream import HIGH_WATER, Answer, Broke, Upstream
from gateway.runtimes.base import Address
from tests.fixtures.patience import PATIENCE
from tests.unit.proxy.engine import GET, OK, exchange, tiny_engine

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    one = Pool()
    yield one
    one.close()


async def heard(pool: Pool, answer: bytes, method: str = "GET") -> tuple[Answer, bytes]:
    async with tiny_engine(answer) as engine:
        return await exchange(await pool.connect(engine.address), method=method)


async def test_names_are_in_lower_case_and_in_order(pool: Pool) -> None:
    answer, _ = await heard(
        pool, b"HTTP/1.1 200 OK\r\nB: 1\r\nSet-Cookie: x\r\nSet-Cookie: y\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer.headers == [(b"b", b"1"), (b"set-cookie", b"x"), (b"set-cookie", b"y"), (b"content-length", b"0")]


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_that_never_has_a_body_is_complete_at_its_head(pool: Pool, status: bytes) -> None:
    answer, body = await heard(pool, b"HTTP/1.1 " + status + b"\r\n\r\n")
    assert (answer.status, body) == (int(status[:3]), b"")


async def test_an_answer_to_head_has_no_body_whatever_it_says(pool: Pool) -> None:
    assert (await heard(pool, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "HEAD"))[1] == b""


async def test_informational_answers_come_first_and_100_is_not_passed_on(pool: Pool) -> None:
    async with tiny_engine(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK) as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("GET")
        upstream.write(GET)
        assert [(await upstream.answer()).status for _ in range(2)] == [103, 200]
        upstream.abort()


async def test_a_body_of_an_informational_answer_is_not_part_of_the_final_one(pool: Pool) -> None:
    async with tiny_engine(b"HTTP/1.1 150 Wait\r\nContent-Length: 4\r\n\r\nlies" + OK) as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("GET")
        upstream.write(GET)
        assert [(await upstream.answer()).status for _ in range(2)] == [150, 200]
        assert await upstream.read() == (b"ok", False)
        upstream.abort()


async def test_trailers_are_kept_apart(pool: Pool) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Check: 1\r\n\r\n"
    async with tiny_engine(answer) as engine:
        upstream = await pool.connect(engine.address)
        assert (await exchange(upstream))[1] == b"ok"
        assert upstream.trailers == [(b"x-check", b"1")]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
async def test_a_switch_behind_an_answer_is_no_part_of_it(pool: Pool, answer: bytes) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nmore"
    async with tiny_engine(answer + switch) as engine:
        assert (await exchange(await pool.connect(engine.address)))[1] == b"ok"
        await engine.until_open(0)


async def test_a_head_behind_which_the_engine_broke_off_is_no_answer(pool: Pool) -> None:
    """While nothing has been passed on, its client can still be told why."""
    async with tiny_engine(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n") as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("GET")
        upstream.write(GET)
        with pytest.raises(Broke, match="not HTTP"):
            await upstream.answer()


async def test_broke_tells_whether_anything_was_heard(pool: Pool) -> None:
    async def hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def say_a_word(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTT")
        writer.close()

    for answering, expected in ((hang_up, False), (say_a_word, True)):
        async with tiny_engine(answering) as engine:
            with pytest.raises(Broke) as broke:
                await exchange(await pool.connect(engine.address))
            assert broke.value.heard is expected


async def test_an_answer_that_is_late_is_broken_off_as_late(pool: Pool) -> None:
    async def say_nothing(_: bytes, writer: asyncio.StreamWriter) -> None:
        await writer.drain()

    async with tiny_engine(say_nothing) as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("GET")
        upstream.write(GET)
        upstream.expect_answer(0.02)
        with pytest.raises(Broke) as broke:
            await upstream.answer()
        assert broke.value.late
        await engine.until_open(0)


async def test_an_engine_that_says_more_than_is_taken_is_held_back(pool: Pool) -> None:
    sent = 0

    async def flood(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with tiny_engine(flood) as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("GET")
        upstream.write(GET)
        await upstream.answer()
        before = -1
        while sent != before:  # until the flood has stopped
            before = sent
            await asyncio.sleep(0.05)
        assert upstream._held <= 2 * HIGH_WATER
        await upstream.read()
        upstream.abort()


def is_blocked(upstream: Upstream) -> bool:
    return upstream.write_blocked is not None


async def test_who_gives_up_waiting_to_write_disturbs_nobody(pool: Pool) -> None:
    """A cancelled wait must not cancel what others wait for, nor break the transport's callback."""

    async def read_nothing(_: bytes, writer: asyncio.StreamWriter) -> None:
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with tiny_engine(read_nothing) as engine:
        upstream = await pool.connect(engine.address)
        upstream.begin("POST")
        upstream.write(GET)
        while not is_blocked(upstream):
            upstream.write(b"x" * 1_000_000)
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await upstream.writable()
        assert is_blocked(upstream)
        upstream.resume_writing()
        assert not is_blocked(upstream)
        upstream.abort()


# whatever an engine says


class Deaf(asyncio.Transport):
    """A transport that only remembers whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: Any) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


SEEDS = [
    OK,
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x00",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\n\r\n",
]
PIECES = [b"\r\n", b"\n", b"\0", b"HTTP/1.1 ", b"100", b"099", b"0", b"ffffffffffffffffff", b"Content-Length: 3\r\n"]


def mutated(source: random.Random) -> bytes:
    data = bytearray(b"".join(source.choices(SEEDS, k=source.randint(1, 2))))
    for _ in range(source.randint(0, 4)):
        at = source.randrange(len(data) + 1)
        upto = min(len(data), at + source.randint(0, 8))
        data[at:upto] = source.choice([b"", source.choice(PIECES), source.randbytes(4), data[at:upto] * 2])
    return bytes(data)


async def listened_to(data: bytes, cuts: list[int]) -> None:
    upstream = Upstream(Pool(head_limit=4096), Address("127.0.0.1", 1))
    upstream.connection_made(Deaf())
    upstream.begin("GET")
    edges = [0, *cuts, len(data)]
    for start, end in itertools.pairwise(edges):
        if end > start:
            upstream.data_received(data[start:end])
    upstream.connection_lost(None)
    try:
        async with asyncio.timeout(PATIENCE):
            while (await upstream.answer()).status < 200 and upstream._informational:
                pass
            while (await upstream.read())[1]:
                pass
    except Broke:
        pass


@settings(max_examples=1500, deadline=None)
@given(st.integers(0, 2**64))
def test_mutated_answers_are_answers_or_broken(seed: int) -> None:
    source = random.Random(seed)
    data = mutated(source)
    cuts = sorted(source.choices(range(len(data) + 1), k=source.randint(0, 3)))
    asyncio.run(listened_to(data, cuts))
