"""How a connection ends: nothing is waited for without end, and no half answer looks whole."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from gateway.server.limits import HIGH_WATER, KEEP_ALIVE, LINGER, MOST_DROPPED, MOST_QUEUED
from tests.unit.server.test_connection import OK, POST, gone, later, never
from tests.unit.server.wire import GET, Wire, answering, body, start

pytestmark = pytest.mark.anyio

CLOSING = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
GET_1_0 = GET.replace(b"HTTP/1.1", b"HTTP/1.0")


class Options:
    """Stands for the transport's socket: remembers whether a reset was asked for."""

    reset = False

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        assert (level, option, value) == (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.reset = True


def with_socket(wire: Wire) -> Options:
    options = Options()
    wire.transport.extra["socket"] = options
    return options


@pytest.mark.parametrize(("request_", "waits"), [(CLOSING, 0.0), (GET, KEEP_ALIVE)])
async def test_a_client_that_does_not_take_the_last_answer_is_cut(request_: bytes, waits: float) -> None:
    wire = Wire(OK)
    options = with_socket(wire)
    wire.transport.unsent = 100_000
    await wire.hear(request_)
    later(wire, waits + 1)
    assert wire.ended() == "closed"
    for second in range(int(LINGER)):
        later(wire, waits + second)
        assert wire.ended() == "closed"
    later(wire, waits + LINGER + 2)
    assert (wire.ended(), options.reset) == ("aborted", True)
    await gone(wire)


async def test_a_client_that_takes_it_slowly_is_not() -> None:
    wire = Wire(OK)
    wire.transport.unsent = 100_000
    await wire.hear(CLOSING)
    for count in range(1, 10):
        wire.transport.unsent -= 1
        later(wire, count * (LINGER - 1))
        assert wire.ended() == "closed"
    later(wire, 10 * (LINGER - 1) + 2)
    assert wire.ended() == "aborted"
    await gone(wire)


@pytest.mark.parametrize(("request_", "reset"), [(GET_1_0, True), (GET, False)])
async def test_a_cut_body_that_ends_with_the_connection_ends_in_a_reset(request_: bytes, *, reset: bool) -> None:
    wire = Wire(answering(start(200), body(b"half of", more=True), {"type": "gateway.abort"}))
    options = with_socket(wire)
    assert (await wire.hear(request_)).startswith(b"HTTP/1.1 200 ")
    assert (wire.ended(), options.reset) == ("aborted", reset)
    await gone(wire)


async def test_what_is_sent_after_a_refusal_is_not_taken_without_end() -> None:
    wire = Wire(OK)
    await wire.hear(b"nonsense\r\n\r\n")
    piece = b"x" * HIGH_WATER
    for _ in range(MOST_DROPPED // HIGH_WATER):
        wire.connection.data_received(piece)
    assert wire.ended() == "half-closed"
    wire.connection.data_received(piece)
    assert wire.ended() == "aborted"
    await gone(wire)


async def test_thousands_of_requests_in_one_piece_are_refused_after_the_answers_that_are_due() -> None:
    wire = Wire(OK)
    wire.connection.data_received(GET * (MOST_QUEUED + 2))
    assert len(wire.connection._queue) == MOST_QUEUED
    said = b""
    while piece := await wire.settle():
        said += piece
    assert said.count(b"HTTP/1.1 200 OK\r\n") == MOST_QUEUED + 1
    assert said.count(b"HTTP/1.1 400 Bad Request\r\n") == 1
    assert said.index(b"HTTP/1.1 400") > said.rindex(b"HTTP/1.1 200")
    assert b"without waiting for an answer" in said
    assert wire.ended() == "half-closed"
    await gone(wire)


async def test_bodies_that_wait_for_their_turn_are_held_back_by_their_sum() -> None:
    size = HIGH_WATER // 2
    post = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    wire = Wire(never)
    await wire.hear(post)
    await wire.hear(post)
    assert not wire.held_back()
    await wire.hear(post)
    assert wire.held_back()
    await gone(wire)


async def test_an_early_answer_is_not_held_back_by_the_upload_that_nobody_takes() -> None:
    wire = Wire(OK)
    await wire.hear(POST + b"x" * HIGH_WATER)
    await wire.hear(b"x" * HIGH_WATER)
    assert not wire.held_back()
    await gone(wire)
