"""One client connection: what it closes, what it waits for, and what it never keeps in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.server.limits import HIGH_WATER, KEEP_ALIVE, LINGER, MOST_PIPELINED, STALL
from tests.unit.server.wire import GET, Message, Wire, answering, body, start

pytestmark = pytest.mark.anyio

OK = answering(start(200, (b"content-length", b"2")), body(b"ok"))
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n"


async def never(_scope: Message, _receive: Any, _send: Any) -> None:
    await asyncio.Event().wait()


def later(wire: Wire, seconds: float) -> None:
    """The sweeper comes by so many seconds from now."""
    wire.connection.sweep(asyncio.get_running_loop().time() + seconds)


async def gone(wire: Wire) -> None:
    wire.leave()
    await wire.settle()
    assert (wire.state.connections, wire.state.tasks) == (set(), set())


async def test_an_idle_connection_is_closed_after_a_while() -> None:
    wire = Wire(OK)
    await wire.hear(GET)
    later(wire, KEEP_ALIVE - 1)
    assert wire.ended() is None
    later(wire, KEEP_ALIVE + 1)
    assert wire.ended() == "closed"
    await gone(wire)


async def test_a_connection_in_use_is_not() -> None:
    wire = Wire(never)
    await wire.hear(GET)
    later(wire, 100_000)
    assert wire.ended() is None
    await gone(wire)


async def test_a_body_that_stops_coming_ends_the_connection() -> None:
    wire = Wire(never)
    await wire.hear(POST + b"some")
    later(wire, STALL - 1)
    assert wire.ended() is None
    later(wire, STALL + 1)
    assert wire.ended() == "aborted"
    await gone(wire)


async def test_a_body_that_is_not_wanted_yet_may_take_its_time() -> None:
    wire = Wire(never)
    await wire.hear(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    later(wire, 100_000)
    assert wire.ended() is None
    await gone(wire)


async def test_a_client_that_reads_nothing_for_too_long_is_cut() -> None:
    wire = Wire(never)
    await wire.hear(GET)
    wire.connection.pause_writing()
    later(wire, STALL - 1)
    assert wire.ended() is None
    later(wire, STALL + 1)
    assert wire.ended() == "aborted"
    await gone(wire)


async def test_a_body_that_nobody_takes_is_held_back() -> None:
    wire = Wire(never)
    await wire.hear(POST + b"x" * HIGH_WATER)
    assert not wire.held_back()
    await wire.hear(b"x")
    assert wire.held_back()
    await gone(wire)


async def test_and_read_on_when_it_is_taken() -> None:
    go = asyncio.Event()

    async def take_some(_scope: Message, receive: Any, _send: Any) -> None:
        await go.wait()
        while True:
            await receive()

    wire = Wire(take_some)
    await wire.hear(POST + b"x" * (HIGH_WATER + 1))
    assert wire.held_back()
    go.set()
    await wire.settle()
    assert not wire.held_back()
    await gone(wire)


async def test_requests_in_a_row_are_held_back_until_their_turn_comes_near() -> None:
    turn = asyncio.Semaphore(0)

    async def one_by_one(scope: Message, receive: Any, send: Any) -> None:
        await turn.acquire()
        await OK(scope, receive, send)

    wire = Wire(one_by_one)
    await wire.hear(GET * (MOST_PIPELINED + 3))
    assert wire.held_back()
    turn.release()
    await wire.settle()
    assert wire.held_back()
    turn.release()
    turn.release()
    await wire.settle()
    assert not wire.held_back()
    await gone(wire)


async def test_what_comes_after_a_refusal_is_dropped_for_a_while() -> None:
    wire = Wire(OK)
    assert b"400 Bad Request" in await wire.hear(b"nonsense\r\n\r\n")
    assert wire.ended() == "half-closed"
    assert await wire.hear(GET) == b""
    later(wire, LINGER - 1)
    assert wire.ended() == "half-closed"
    later(wire, LINGER + 1)
    assert wire.ended() == "closed"
    await gone(wire)


async def test_a_server_that_stops_closes_what_is_idle_and_finishes_what_is_not() -> None:
    idle, busy = Wire(OK), Wire(never)
    await idle.hear(GET)
    await busy.hear(GET)
    idle.connection.shutdown()
    busy.connection.shutdown()
    assert (idle.ended(), busy.ended()) == ("closed", None)
    for task in busy.state.tasks:
        task.cancel()
    said = await busy.settle()
    assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"connection: close\r\n" in said
    assert busy.ended() == "closed"
    await gone(idle)
    await gone(busy)


async def test_a_request_of_which_a_part_came_before_the_stop_is_not_begun() -> None:
    wire = Wire(OK)
    await wire.hear(GET[:20])
    wire.connection.shutdown()
    assert (await wire.settle()).startswith(b"HTTP/1.1 503 ")
    assert await wire.hear(GET[20:]) == b""
    await gone(wire)


async def test_a_request_behind_the_last_one_is_not_begun_while_the_server_stops() -> None:
    go = asyncio.Event()

    async def wait(scope: Message, receive: Any, send: Any) -> None:
        await go.wait()
        await OK(scope, receive, send)

    wire = Wire(wait)
    await wire.hear(GET * 3)
    wire.connection.shutdown()
    go.set()
    assert (await wire.settle()).count(b"HTTP/1.1 200 OK") == 1
    assert wire.transport.is_closing()
    await gone(wire)


@pytest.mark.parametrize("cut", [1, 50, 2000, 2999, 3040])
async def test_a_large_head_is_431_wherever_it_is_cut(cut: int) -> None:
    head = b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: a.test\r\n\r\n"
    wire = Wire(OK, head=3010)
    said = await wire.hear(head[:cut]) + await wire.hear(head[cut:])
    assert said.startswith(b"HTTP/1.1 431 ")
    await gone(wire)


@pytest.mark.parametrize("cut", [1, 50, 2000, 2999, 3040])
async def test_a_head_within_the_limit_is_served_wherever_it_is_cut(cut: int) -> None:
    head = b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: a.test\r\n\r\n"
    wire = Wire(OK, head=3060)
    said = await wire.hear(head[:cut]) + await wire.hear(head[cut:])
    assert said.startswith(b"HTTP/1.1 200 ")
    await gone(wire)


@pytest.mark.parametrize("first", [20, 900, 1010])
async def test_a_head_that_is_too_large_is_refused_however_it_is_cut_into_pieces(first: int) -> None:
    head = GET.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 1000 + b"\r\n\r\n")
    wire = Wire(OK, head=1000)
    said = await wire.hear(head[:first])
    said += await wire.hear(head[first:])
    assert said.startswith(b"HTTP/1.1 431 ")
    await gone(wire)


async def test_connect_is_refused_once() -> None:
    wire = Wire(OK)
    said = await wire.hear(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert said.count(b"HTTP/1.1 400") == 1
    await gone(wire)


async def test_many_headers_of_a_body_do_not_become_many_trailers() -> None:
    seen: list[int] = []

    async def count(_scope: Message, receive: Any, _send: Any) -> None:
        seen.append(len((await receive())["trailers"]))

    wire = Wire(count)
    await wire.hear(
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 100 + b"\r\n"
    )
    assert seen == [32]
    await gone(wire)
