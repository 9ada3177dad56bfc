"""A body counts among those that share the memory from its head on, until it is answered or its client has gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.stream import Shares, shares
from tests.unit.server.wire import GET, Wire, answering, body, start

pytestmark = pytest.mark.anyio

POST = b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nx"
CROWD = 2 * Shares.TOTAL // Shares.MOST
OK = (start(200, (b"content-length", b"0")), body())


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


async def test_a_crowd_that_the_loop_reads_in_one_turn() -> None:
    wires = [Wire(never) for _ in range(CROWD)]
    for wire in wires:
        wire.connection.data_received(POST)
    assert shares.each * CROWD == Shares.TOTAL, "no task has begun"
    for wire in wires:
        wire.leave()
    assert shares.each == Shares.MOST


async def test_what_has_no_body_or_is_answered_counts_no_more() -> None:
    wires = [Wire(answering(*OK)) for _ in range(CROWD)]
    for wire in wires:
        await wire.hear(GET)
        await wire.hear(POST)
        await wire.hear(b"yz" + GET)
    assert shares.each == Shares.MOST
    for wire in wires:
        wire.leave()


async def test_one_that_waits_behind_another_request_counts() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (go_on.wait() if scope["method"] == "GET" else never())
        await answering(*OK)(scope, receive, send)

    wires = [Wire(app) for _ in range(CROWD)]
    for wire in wires:
        wire.connection.data_received(GET + POST)
    assert shares.each * CROWD == Shares.TOTAL
    go_on.set()
    for wire in wires:
        assert (await wire.settle()).startswith(b"HTTP/1.1 200 ")
    assert shares.each * CROWD == Shares.TOTAL
    for wire in wires:
        wire.leave()
