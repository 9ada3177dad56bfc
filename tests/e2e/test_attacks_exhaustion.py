"""Who sends slowly, half, or far too much does not keep others from being served."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fixtures.attacks import WRONG_KEY, Siege, drained, head, let_in, tried
from tests.fixtures.http2_frames import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RESET, SETTINGS, block, frame
from tests.fixtures.nginx import HOST
from tests.fixtures.raw_client import RawClient

pytestmark = pytest.mark.nginx

SOON = 12.0
"""Seconds for a good answer. It takes milliseconds, but on a busy machine; what is blocked is blocked for long."""
HALF_HEADS, TRICKLES = 500, 200
HALF = f"POST /stolen HTTP/1.1\r\nHost: {HOST}\r\nX-A: "
WINDOW_UPDATE, PING, CONTINUATION, PRIORITY = 8, 6, 9, 2


@pytest.fixture
def siege(siege: Siege) -> Siege:
    siege.wake()
    return siege


def assert_prompt(siege: Siege) -> None:
    for _ in range(5):
        begun = time.monotonic()
        siege.assert_serves_others()
        assert time.monotonic() - begun < SOON


def dribble(clients: list[RawClient], data: bytes) -> None:
    """A little more from everybody; who has been shown the door by now is not to be waited for."""
    for client in clients:
        with contextlib.suppress(OSError):
            client.send(data)


@contextlib.contextmanager
def crowd(count: int, connect: Callable[[], RawClient], data: str) -> Iterator[list[RawClient]]:
    """So many connections, with the same beginning."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect()) for _ in range(count)]
        dribble(clients, data.encode())
        yield clients


