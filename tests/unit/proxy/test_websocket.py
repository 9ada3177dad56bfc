"""The ends of a tunnel that no ordinary client or engine brings about."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.proxy.http import Call
from gateway.proxy.pool import Pool
from gateway.proxy.websocket import tunnel
from tests.fixtures.patience import PATIENCE
from tests.unit.proxy.engine import GET, tiny_engine

pytestmark = pytest.mark.anyio

AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
FRAME = b"\x81\x05hello"


class SlowClient:
    """Takes the head and the first piece, and tells by `first`; is `stuck` at the next one; takes what comes after."""

    def __init__(self) -> None:
        self.first, self.stuck = asyncio.Event(), asyncio.Event()
        self.taken: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            if self.first.is_set() and not self.stuck.is_set():
                self.stuck.set()
                await asyncio.Event().wait()
            self.first.set()
        self.taken.append(message)

    @property
    def call(self) -> Call:
        return Call({"method": "GET", "extensions": {}, "headers": []}, self.receive, self.send, GET, b"id")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [([FRAME[:3], FRAME[3:]], "gateway.abort"), ([FRAME, FRAME], "http.response.body")],
    ids=["within a frame", "between frames"],
)
async def test_a_close_frame_is_put_only_where_the_client_will_see_one(pieces: list[bytes], expected: str) -> None:
    """What the client has taken counts, not what the engine has sent."""
    first_taken = asyncio.Event()

    async def agree(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(AGREED + pieces[0])
        await first_taken.wait()
        writer.write(pieces[1])
        await asyncio.Event().wait()

    client = SlowClient()
    async with tiny_engine(agree) as engine:
        task = asyncio.get_running_loop().create_task(tunnel(client.call, Pool(), engine.address, 5))
        async with asyncio.timeout(PATIENCE):
            await client.first.wait()
            first_taken.set()
            await client.stuck.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert client.taken[-1]["type"] == expected
