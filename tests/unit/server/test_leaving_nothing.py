"""What has ended is freed at once: the collector comes seldom, and until then it would all be memory in use."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.proxy.pool import Pool
from gateway.proxy.upstream import Upstream
from gateway.runtimes.base import Address
from tests.unit.server.wire import GET, Remembering, Wire, answering, body, start

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _without_the_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "said", [GET, GET[:10], b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nx", b"\0\r\n\r\n"]
)
async def test_a_clients_connection(said: bytes) -> None:
    wire = Wire(answering(start(), body(b"x")))
    await wire.hear(said)
    wire.leave()
    await wire.settle()
    connection = weakref.ref(wire.connection)
    del wire
    await asyncio.sleep(0)
    assert connection() is None


async def test_a_connection_to_an_engine() -> None:
    made = Upstream(Pool(), Address("127.0.0.1", 1))
    made.connection_made(Remembering())
    made.begin("GET")
    made.expect_answer(60)
    made.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    made.connection_lost(None)
    upstream = weakref.ref(made)
    del made
    await asyncio.sleep(0)
    assert upstream() is None
