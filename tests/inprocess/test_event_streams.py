"""Event streams pass unbuffered, and keep their engine awake as long as they last."""

from __future__ import annotations

import threading

import httpx

from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import RawClient
from tests.fixtures.scripted_engine import Visit
from tests.fixtures.standin import StandIn
from tests.inprocess.staging import staged


def test_each_event_arrives_when_it_is_sent() -> None:
    """The engine sends the next one only when the client has the last."""
    arrived = threading.Semaphore(0)
    event = b"data: hello\n\n"
    chunk = b"%x\r\n%s\r\n" % (len(event), event)

    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(10):
                visit.say(chunk)
                assert arrived.acquire(timeout=PATIENCE)
            visit.say(b"0\r\n\r\n")

    with staged(script) as stage:
        head = stage.raw.get("/x").head()
        assert (head.status, head.get("content-type")) == (200, "text/event-stream")
        for _ in range(10):
            assert stage.raw.take(len(chunk)) == chunk
            arrived.release()
        assert stage.raw.take(5) == b"0\r\n\r\n"


def test_the_head_does_not_wait_for_the_first_event() -> None:
    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            visit.head()

    with staged(script) as stage:
        assert stage.raw.get("/x").head().status == 200


def test_an_event_in_pieces_is_passed_on_in_pieces() -> None:
    """The gateway does not wait for the end of a line, nor of a chunk."""

    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\ndata:")
            visit.head()

    with staged(script) as stage:
        assert stage.raw.get("/x").head().status == 200
        assert stage.raw.take(10) == b"5\r\ndata:\r\n"


def test_an_http_1_0_client_gets_each_event_as_well(raw: RawClient) -> None:
    raw.send("GET /sse?n=0&interval_ms=10 HTTP/1.0\r\nHost: whisper.test\r\n\r\n")
    assert raw.head().status == 200
    assert raw.take(5) == b"id: 1"


def test_a_stream_keeps_its_engine_awake_and_no_longer(standin: StandIn) -> None:
    engine = Engine(standin.port, idle_after="100ms")
    with running_gateway({"whisper": engine}) as gateway, gateway.client() as client:
        with client.stream("GET", "/sse?n=0&interval_ms=100") as answer:
            events = (line for line in answer.iter_lines() if line.startswith("data:"))
            for _ in range(5):  # four times as long as it may idle
                next(events)
            assert gateway.runtimes["whisper"].stops == 0
        gateway.reaches(Phase.ASLEEP)
        assert gateway.runtimes["whisper"].stops == 1


def test_many_streams_at_once_are_not_late(whisper: httpx.Client, standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway:
        clients = [gateway.raw().get("/sse?n=20&interval_ms=20") for _ in range(32)]
        for client in clients:
            body = client.answer().body
            assert body.count(b"data:") == 20
            client.close()
