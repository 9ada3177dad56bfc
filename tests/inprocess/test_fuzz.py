"""Whatever bytes come, the gateway answers or ends the connection; it never breaks or hangs."""

from __future__ import annotations

import contextlib
import random
import re
import socket

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.gateway import Gateway
from tests.inprocess.conftest import Stats

HOST = b"Host: whisper.test\r\n"
SEEDS = [
    b"GET /hello HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /headers?a=%2F&b HTTP/1.1\r\n" + HOST + b"Accept: */*\r\nCookie: a=b\r\n\r\n" * 2,
    b"HEAD /hello HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\nhello world",
    b"POST /sum HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX: y\r\n\r\n",
    b"PUT /headers HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    b"GET http://whisper.test/hello HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /hello HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n",
    b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81\x80\x00\x00\x00\x00\x88\x80\x00\x00\x00\x00",
    b"GET /hello HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n",
]  # fmt: skip
PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b"\x80", b"\xff", b"0", b"5", b"ffffffffffffffff", b"-1",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", HOST, b"HTTP/1.1", b"GET / HTTP/1.1\r\n", b"CONNECT ",
    b"Upgrade: websocket\r\n", b"Connection: upgrade\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"%", b"#",
    b"x" * 40_000,
]  # fmt: skip


def mutated(source: random.Random) -> bytes:
    """A valid request, or several, with a few bytes replaced, inserted, removed, repeated or cut off."""
    data = bytearray(b"".join(source.choices(SEEDS, k=source.randint(1, 3))))
    for _ in range(source.randint(0, 4)):
        at = source.randrange(len(data) + 1)
        upto = min(len(data), at + source.randint(0, 12))
        match source.randrange(6):
            case 0:
                data[at:upto] = source.randbytes(upto - at)
            case 1:
                data[at:at] = source.choice(PIECES)
            case 2:
                del data[at:upto]
            case 3:
                data[at:at] = data[at:upto]
            case 4:
                data[at:upto] = source.choice(PIECES)
            case _:
                del data[at:]
    return bytes(data)


def exchanged(gateway: Gateway, data: bytes, source: random.Random) -> bytes:
    """What the gateway says to these bytes, sent in pieces, until it ends the connection.

    The client's end of the connection counts as its leaving, which it does at once or some moments later.
    """
    seen = b""
    with gateway.raw() as client, contextlib.suppress(OSError):
        cuts = sorted(source.choices(range(len(data) + 1), k=source.randint(0, 3)))
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            client.send(data[start:end])
        if source.random() < 0.5:
            client.quiet(0.01)
        client.finish_sending()
        while piece := client.receive():
            seen += piece
    return seen


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**64))
def test_mutated_requests_break_nothing(gateway: Gateway, seed: int) -> None:
    source = random.Random(seed)
    seen = exchanged(gateway, mutated(source), source)
    assert not re.search(rb"HTTP/1.1 5\d\d ", seen)
    assert gateway.blunders == []


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_random_bytes_break_nothing(gateway: Gateway, data: bytes) -> None:
    seen = exchanged(gateway, data, random.Random(0))
    assert seen == b"" or seen.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert gateway.blunders == []


def test_afterwards_nothing_is_left_behind(gateway: Gateway, stats: Stats) -> None:
    gateway.until(gateway.is_free)
    gateway.until(lambda: gateway.connections == [])
    gateway.until(lambda: stats.active == 0)
    with gateway.client() as client:
        assert client.get("/hello").status_code == 200


def test_every_split_of_a_request_is_the_same_request(gateway: Gateway) -> None:
    """Wherever TCP cuts the stream."""
    data = SEEDS[4].replace(b"/sum", b"/echo").replace(b"X: y\r\n", b"")
    for cut in range(1, len(data)):
        with gateway.raw() as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.send(data[:cut])
            client.send(data[cut:])
            assert client.answer().body == b"hello world"