def test_heads_and_bodies_that_never_end_stop_nobody_at_nginx(siege: Siege) -> None:
    """500 half heads, in TLS and in the middle of its handshake, and 200 bodies that trickle, all from one address."""
    before, source = siege.wakes(), siege.address()
    body = head("POST /stolen HTTP/1.1", f"Host: {HOST}", WRONG_KEY, "Content-Length: 1000000")
    hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with (
        crowd(HALF_HEADS // 2, lambda: siege.at_nginx(source), HALF) as heads,
        crowd(HALF_HEADS // 2, lambda: RawClient(siege.front.nginx.https, source=source), hello) as handshakes,
        crowd(TRICKLES, lambda: siege.at_nginx(source), body) as bodies,
    ):
        for _ in range(3):
            dribble([*heads, *handshakes, *bodies], b"x")
            assert_prompt(siege)
    siege.assert_untouched(before)


def test_heads_and_bodies_that_never_end_stop_nobody_at_the_gateway(siege: Siege) -> None:
    before, source = siege.wakes(), siege.address()
    body = head("POST /stolen HTTP/1.1", f"Host: {HOST}", "Content-Length: 1000000")
    with (
        crowd(HALF_HEADS, lambda: siege.at_gateway(source), HALF) as heads,
        crowd(TRICKLES, lambda: siege.at_gateway(source), body) as bodies,
    ):
        for _ in range(3):
            dribble([*heads, *bodies], b"x")
            assert_prompt(siege)
            with siege.at_gateway() as client:
                assert client.get("/hello", HOST, siege.bearer).answer().status == 200
    siege.assert_untouched(before)


def test_uploads_of_a_key_that_trickle_stop_no_other(siege: Siege) -> None:
    """A client that may come in, over a line that is as good as dead."""
    body = head("POST /sum HTTP/1.1", f"Host: {HOST}", siege.limited_bearer, "Content-Length: 1000000")
    with crowd(TRICKLES, siege.at_nginx, body) as clients:
        for _ in range(3):
            dribble(clients, b"x")
            assert_prompt(siege)
    siege.front.gateway.until("engine", serving=0, waiting=0)


def test_answers_that_nobody_reads_stop_nobody(siege: Siege) -> None:
    """And are not kept in the gateway's memory: the engine waits."""
    memory = resident(siege)
    with crowd(20, siege.at_nginx, head("GET /big?bytes=1000000000 HTTP/1.1", f"Host: {HOST}", siege.limited_bearer)):
        assert_prompt(siege)
        assert resident(siege) - memory < 50_000_000
    siege.front.gateway.until("engine", serving=0, waiting=0)


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_a_flood_of_requests_on_one_connection_stops_nobody(siege: Siege, door: str) -> None:
    """Sent without waiting for any answer; each is refused by itself or with all that are behind it."""
    before = siege.wakes()
    flood = (head("GET /stolen HTTP/1.1", f"Host: {HOST}") * 5000).encode()
    assert let_in(tried(siege, door, {f"flood {number}": flood for number in range(4)})) == {}
    assert_prompt(siege)
    siege.assert_untouched(before)


@pytest.mark.parametrize("door", ["nginx", "gateway"])
@pytest.mark.parametrize(
    "data",
    [
        HALF + "a" * 5_000_000,
        f"GET /{'a' * 5_000_000} HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
        "G" * 5_000_000,
        "\r\n" * 1_000_000,
        f"GET /stolen HTTP/1.1\r\nHost: {HOST}\r\n" + "X: y\r\n" * 200_000,
        f"GET /stolen HTTP/1.1\r\nHost: {HOST}\r\n{'a' * 1_000_000}: b\r\n\r\n",
        f"POST /stolen HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n1;{'a' * 1_000_000}\r\n",
        f"POST /stolen HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + "X: y\r\n" * 200_000,
    ],
    ids=["value", "target", "method", "empty lines", "headers", "name", "extension", "trailers"],
)
def test_what_has_no_end_is_not_kept(siege: Siege, door: str, data: str) -> None:
    before, memory = siege.wakes(), resident(siege)
    assert let_in(tried(siege, door, {str(number): data.encode() for number in range(4)})) == {}
    assert_prompt(siege)
    siege.assert_untouched(before)
    assert resident(siege) - memory < 30_000_000


def resident(siege: Siege) -> int:
    """Bytes of memory that the gateway uses."""
    process = siege.front.gateway.process
    assert process is not None
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


FIELDS = [
    (b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/stolen"),
    (b"authorization", WRONG_KEY.partition(": ")[2].encode()),
]  # fmt: skip
ASK = block(FIELDS)


def streams(count: int) -> Iterator[int]:
    return iter(range(1, 2 * count, 2))


FLOODS = {
    "rapid reset": b"".join(  # CVE-2023-44487
        frame(HEADERS, END_HEADERS | END_STREAM, number, ASK) + frame(RESET, 0, number, b"\0\0\0\x08")
        for number in streams(3000)
    ),
    "continuations": frame(HEADERS, END_STREAM, 1, ASK)  # CVE-2024-27316 and its kin
    + frame(CONTINUATION, 0, 1, block([(b"x", b"y" * 100)]) * 100) * 500,
    "empty continuations": frame(HEADERS, END_STREAM, 1, ASK) + frame(CONTINUATION, 0, 1) * 50_000,
    "pings": frame(PING, 0, 0, b"12345678") * 50_000,
    "settings": frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1") * 50_000,
    "empty data": frame(HEADERS, END_HEADERS, 1, block([(b":method", b"POST"), *FIELDS[1:]]))
    + frame(DATA, 0, 1) * 50_000,
    "priorities": b"".join(frame(PRIORITY, 0, number, b"\0\0\0\0\xff") for number in streams(20_000)),
    "windows": frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 50_000,
    "a window that is too large": frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 10,
    "an entry of the table again and again": frame(  # a small head that is a large one when it is unpacked
        *(HEADERS, END_HEADERS | END_STREAM, 1),
        ASK + b"\x40\x01x\x7f\x81\x1d" + b"y" * 3868 + b"\xbe" * 10_000,
    ),
    "many streams": b"".join(frame(HEADERS, END_HEADERS, number, ASK) for number in streams(2000)),
    "a stream that depends on itself": frame(HEADERS, END_HEADERS | END_STREAM | 0x20, 1, b"\0\0\0\1\0" + ASK),
    "frames that are too large": frame(HEADERS, END_HEADERS, 1, b"\0" * 20_000) * 100,
    "the preface again": PREFACE * 1000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_frames_stops_nobody(siege: Siege, flood: bytes) -> None:
    before, source = siege.wakes(), siege.address()
    for _ in range(2):
        with siege.at_nginx(source, alpn="h2") as client, contextlib.suppress(OSError):
            client.socket.settimeout(2)
            client.send(PREFACE + frame(SETTINGS, 0, 0) + flood)
            drained(client)
    assert_prompt(siege)
    siege.assert_untouched(before)
