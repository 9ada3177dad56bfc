"""Bodies stream both ways, whole and unchanged, however they are framed and however they arrive."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator

import httpx
import pytest

from gateway.errors import StartRefused
from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import StandIn
from tests.inprocess.conftest import Stats

BLOCK = os.urandom(1024 * 1024)
HOST = "Host: whisper.test\r\n"


def blocks(count: int) -> Iterator[bytes]:
    yield from [BLOCK] * count


def digest(count: int) -> str:
    return hashlib.sha256(BLOCK * count).hexdigest()


def test_a_large_upload_with_a_length_arrives_whole(whisper: httpx.Client) -> None:
    length = {"content-length": str(32 * len(BLOCK))}
    seen = whisper.post("/sum", content=blocks(32), headers=length).json()
    assert (seen["bytes"], seen["sha256"]) == (32 * len(BLOCK), digest(32))


def test_a_large_chunked_upload_arrives_whole(whisper: httpx.Client) -> None:
    seen = whisper.post("/sum", content=blocks(16)).json()
    assert (seen["bytes"], seen["sha256"]) == (16 * len(BLOCK), digest(16))


@pytest.mark.parametrize("path", ["/big", "/stream"])
def test_a_large_download_arrives_whole(whisper: httpx.Client, path: str) -> None:
    size = 32 * 1024 * 1024
    with whisper.stream("GET", f"{path}?bytes={size}") as answer:
        assert answer.headers.get("content-length") == (str(size) if path == "/big" else None)
        seen = hashlib.sha256()
        for piece in answer.iter_bytes():
            seen.update(piece)
    assert seen.hexdigest() == hashlib.sha256((bytes(range(256)) * 256) * (size // 65536)).hexdigest()


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 262_144, 300_001])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_comes_back_as_it_went(whisper: httpx.Client, size: int, *, chunked: bool) -> None:
    body = BLOCK[:size]
    answer = whisper.post("/echo", content=iter([body[:1], body[1:]]) if chunked else body)
    assert answer.content == body
    assert ("transfer-encoding" in answer.headers) is chunked


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_an_empty_body_is_no_body(raw: RawClient, method: str) -> None:
    raw.send(f"{method} /echo HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n")
    assert (raw.answer().body, raw.get().answer().status) == (b"", 200)


def test_an_empty_chunked_body_is_no_body(raw: RawClient) -> None:
    raw.send(f"POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert (raw.answer().body, raw.get().answer().status) == (b"", 200)


def test_chunks_in_any_pieces_are_put_together(raw: RawClient) -> None:
    raw.send(f"POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n")
    for letter in "5;ext=1\r\nhello\r\n006\r\n world\r\n0\r\n\r\n":
        raw.send(letter)
    assert raw.answer().body == b"hello world"


def test_question_and_answer_can_take_turns_within_one_exchange(raw: RawClient) -> None:
    """Full duplex: the answer streams while the upload does."""
    raw.send(f"POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n")
    assert raw.send("1\r\n0\r\n").head().status == 200
    for number in range(20):
        if number:
            raw.send(f"{len(str(number)):x}\r\n{number}\r\n")
        expected = f"{len(str(number)):x}\r\n{number}\r\n".encode()
        assert raw.take(len(expected)) == expected
    assert raw.send("0\r\n\r\n").take(5) == b"0\r\n\r\n"


def test_an_upload_is_passed_on_as_it_arrives(raw: RawClient, stats: Stats) -> None:
    """The engine has the request, and the first bytes, while the client still sends."""
    before = stats.requests().get("/sum", 0)
    raw.send(f"POST /sum HTTP/1.1\r\n{HOST}Content-Length: 10\r\n\r\nhello")
    while stats.requests().get("/sum", 0) == before:
        pass
    assert json.loads(raw.send("world").answer().body)["bytes"] == 10


# Expect: 100-continue


EXPECTING = f"POST /sum HTTP/1.1\r\n{HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def test_100_continue_is_said_when_the_body_is_wanted(raw: RawClient) -> None:
    assert raw.send(EXPECTING).answer().status == 100
    assert json.loads(raw.send("hello").answer().body)["bytes"] == 5
    assert raw.get().answer().status == 200


def test_the_engine_is_not_asked_to_say_100_again(raw: RawClient) -> None:
    raw.send(EXPECTING.replace("/sum", "/headers"))
    assert raw.answer().status == 100
    assert "expect" not in dict(json.loads(raw.send("hello").answer().body)["headers"])


def test_100_continue_is_not_said_to_who_sends_anyway(raw: RawClient) -> None:
    assert raw.send(EXPECTING + "hello").answer().status == 200


def test_100_continue_is_said_as_soon_as_the_request_is_held(standin: StandIn) -> None:
    """Upload and wake overlap."""
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw:
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)
        assert raw.send(EXPECTING).answer().status == 100
        raw.send("hello")
        assert gateway.engine().phase is Phase.WAKING
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.set)
        assert raw.answer().status == 200


@pytest.mark.usefixtures("long_rest")
def test_100_continue_is_not_said_to_who_is_refused_at_once() -> None:
    with running_gateway({"whisper": Engine(0)}) as gateway, gateway.raw() as raw:
        gateway.on_loop(lambda: gateway.runtimes["whisper"].fail_next_start(StartRefused("is broken")))
        with gateway.client() as client:
            assert client.get("/").status_code == 503
        assert raw.send(EXPECTING).answer().status == 503


def test_who_is_refused_instead_of_100_hears_that_the_connection_ends(raw: RawClient) -> None:
    answer = raw.send(EXPECTING.replace("whisper.test", "other.test")).answer()
    assert (answer.status, answer.get("connection")) == (404, "close")
    assert raw.quiet() is False
    assert raw.ended()


def test_an_expectation_without_a_body_is_nothing_to_wait_for(raw: RawClient) -> None:
    assert raw.get("/hello", "whisper.test", "Expect: 100-continue").answer().status == 200


# early answers


def test_an_answer_that_comes_before_the_upload_is_over_reaches_the_client(raw: RawClient, gateway: Gateway) -> None:
    raw.send(f"POST /early HTTP/1.1\r\n{HOST}Content-Length: {1024 * len(BLOCK)}\r\n\r\n")
    raw.send(BLOCK)
    answer = raw.answer()
    assert (answer.status, json.loads(answer.body)) == (413, {"error": "too large"})
    gateway.until(gateway.is_free)


def test_an_early_answer_can_be_read_after_sending_everything(gateway: Gateway) -> None:
    """As simple clients do: the gateway must not reset the connection meanwhile."""
    with gateway.client() as client:
        answer = client.post("/early", content=blocks(16), headers={"content-length": str(16 * len(BLOCK))})
        assert answer.status_code == 413
        assert client.get("/hello").status_code == 200
    gateway.until(gateway.is_free)


def test_the_rest_of_an_upload_is_not_a_request(raw: RawClient, stats: Stats) -> None:
    smuggled = f"GET /smuggled HTTP/1.1\r\n{HOST}\r\n" * 1000
    raw.send(f"POST /early HTTP/1.1\r\n{HOST}Content-Length: {len(smuggled)}\r\n\r\n")
    assert raw.answer().status == 413
    raw.send(smuggled)
    assert raw.get().answer().status == 200
    assert "/smuggled" not in stats.requests()


def test_an_upload_for_a_sleeping_engine_is_held_and_then_delivered(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.client() as client:
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)
        answers: list[httpx.Response] = []
        upload = threading.Thread(target=lambda: answers.append(client.post("/sum", content=BLOCK * 4)))
        upload.start()
        gateway.reaches(Phase.WAKING)
        gateway.until(lambda: gateway.engine().waiting == 1)
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.set)
        upload.join()
        assert answers[0].json()["sha256"] == digest(4)
