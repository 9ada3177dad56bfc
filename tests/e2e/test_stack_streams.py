"""What stays open for long, through the whole of compose.yaml: event streams and WebSockets, and reloads under them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.e2e.compose_stack import LOGIN, WHISPERX
from tests.e2e.shipped import Shipped, until
from tests.fixtures.patience import LONG_PATIENCE

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def key(shipped: Shipped) -> Iterator[str]:
    with shipped.key("streams") as key:
        yield key


def websocket(shipped: Shipped, authorization: str) -> connect:
    return connect(
        f"wss://{WHISPERX}/ws",
        additional_headers={"Authorization": authorization},
        host="127.0.0.1",
        port=shipped.https,
        ssl=shipped.tls(),
        server_hostname=WHISPERX,
        open_timeout=LONG_PATIENCE,
    )


def test_events_are_read_as_they_are_sent(shipped: Shipped, key: str) -> None:
    """Also the first of them, of an engine that had to wake: it is told to send the next when the last is here."""
    shipped.sleep("whisperx")
    headers = {"Authorization": f"Bearer {key}"}
    with (
        shipped.client(WHISPERX, headers=headers) as client,
        shipped.client(WHISPERX, headers=headers) as other,
        client.stream("GET", "/sse", params={"n": 13, "word": "next"}) as answer,
    ):
        assert answer.headers["content-type"] == "text/event-stream"
        told = [other.get("/tell?word=next").status_code for line in answer.iter_lines() if line.startswith("data:")]
    assert told == [200] * 13


def test_events_keep_the_engine_awake(shipped: Shipped, key: str) -> None:
    with (
        shipped.client(WHISPERX, headers={"Authorization": f"Bearer {key}"}) as client,
        client.stream("GET", "/sse", params={"n": 13, "interval_ms": 250}) as answer,
    ):
        events = [line for line in answer.iter_lines() if line.startswith("data:")]
    assert len(events) == 13, "longer than an engine without requests is left awake"


def test_a_websocket_wakes_the_engine_and_passes_messages_both_ways(shipped: Shipped, key: str) -> None:
    async def talk(authorization: str) -> None:
        async with websocket(shipped, authorization) as socket:
            for message in ("words", b"\x00\xff" * 50_000, "é" * 1000):
                await socket.send(message)
                assert await asyncio.wait_for(socket.recv(), LONG_PATIENCE) == message

    shipped.sleep("whisperx")
    asyncio.run(talk(f"Bearer {key}"))
    asyncio.run(talk(httpx.BasicAuth(*LOGIN)._auth_header))


def test_a_strangers_websocket_is_refused_and_wakes_nothing(shipped: Shipped) -> None:
    async def status(authorization: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with websocket(shipped, authorization):
                pass
        return refused.value.response.status_code

    shipped.sleep("whisperx")
    assert asyncio.run(status("Bearer wg_wrong")) == 401
    assert asyncio.run(status(httpx.BasicAuth("anna", "wrong horse")._auth_header)) == 401
    assert shipped.engine("whisperx")["phase"] == "asleep"


def test_an_engine_that_dies_closes_its_websockets_in_a_way_that_is_noticed(shipped: Shipped, key: str) -> None:
    async def talk(socket: ClientConnection) -> int | None:
        await socket.send("die")
        with pytest.raises(ConnectionClosedError) as ended:
            await asyncio.wait_for(socket.recv(), LONG_PATIENCE)
        return ended.value.rcvd.code if ended.value.rcvd else None

    async def connected() -> int | None:
        async with websocket(shipped, f"Bearer {key}") as socket:
            return await talk(socket)

    assert asyncio.run(connected()) == 1011


def test_a_new_certificate_is_taken_over_while_streams_go_on(shipped: Shipped, key: str) -> None:
    """Nginx in its container sees by itself that the certificate has changed; an open stream loses nothing."""
    before = certificate(shipped)
    headers = {"Authorization": f"Bearer {key}"}
    with (
        shipped.client(WHISPERX, headers=headers) as client,
        client.stream("GET", "/sse", params={"n": 0, "interval_ms": 50}) as answer,
    ):
        numbers = (int(line.split()[1]) for line in answer.iter_lines() if line.startswith("data:"))
        assert next(numbers) == 1
        shipped.install_certificate()
        until(lambda: certificate(shipped) != before, "the new certificate")
        with shipped.client(WHISPERX, headers=headers) as other:
            assert other.get("/hello").status_code == 200
        first = next(numbers)
        assert [next(numbers) for _ in range(20)] == list(range(first + 1, first + 21))


def certificate(shipped: Shipped) -> bytes:
    """Which one nginx shows."""
    with shipped.raw(WHISPERX) as client:
        return client.certificate()
