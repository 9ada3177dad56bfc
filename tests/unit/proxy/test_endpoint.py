"""The door itself, where it must decide without an engine's help."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.callers import ANYBODY, Caller, Peers
from gateway.config.schema import EngineSpec
from gateway.lifecycle.events import SleepAsked
from gateway.proxy.delivery import MOST_CONNECTS
from gateway.proxy.endpoint import Endpoint
from gateway.proxy.pool import Pool
from gateway.proxy.routing import Routes
from gateway.runtimes.base import Address
from gateway.runtimes.memory import MemoryRuntime
from gateway.supervision.supervisor import Supervisor
from tests.fixtures.ports import free_port
from tests.unit.proxy.engine import tiny_engine

pytestmark = pytest.mark.anyio


def anybody(*_: Any) -> Caller:
    """A door that is open."""
    return ANYBODY


async def says_yes(_: Address) -> bool:
    return True


@pytest.fixture
async def unreachable() -> AsyncIterator[Supervisor]:
    """An engine whose probe succeeds and whose port refuses every connection."""
    port = free_port()
    spec = EngineSpec.model_validate({"hosts": ["a.test"], "process": {"command": ["none"]}, "port": port})
    engine = Supervisor("a", spec, MemoryRuntime(Address("127.0.0.1", port)), says_yes)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(engine.run())
        await engine.looked.wait()
        yield engine
        task.cancel()


async def asked(endpoint: Endpoint, client: tuple[str, int] | None = ("127.0.0.1", 1)) -> list[dict[str, Any]]:
    """What the endpoint sends for a GET."""
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "gateway.target": b"/x", "client": client,
        "query_string": b"", "headers": [(b"host", b"a.test")], "extensions": {}, "http_version": "1.1",
        "gateway.memo": {},
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await endpoint(scope, receive, send)
    return sent


async def test_an_engine_that_is_ready_and_refuses_connections_is_502(unreachable: Supervisor) -> None:
    """It is tried again after each successful probe, but not for ever."""
    start, body = await asked(Endpoint(Routes([("a.test", unreachable)]), Pool(), Peers(), anybody))
    assert (start["status"], json.loads(body["body"])["code"]) == (502, "engine_unreachable")
    assert dict(start["headers"])[b"retry-after"] == b"5"
    runtime = unreachable.runtime
    assert isinstance(runtime, MemoryRuntime)
    assert runtime.starts == 1
    assert (unreachable.serving, unreachable.waiting) == (0, 0)
    assert MOST_CONNECTS > 1


async def test_a_sleep_by_force_is_not_undone_by_who_was_just_connecting(
    unreachable: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = Pool.connect

    async def connect_too_late(pool: Pool, address: Address) -> Any:
        unreachable.tell(SleepAsked(force=True))
        return await connect(pool, address)

    monkeypatch.setattr(Pool, "connect", connect_too_late)
    start, body = await asked(Endpoint(Routes([("a.test", unreachable)]), Pool(), Peers(), anybody))
    assert (start["status"], json.loads(body["body"])["code"]) == (503, "engine_put_to_sleep")
    runtime = unreachable.runtime
    assert isinstance(runtime, MemoryRuntime)
    assert runtime.starts == 1


async def test_a_client_without_an_address_is_nobodys_proxy() -> None:
    """Its address could not be asked for any more; it must not be taken for a trusted one."""
    heads: list[bytes] = []

    async def note(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with tiny_engine(note) as tiny, asyncio.TaskGroup() as group:
        spec = EngineSpec.model_validate({"hosts": ["a.test"], "process": {"command": ["none"]}, "port": 1})
        engine = Supervisor("a", spec, MemoryRuntime(tiny.address), says_yes)
        task = group.create_task(engine.run())
        pool = Pool()
        endpoint = Endpoint(Routes([("a.test", engine)]), pool, Peers(["0.0.0.0/0", "::/0"]), anybody)
        assert (await asked(endpoint, client=None))[0]["status"] == 200
        assert b"x-forwarded-for: unknown\r\n" in heads[-1]
        pool.close()
        task.cancel()
