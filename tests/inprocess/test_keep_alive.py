"""One connection, many requests: kept alive, pipelined, or ended, by the rules of HTTP/1.0 and 1.1."""

from __future__ import annotations

import contextlib
import json
import socket
import threading

import pytest

from gateway.server.limits import MOST_PIPELINED, MOST_QUEUED
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import StandIn

GET = "GET /headers?{} HTTP/1.1\r\nHost: whisper.test\r\n\r\n"


def target(raw: RawClient) -> str:
    text: str = json.loads(raw.answer().body)["target"]
    return text


def test_http_1_1_keeps_the_connection(raw: RawClient) -> None:
    for _ in range(3):
        assert raw.get().answer().get("connection") is None


def test_http_1_0_ends_with_its_answer(raw: RawClient) -> None:
    answer = raw.send("GET /hello HTTP/1.0\r\nHost: whisper.test\r\n\r\n").answer()
    assert (answer.status, answer.get("connection"), len(answer.body)) == (200, "close", 200)
    assert raw.ended()


def test_http_1_0_is_kept_alive_on_request(raw: RawClient) -> None:
    for _ in range(2):
        raw.send("GET /hello HTTP/1.0\r\nHost: whisper.test\r\nConnection: keep-alive\r\n\r\n")
        assert raw.answer().get("connection") == "keep-alive"


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_http_1_0_never_gets_chunks(raw: RawClient, connection: str) -> None:
    raw.send(f"GET /stream?bytes=100000 HTTP/1.0\r\nHost: whisper.test\r\nConnection: {connection}\r\n\r\n")
    answer = raw.answer()
    assert answer.get("transfer-encoding") is None
    assert answer.get("connection") == "close"
    assert len(answer.body) == 100000


def test_http_1_0_does_not_get_100_continue(raw: RawClient) -> None:
    """RFC 9110 section 10.1.1: a client of that version does not know it."""
    raw.send("POST /sum HTTP/1.0\r\nHost: whisper.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert raw.quiet()
    assert raw.send("hello").answer().status == 200


def test_the_engine_is_spoken_to_in_1_1_on_behalf_of_1_0(raw: RawClient) -> None:
    raw.send("GET /headers HTTP/1.0\r\nHost: whisper.test\r\n\r\n")
    assert json.loads(raw.answer().body)["version"] == "HTTP/1.1"


@pytest.mark.parametrize("count", [2, 50, 200])
def test_pipelined_requests_are_answered_in_order(raw: RawClient, count: int) -> None:
    raw.send("".join(GET.format(number) for number in range(count)))
    assert [target(raw) for _ in range(count)] == [f"/headers?{number}" for number in range(count)]


def test_a_slow_answer_holds_back_the_faster_one_behind_it(raw: RawClient) -> None:
    raw.send("GET /slow?ms=100 HTTP/1.1\r\nHost: whisper.test\r\n\r\n" + GET.format("next"))
    assert raw.answer().body.startswith(b"Hello")
    assert target(raw) == "/headers?next"


def test_pipelined_bodies_reach_their_own_requests(raw: RawClient) -> None:
    bodies = [b"a" * 10, b"b" * 300_000, b"c" * 7]
    for body in bodies:
        raw.send(b"POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert [json.loads(raw.answer().body)["bytes"] for _ in bodies] == [10, 300_000, 7]


def test_requests_byte_by_byte_are_understood(raw: RawClient) -> None:
    message = "POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 3\r\n\r\nabc" + GET.format("x")
    for letter in message:
        raw.send(letter)
    assert json.loads(raw.answer().body)["bytes"] == 3
    assert target(raw) == "/headers?x"


def test_a_request_behind_the_last_one_is_ignored(raw: RawClient) -> None:
    raw.send("GET /hello HTTP/1.1\r\nHost: whisper.test\r\nConnection: close\r\n\r\n" + GET.format("too late"))
    assert raw.answer().get("connection") == "close"
    assert raw.rest() == b""


def test_the_head_behind_a_large_body_is_not_taken_for_a_large_head(gateway: Gateway) -> None:
    """Only what belongs to the head counts against its limit, wherever TCP cuts the stream."""
    body = b"x" * 100_000
    with gateway.raw() as client:
        request = b"POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: %d\r\n\r\n" % len(body)
        for _ in range(5):
            client.send(request + body + b"GET /hello HTTP/1.1\r\nHost: whis")
            assert json.loads(client.answer().body)["bytes"] == len(body)
            assert client.send("per.test\r\n\r\n").answer().status == 200


def test_many_small_requests_before_an_unfinished_one_are_not_a_large_head(raw: RawClient) -> None:
    raw.send(GET.format("x") * 200 + "GET /hello HTTP/1.1\r\n")
    for _ in range(200):
        assert target(raw) == "/headers?x"
    assert raw.send("Host: whisper.test\r\n\r\n").answer().status == 200


def test_a_flood_of_pipelined_requests_is_held_back_and_then_refused(standin: StandIn) -> None:
    """While a few dozen requests wait for their turn the client is not read any further, however fast it sends.

    What one piece holds beyond that is kept up to a limit. Whoever exceeds it gets the answers that are due first.
    """
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as client:
        client.get().answer()
        (connection,) = gateway.connections

        def pour() -> None:
            with contextlib.suppress(OSError):  # who is refused may not have sent all of it yet
                client.send(GET.format("x") * 60_000)

        flood = threading.Thread(target=pour)
        flood.start()
        while (status := client.answer().status) == 200:
            assert gateway.on_loop(lambda: connection._paused or len(connection._queue) < MOST_PIPELINED)
            assert gateway.on_loop(lambda: len(connection._queue) <= MOST_QUEUED)
        assert status == 400
        client.socket.shutdown(socket.SHUT_RDWR)
        flood.join()


def test_two_connections_do_not_wait_for_each_other(gateway: Gateway) -> None:
    with gateway.raw() as slow, gateway.raw() as fast:
        slow.get("/told?word=two-connections")
        assert fast.get().answer().status == 200
        assert slow.quiet(0.01)
        assert fast.get("/tell?word=two-connections").answer().status == 200
        assert slow.answer().status == 200
