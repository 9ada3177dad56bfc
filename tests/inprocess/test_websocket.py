"""WebSockets pass end to end: messages, fragments, pings, extensions, close codes; and an end that says what it was."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close

from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import RawClient
from tests.fixtures.scripted_engine import Visit
from tests.fixtures.standin import StandIn, running_standin
from tests.inprocess.conftest import Stats
from tests.inprocess.staging import staged
from tests.inprocess.websockets_client import UPGRADE, opened, text_frame

LARGE = 5 * 1024 * 1024


def test_text_and_binary_messages_come_back(gateway: Gateway) -> None:
    with opened(gateway) as client:
        for message in ("hello", "", "é" * 1000, b"\x00\xff" * 1000, b""):
            client.send(message)
            assert client.recv() == message


def test_a_large_message_comes_back(gateway: Gateway) -> None:
    message = os.urandom(LARGE)
    with opened(gateway) as client:
        client.send(message)
        assert client.recv(timeout=PATIENCE) == message


def test_fragments_stay_fragments(gateway: Gateway) -> None:
    with opened(gateway) as client:
        client.send(iter(["one ", "two ", "three"]))
        pieces = list(client.recv_streaming())
        assert [piece for piece in pieces if piece] == ["one ", "two ", "three"]


def test_the_engines_refusal_reaches_the_client(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gateway, "/no-ws")
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b'{"error": "no WebSocket here"}'
    gateway.until(gateway.is_free)


def test_a_path_that_is_no_websocket_answers_as_it_does(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gateway, "/hello")
    assert refused.value.response.status_code == 200


def test_an_unknown_host_is_404(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gateway, host="other.test")
    assert refused.value.response.status_code == 404


def test_frames_sent_before_the_101_are_not_lost(raw: RawClient) -> None:
    raw.send(UPGRADE.format("/ws").encode() + text_frame(b"early") + text_frame(b"bird"))
    assert raw.head().status == 101
    assert raw.take(7) == b"\x81\x05early"
    assert raw.take(6) == b"\x81\x04bird"


def test_frames_sent_before_a_sleeping_engine_agrees_are_not_lost(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw:
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)
        raw.send(UPGRADE.format("/ws"))
        for _ in range(3):
            assert raw.quiet(0.02)
            raw.send(text_frame(b"early"))
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.set)
        assert raw.head().status == 101
        assert raw.take(21) == b"\x81\x05early" * 3


@pytest.mark.parametrize("together", [True, False])
def test_an_upgrade_behind_another_request_waits_its_turn(raw: RawClient, gateway: Gateway, *, together: bool) -> None:
    parts = [
        b"GET /told?word=upgrade HTTP/1.1\r\nHost: whisper.test\r\n\r\n",
        UPGRADE.format("/ws").encode(),
        text_frame(b"early"),
        text_frame(b"bird"),
    ]
    for part in [b"".join(parts)] if together else parts:
        raw.send(part)
        assert raw.quiet(0.01)
    with gateway.raw() as other:
        other.get("/tell?word=upgrade").answer()
    assert raw.answer().status == 200
    assert raw.head().status == 101
    assert raw.take(13) == b"\x81\x05early\x81\x04bird"


def test_the_head_of_an_upgrade_is_the_engines(raw: RawClient) -> None:
    raw.send(UPGRADE.format("/ws").replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, b\r\n\r\n"))
    head = raw.head()
    assert (head.status, head.get("upgrade"), head.get("connection")) == (101, "websocket", "Upgrade")
    assert head.get("sec-websocket-protocol") == "a"
    assert head.get("sec-websocket-accept")
    assert head.get("x-request-id")
    assert head.get("transfer-encoding") is None


@pytest.mark.parametrize("body", [None, b"hello"])
@pytest.mark.parametrize("connection", ["Upgrade, HTTP2-Settings", "Upgrade, HTTP2-Settings, close"])
def test_a_wish_for_http_2_is_ignored(raw: RawClient, body: bytes | None, connection: str) -> None:
    """RFC 9110 section 7.8; the body belongs to the request all the same."""
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    raw.send(
        f"{'GET' if body is None else 'POST'} /headers HTTP/1.1\r\nHost: whisper.test\r\nConnection: {connection}\r\n"
        f"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n{length}\r\n".encode()
        + (body or b"")
    )
    answer = raw.answer()
    assert answer.status == 200
    assert not any(word in answer.body for word in (b"h2c", b"http2-settings"))
    assert answer.get("connection") == ("close" if "close" in connection else None)
    if "close" not in connection:
        assert raw.get().answer().status == 200


def test_http_1_0_has_no_websockets(raw: RawClient) -> None:
    answer = raw.send(UPGRADE.format("/ws").replace("HTTP/1.1", "HTTP/1.0")).answer()
    assert answer.status == 426


def test_an_engine_that_dies_ends_the_websocket_with_1011() -> None:
    with running_standin() as standin, running_gateway({"whisper": Engine(standin.port)}) as gateway:
        with opened(gateway) as client:
            client.send("die")
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=PATIENCE)
            assert closed.value.rcvd == Close(1011, "the engine ended without saying why")
        gateway.until(gateway.is_free)


def test_an_engine_that_drops_the_connection_ends_the_websocket_with_1011(gateway: Gateway) -> None:
    with opened(gateway) as client:
        client.send("drop")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=PATIENCE)
        assert closed.value.rcvd == Close(1011, "the engine ended without saying why")


def test_1011_arrives_though_the_client_still_sends(raw: RawClient) -> None:
    """The connection is not reset under the close frame."""
    raw.send(UPGRADE.format("/ws"))
    assert raw.head().status == 101
    raw.send(text_frame(b"drop"))
    for _ in range(20):
        raw.send(text_frame(b"more"))
    assert raw.take(4)[2:] == (1011).to_bytes(2, "big")


def test_an_engine_that_ends_within_a_frame_cuts_the_connection() -> None:
    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05he"
            )

    with staged(script) as stage:
        stage.raw.send(UPGRADE.format("/ws"))
        assert stage.raw.head().status == 101
        assert stage.raw.take(4) == b"\x81\x05he"
        assert stage.raw.ended()


def test_an_engine_that_breaks_before_it_agrees_is_502() -> None:
    def script(visit: Visit) -> None:
        visit.head()

    with staged(script) as stage:
        assert stage.raw.send(UPGRADE.format("/ws")).answer().status == 502


def test_an_engine_that_does_not_agree_in_time_is_504(standin: StandIn) -> None:
    engine = Engine(standin.port, answer_timeout="100ms")
    with running_gateway({"whisper": engine}) as gateway, gateway.raw() as raw:
        assert raw.send(UPGRADE.format("/slow?ms=60000")).answer().status == 504


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset])
def test_a_client_that_vanishes_frees_the_engine(gateway: Gateway, stats: Stats, leave: Any) -> None:
    before = stats()["open_connections"]
    with gateway.raw() as raw:
        raw.send(UPGRADE.format("/ws"))
        assert raw.head().status == 101
        assert gateway.engine().serving == 1
        leave(raw)
        gateway.until(gateway.is_free)
        gateway.until(lambda: stats()["open_connections"] <= before)


def test_a_client_that_vanishes_frees_an_engine_that_reads_nothing() -> None:
    """What the client sent last cannot be delivered; that must not hold the lease."""

    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            over.wait(PATIENCE)

    over = threading.Event()
    with staged(script) as stage:
        stage.raw.send(UPGRADE.format("/ws"))
        assert stage.raw.head().status == 101
        (connection,) = stage.gateway.connections
        while not connection._paused:
            stage.raw.send(b"x" * 50_000)
            stage.gateway.until(lambda: stage.raw.undelivered == 0)
        stage.raw.close()
        stage.gateway.until(stage.gateway.is_free)
        over.set()


def test_a_websocket_keeps_its_engine_awake_and_no_longer(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port, idle_after="100ms")}) as gateway:
        with opened(gateway) as client:
            with pytest.raises(TimeoutError):
                client.recv(timeout=0.5)
            assert gateway.runtimes["whisper"].stops == 0
        gateway.reaches(Phase.ASLEEP)


def test_a_gateway_that_stops_ends_the_websocket_with_1012(standin: StandIn) -> None:
    engine = Engine(standin.port)
    with running_gateway({"whisper": engine}, drain_timeout="200ms") as gateway, opened(gateway) as client:
        client.send("hello")
        assert client.recv() == "hello"
        gateway.stop()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=PATIENCE)
        assert closed.value.rcvd == Close(1012, "the gateway is shutting down")


def test_a_websocket_that_ends_while_the_gateway_drains_ends_as_usual(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="10m") as gateway:
        with opened(gateway) as client:
            gateway.stop()
            client.send("still here")
            assert client.recv() == "still here"
        assert client.close_code == 1000
        gateway.join()


def test_a_slow_reader_holds_back_the_engine_and_a_stop_still_ends_it(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="200ms") as gateway, gateway.raw() as raw:
        raw.send(UPGRADE.format("/ws"))
        assert raw.head().status == 101
        payload = b"\x82\xff" + (1_000_000).to_bytes(8, "big") + bytes(4) + b"x" * 1_000_000
        raw.send_what_fits(payload, 0.3)
        gateway.stop()
        gateway.join()
