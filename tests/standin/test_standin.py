"""The stand-in does what other tests rely on, byte by byte."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.fixtures.patience import PATIENCE
from tests.fixtures.standin import STANDIN, StandIn, running_standin


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with running_standin() as one:
        yield one


def raw(standin: StandIn, request: str) -> bytes:
    """Everything the stand-in sends for these bytes until it closes. Raises ConnectionResetError on a reset."""
    with socket.create_connection(("127.0.0.1", standin.port)) as connection:
        connection.sendall(request.encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def get(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_says_when_it_listens(standin: StandIn) -> None:
    assert 0 <= time.monotonic_ns() - standin.listening_ns < 60e9


def test_health_is_503_until_it_is_ready() -> None:
    with running_standin(READY_DELAY_MS=4000) as standin:
        assert httpx.get(f"{standin.url}/health", timeout=PATIENCE).status_code == 503
        assert standin.process.stdout is not None
        assert standin.process.stdout.readline().startswith("READY")
        assert httpx.get(f"{standin.url}/health", timeout=PATIENCE).status_code == 200


def test_exits_while_starting_with_the_code_it_was_given() -> None:
    command = [sys.executable, str(STANDIN), "START_DELAY_MS=60000", "EXIT_AFTER_MS=1", "EXIT_CODE=9"]
    assert subprocess.run(command, check=False).returncode == 9


def test_sigterm_ends_it_at_once_with_0(standin: StandIn) -> None:
    standin.process.send_signal(signal.SIGTERM)
    assert standin.process.wait(PATIENCE) == 0


def test_two_requests_in_one_write_are_answered_in_order(standin: StandIn) -> None:
    answers = raw(standin, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" + get("/instance"))
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.index(b"Hello from") < answers.index(b'"pid"')


def test_echo_comes_back_while_the_upload_goes_on(standin: StandIn) -> None:
    with socket.create_connection(("127.0.0.1", standin.port)) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        seen = b""
        while b"3\r\nabc\r\n" not in seen:
            seen += connection.recv(1000)
        connection.sendall(b"0\r\nX-After: yes\r\n\r\n")
        while not seen.endswith(b"0\r\nX-After: yes\r\n\r\n"):
            seen += connection.recv(1000)


def test_sum_of_an_upload(standin: StandIn) -> None:
    body = bytes(range(256)) * 40_000
    told = httpx.post(f"{standin.url}/sum", content=body, timeout=PATIENCE).json()
    assert told == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "trailers": []}


def test_headers_come_back_as_they_arrived(standin: StandIn) -> None:
    answer = raw(
        standin, "GET /headers/a%2Fb?c HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\nConnection: close\r\n\r\n"
    )
    shown = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert shown["target"] == "/headers/a%2Fb?c"
    assert shown["headers"] == [["Host", "x"], ["X-Two", "1"], ["x-two", "2"], ["Connection", "close"]]


def test_streams_and_sizes(standin: StandIn) -> None:
    assert len(httpx.get(f"{standin.url}/big?bytes=1000001", timeout=PATIENCE).content) == 1_000_001
    streamed = httpx.get(f"{standin.url}/stream?bytes=70000", timeout=PATIENCE)
    assert streamed.headers["transfer-encoding"] == "chunked"
    assert len(streamed.content) == 70_000
    events = httpx.get(f"{standin.url}/sse?n=3&interval_ms=1", timeout=PATIENCE).text
    assert [block.split()[1] for block in events.strip().split("\n\n")] == ["1", "2", "3"]
    assert httpx.head(f"{standin.url}/big?bytes=5", timeout=PATIENCE).headers["content-length"] == "5"


def test_waits_to_be_told(standin: StandIn) -> None:
    """As often as it has been told; whether it waits already or not."""
    with httpx.Client(base_url=standin.url, timeout=PATIENCE) as client:
        client.get("/tell?word=a&times=2")
        assert [client.get("/told?word=a").status_code for _ in range(2)] == [200, 200]
        with client.stream("GET", "/sse?n=3&word=b") as answer:
            events = (line for line in answer.iter_lines() if line.startswith("data:"))
            for number in range(1, 4):
                assert next(events).split()[1] == str(number)
                client.get("/tell?word=b")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/trailers", b"0\r\nX-Checksum: abc\r\nX-Took: 1\r\n\r\n"),
        ("/early-hints", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"),
        ("/cookies", b"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\n"),
        ("/both-lengths", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        ("/garbage", b"\x00\x01\x02"),
        ("/until-close", b"until I close\n"),
        ("/huge-head?bytes=300000", b"x" * 300_000),
        ("/status?code=204", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("/no-ws", b"HTTP/1.1 403 Forbidden\r\n"),
        ("/nothing", b"HTTP/1.1 404 Not Found\r\n"),
    ],
)
def test_peculiar_answers(standin: StandIn, path: str, shown: bytes) -> None:
    assert shown in raw(standin, get(path))


def test_an_answer_before_the_upload_is_read(standin: StandIn) -> None:
    answer = raw(standin, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_reset_in_the_middle_of_an_answer(standin: StandIn) -> None:
    with pytest.raises(ConnectionResetError):
        raw(standin, get("/reset"))
    assert raw(standin, get("/cut?when=body&framing=chunked")).endswith(b"1f4\r\n" + b"x" * 500 + b"\r\n")


@pytest.mark.parametrize(("when", "received"), [("before", 0), ("head", 1), ("body", 501)])
def test_death_at_the_chosen_moment(standin: StandIn, when: str, received: int) -> None:
    answer = raw(standin, get(f"/die?when={when}"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert standin.process.wait(PATIENCE) == 7
    assert bool(head) + len(body) == received


def test_a_client_that_leaves_is_counted(standin: StandIn) -> None:
    with socket.create_connection(("127.0.0.1", standin.port)) as connection:
        connection.sendall(get("/slow?ms=60000").encode())
        while httpx.get(f"{standin.url}/stats", timeout=PATIENCE).json()["active"] < 2:
            time.sleep(0.01)
    deadline = time.monotonic() + PATIENCE
    while httpx.get(f"{standin.url}/stats", timeout=PATIENCE).json()["client_left"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_websocket_echo_close_and_refusal(standin: StandIn) -> None:
    url = f"ws://127.0.0.1:{standin.port}"
    with connect(f"{url}/ws", subprotocols=[Subprotocol("one"), Subprotocol("two")]) as socket_:
        assert socket_.subprotocol == "one"
        messages: list[str | bytes] = ["hello", b"\x00\xff", "x" * 70_000, ""]
        for message in messages:
            socket_.send(message)
            assert socket_.recv() == message
        socket_.ping().wait(PATIENCE)
        socket_.send("close:4001:enough")
        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "enough")
    with connect(f"{url}/ws") as socket_:
        socket_.close()
        with pytest.raises(ConnectionClosedOK):
            socket_.recv()
    with pytest.raises(InvalidStatus):
        connect(f"{url}/no-ws")
    with connect(f"{url}/ws") as socket_:
        socket_.send("die")
        with pytest.raises(ConnectionClosed):
            socket_.recv()
    assert standin.process.wait(PATIENCE) == 7
