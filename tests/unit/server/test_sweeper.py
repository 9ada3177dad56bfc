"""One look over all connections each second, and none while there are none."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.server import sweeper as module
from gateway.server.sweeper import Sweeper, peer_has_gone
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio


class Counting:
    def __init__(self) -> None:
        self.swept = asyncio.Event()

    def sweep(self, now: float) -> None:
        assert now <= asyncio.get_running_loop().time()
        self.swept.set()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)


async def rests(sweeper: Sweeper) -> None:
    """Waits until it looks no more."""
    async with asyncio.timeout(PATIENCE):
        while sweeper._timer is not None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)


async def test_every_connection_is_looked_at_again_and_again() -> None:
    sweeper, connections = Sweeper(), [Counting(), Counting()]
    for connection in connections:
        sweeper.add(connection)
    for _ in range(2):
        async with asyncio.timeout(PATIENCE):
            for connection in connections:
                await connection.swept.wait()
                connection.swept.clear()
    for connection in connections:
        sweeper.discard(connection)


async def test_it_rests_when_there_are_none_and_begins_again() -> None:
    sweeper, connection = Sweeper(), Counting()
    for _ in range(2):
        sweeper.add(connection)
        async with asyncio.timeout(PATIENCE):
            await connection.swept.wait()
        sweeper.discard(connection)
        connection.swept.clear()
        await rests(sweeper)
        assert not connection.swept.is_set()


async def test_one_that_ends_during_the_look_does_not_disturb_it() -> None:
    sweeper, other = Sweeper(), Counting()

    class Ending(Counting):
        def sweep(self, now: float) -> None:
            super().sweep(now)
            sweeper.discard(self)
            sweeper.discard(other)

    sweeper.add(Ending())
    sweeper.add(other)
    await rests(sweeper)


@pytest.mark.parametrize("how", ["stays", "ends", "resets"])
async def test_the_kernel_knows_whether_the_other_side_has_gone(how: str) -> None:
    accepted: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    class Keep(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            accepted.set_result(transport)

    server = await asyncio.get_running_loop().create_server(Keep, "127.0.0.1", 0)
    client = socket.create_connection(server.sockets[0].getsockname())
    transport = await accepted
    if how == "resets":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how != "stays":
        client.close()
    async with asyncio.timeout(PATIENCE):
        while peer_has_gone(transport) is not (how != "stays"):  # noqa: ASYNC110 - the kernel may need a moment
            await asyncio.sleep(0.001)
    transport.abort()
    client.close()
    server.close()
    await server.wait_closed()


async def test_a_transport_without_a_socket_is_taken_for_alive() -> None:
    assert not peer_has_gone(asyncio.Transport())
