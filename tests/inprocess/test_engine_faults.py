"""Whatever an engine says, its caller hears a status and a reason, or notices the cut; and nothing else."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator

import httpx
import pytest

from gateway.lifecycle.phases import Phase
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import Incomplete, RawClient
from tests.fixtures.scripted_engine import Visit, saying
from tests.inprocess.staging import OK, Stage, staged


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """For scripts that end their connection; a test puts its own in place."""
    with staged(saying(OK)) as one:
        yield one


# before the answer


BROKEN_ANSWERS = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "garbage": b"\x00\x01\x02 this is not HTTP\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "an unreadable length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "a length with thousands of zeros": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 5000 + b"2\r\n\r\nok",
    "a folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in a header": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "a bare LF in a header": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "two codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings in two lines": b"HTTP/1.1 200 OK\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "a huge head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
    "an upgrade nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "101 without an upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 Too low\r\nContent-Length: 0\r\n\r\n",
    "status 0": b"HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "hints without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100,
    "hints, then the end": b"HTTP/1.1 103 Early Hints\r\n\r\n",
}


@pytest.mark.parametrize("case", BROKEN_ANSWERS)
def test_a_broken_head_is_502(stage: Stage, case: str) -> None:
    stage.engine.script = saying(BROKEN_ANSWERS[case])
    answer = stage.answer()
    problem = json.loads(answer.body)
    assert (answer.status, problem["code"]) == (502, "engine_broke")
    assert answer.get("retry-after") == "1"
    assert problem["detail"].startswith("The engine ")
    stage.gateway.until(stage.gateway.is_free)
    assert stage.gateway.engine().phase is Phase.READY


def test_a_reset_is_502(whisper: httpx.Client) -> None:
    assert whisper.get("/reset").json()["code"] == "engine_broke"


def test_an_engine_that_resets_during_the_upload_is_502(whisper: httpx.Client) -> None:
    answer = whisper.post("/reset?when=upload", content=b"x" * 1_000_000)
    assert (answer.status_code, answer.json()["code"]) == (502, "engine_broke")


def test_the_reason_is_in_the_answer_and_in_the_log() -> None:
    with staged(saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")) as stage:
        assert b"sent a head larger than 32768 bytes" in stage.answer().body
        stage.gateway.until(lambda: bool(stage.gateway.events("request.failed")))
        (failed,) = stage.gateway.events("request.failed")
        assert (failed["error"], failed["status"], failed["engine"]) == ("engine_broke", 502, "whisper")
        assert "sent a head larger than 32768 bytes" in failed["reason"]


# after its beginning


@pytest.mark.parametrize("how", ["reset", "cut"])
@pytest.mark.parametrize("when", ["head", "body"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_answer_that_breaks_off_never_looks_complete(raw: RawClient, how: str, when: str, framing: str) -> None:
    raw.get(f"/{how}?when={when}&framing={framing}")
    with pytest.raises(Incomplete):
        raw.answer()


@pytest.mark.parametrize("how", ["reset", "cut"])
def test_nor_does_it_where_only_the_end_of_the_connection_tells(raw: RawClient, how: str) -> None:
    """A client of HTTP/1.0 takes any end in order for the answer's."""
    raw.send(f"GET /{how}?when=body&framing=chunked HTTP/1.0\r\nHost: whisper.test\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        raw.rest()


def test_an_answer_until_the_end_of_the_connection_is_not_complete_when_it_is_reset() -> None:
    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
            started.wait(PATIENCE)
            visit.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    started = threading.Event()
    with staged(script) as stage:
        assert stage.raw.get("/x").head().status == 200
        started.set()
        with pytest.raises(Incomplete):
            stage.raw.take(1000)


def test_chunks_that_make_no_sense_cut_the_answer() -> None:
    script = saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n")
    with staged(script) as stage:
        with pytest.raises(Incomplete):
            stage.raw.get("/x").answer()
        stage.gateway.until(lambda: bool(stage.gateway.events("request.failed")))
        (failed,) = stage.gateway.events("request.failed")
        assert (failed["error"], failed["status"]) == ("answer_cut", 200)


def test_trailers_that_only_a_head_may_say_do_not_reach_the_client() -> None:
    head = b"HTTP/1.1 200 OK\r\nTrailer: X-Check\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    with staged(saying(head + b"Set-Cookie: a=b\r\nX-Check: 1\r\nConnection: close\r\nLocation: /x\r\n\r\n")) as stage:
        answer = stage.answer()
        assert (answer.body, answer.trailers) == (b"ok", [("x-check", "1")])


def test_trailers_without_end_cut_the_answer() -> None:
    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(b"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ")
            while True:
                visit.say(b"x" * 100_000)

    with staged(script) as stage, pytest.raises(Incomplete):
        stage.raw.get("/x").answer()


# engines that do more than they should


@pytest.mark.parametrize(
    "extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"garbage", b"\r\n\r\nHTTP/1.1 200 OK\r\n", b"x"]
)
def test_what_an_engine_says_without_being_asked_is_never_an_answer(extra: bytes) -> None:
    def script(visit: Visit) -> None:
        while visit.head():
            visit.say(OK + extra)

    with staged(script) as stage:
        assert [stage.raw.get(f"/{number}").answer().body for number in range(10)] == [b"ok"] * 10


def test_an_engine_that_speaks_unasked_on_a_kept_connection_is_hung_up_on() -> None:
    hung_up = threading.Event()

    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(OK)
            answered.wait(PATIENCE)
            visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            if visit.until_closed():
                hung_up.set()

    answered = threading.Event()
    with staged(script) as stage:
        assert stage.raw.get("/1").answer().body == b"ok"
        answered.set()
        assert hung_up.wait(PATIENCE)
        assert stage.raw.get("/2").answer().body == b"ok"


def test_a_body_on_an_answer_to_head_is_never_an_answer() -> None:
    def script(visit: Visit) -> None:
        while visit.head():
            visit.say(OK)

    with staged(script) as stage:
        for _ in range(3):
            stage.raw.send("HEAD / HTTP/1.1\r\nHost: whisper.test\r\n\r\n")
            assert stage.raw.answer("HEAD").get("content-length") == "2"
            assert stage.raw.get().answer().body == b"ok"


def test_headers_that_the_engines_connection_names_end_at_the_gateway(stage: Stage) -> None:
    stage.engine.script = saying(
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n"
    )
    answer = stage.answer()
    assert {name for name, _ in answer.headers}.isdisjoint({"x-hop", "keep-alive", "connection"})


def test_an_http_1_0_engine_is_understood(stage: Stage) -> None:
    stage.engine.script = saying(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold but good")
    answer = stage.answer()
    assert answer.body == b"old but good"


def test_a_204_has_no_length(stage: Stage) -> None:
    """RFC 9110 section 8.6."""
    stage.engine.script = saying(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    answer = stage.answer()
    assert (answer.status, answer.get("content-length")) == (204, None)


def test_an_engine_that_reads_nothing_after_its_answer_keeps_nothing_open() -> None:
    left = threading.Event()

    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            answered.wait(PATIENCE)
            while visit.connection.recv(65536):
                pass
            left.set()

    answered = threading.Event()
    with staged(script) as stage:
        stage.raw.send("POST / HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 100000000\r\n\r\n")
        stage.raw.send_what_fits(b"x" * 100_000, 0.2, most=10_000_000)
        assert stage.raw.answer().status == 413
        answered.set()
        assert left.wait(PATIENCE)
