"""What two full implementations settle between them is settled through the gateway as well."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import LONG_PATIENCE, PATIENCE
from tests.inprocess.websockets_client import opened


@dataclass
class WsEngine:
    """Echoes; and tells how its connections ended."""

    port: int = 0
    ends: queue.Queue[tuple[int, str]] = field(default_factory=queue.Queue)
    pings: queue.Queue[bytes] = field(default_factory=queue.Queue)

    def converse(self, connection: ServerConnection) -> None:
        try:
            for message in connection:
                if isinstance(message, str) and message.startswith("close "):
                    code, _, reason = message.removeprefix("close ").partition(" ")
                    connection.close(int(code), reason)
                elif message == "ping":
                    connection.ping(b"from the engine").wait(PATIENCE)
                    connection.send("ponged")
                elif message == "extensions":
                    connection.send(str([str(one.name) for one in connection.protocol.extensions]))
                else:
                    connection.send(message)
        finally:
            end = connection.protocol.close_rcvd
            self.ends.put((end.code, end.reason) if end else (1006, ""))

    def health(self, connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(200, "ready\n") if request.path == "/health" else None


def last_offered(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[-1] if offered else None


@pytest.fixture(scope="module")
def ws_engine() -> Iterator[WsEngine]:
    engine = WsEngine()
    with serve(
        engine.converse, "127.0.0.1", 0, process_request=engine.health, select_subprotocol=last_offered,
        max_size=None, ping_interval=None,
    ) as server:  # fmt: skip
        engine.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield engine
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def before_ws(ws_engine: WsEngine) -> Iterator[Gateway]:
    with running_gateway({"whisper": Engine(ws_engine.port)}) as gateway:
        yield gateway


def test_compression_is_settled_between_the_ends(before_ws: Gateway, ws_engine: WsEngine) -> None:
    with opened(before_ws, compression="deflate") as client:
        client.send("extensions")
        assert client.recv() == "['permessage-deflate']"
        client.send("compressible " * 100_000)
        assert client.recv() == "compressible " * 100_000
    ws_engine.ends.get(timeout=PATIENCE)


def test_the_subprotocol_is_the_engines_choice(before_ws: Gateway, ws_engine: WsEngine) -> None:
    with opened(before_ws, subprotocols=["whisper.v1", "whisper.v2"]) as client:
        assert client.subprotocol == "whisper.v2"
    ws_engine.ends.get(timeout=PATIENCE)


def test_pings_are_answered_by_the_other_end(before_ws: Gateway, ws_engine: WsEngine) -> None:
    with opened(before_ws) as client:
        assert client.ping(b"from the client").wait(PATIENCE)
        client.send("ping")
        assert client.recv() == "ponged"
    ws_engine.ends.get(timeout=PATIENCE)


CLOSES = [(1000, ""), (1001, "gone"), (1008, "policy"), (1009, "too big"), (3000, "é" * 40), (4999, "own")]


@pytest.mark.parametrize(("code", "reason"), CLOSES)
def test_the_clients_close_reaches_the_engine(before_ws: Gateway, ws_engine: WsEngine, code: int, reason: str) -> None:
    with opened(before_ws) as client:
        client.close(code, reason)
        assert ws_engine.ends.get(timeout=PATIENCE) == (code, reason)
        assert client.close_code == code  # the engine's echo
    before_ws.until(before_ws.is_free)


@pytest.mark.parametrize(("code", "reason"), CLOSES)
def test_the_engines_close_reaches_the_client(before_ws: Gateway, ws_engine: WsEngine, code: int, reason: str) -> None:
    with opened(before_ws) as client:
        client.send(f"close {code} {reason}")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=PATIENCE)
        assert closed.value.rcvd == Close(code, reason)
    assert ws_engine.ends.get(timeout=PATIENCE)[0] == code
    before_ws.until(before_ws.is_free)


def test_an_end_without_a_close_frame_is_one_for_the_engine_too(before_ws: Gateway, ws_engine: WsEngine) -> None:
    client = opened(before_ws)
    client.socket.close()
    client.close_socket()
    assert ws_engine.ends.get(timeout=PATIENCE) == (1006, "")


def test_messages_both_ways_at_once_do_not_block_each_other(before_ws: Gateway, ws_engine: WsEngine) -> None:
    """With a client of asyncio: two of the library's ends with threads do not read while they send.

    So they block each other, also without anything between them.
    """
    block, count = os.urandom(64 * 1024), 200

    async def both_ways() -> None:
        sock = socket.create_connection(("127.0.0.1", before_ws.port))
        async with (
            asyncio.timeout(LONG_PATIENCE),
            connect("ws://whisper.test/ws", sock=sock, proxy=None, max_size=None, compression=None) as client,
            asyncio.TaskGroup() as group,
        ):

            async def send() -> None:
                for _ in range(count):
                    await client.send(block)

            group.create_task(send())
            for _ in range(count):
                assert await client.recv() == block

    asyncio.run(both_ways())
    ws_engine.ends.get(timeout=PATIENCE)
