"""Starts that were given up, against a Docker of our own that takes its time exactly where it matters."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from gateway.config.schema import EngineSpec
from gateway.runtimes.base import Running
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_host import DockerHost
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio


class SlowDocker:
    """Unlike the real one it answers `inspect` while a start is under way; Podman may, too."""

    base_url = "http+docker://localhost"
    api_version = "1.47"
    timeout = 30

    def __init__(self) -> None:
        self.running: dict[str, bool] = {"engine": False, "db": False}
        self.calls: list[str] = []
        self.starting = threading.Event()
        self.may_start = threading.Event()
        self.may_start.set()

    def inspect_container(self, name: str) -> dict[str, Any]:
        return {
            "Id": name,
            "Name": f"/{name}",
            "State": {"Running": self.running[name], "StartedAt": "2026-11-21T15:58:55Z"},
            "HostConfig": {"NetworkMode": "host"},
        }

    def post(self, url: str, timeout: float) -> requests.Response:
        """A start, which is the only thing asked for like this."""
        name = url.split("/")[-2]
        assert (url.rsplit("/", maxsplit=1)[-1], timeout) == ("start", 60)
        self.starting.set()
        assert self.may_start.wait(PATIENCE)
        self.calls.append(f"start {name}")
        self.running[name] = True
        done = requests.Response()
        done.status_code = 204
        return done

    def stop(self, name: str, timeout: int) -> None:
        self.calls.append(f"stop {name} within {timeout}")
        self.running[name] = False


@pytest.fixture
def slow() -> SlowDocker:
    return SlowDocker()


@pytest.fixture
async def runtime(slow: SlowDocker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DockerRuntime]:
    host = DockerHost()
    client = SimpleNamespace(api=slow, close=lambda: None)
    monkeypatch.setattr(host, "_connect", lambda _: client)
    target = {"container": "engine", "depends_on": ["db"]}
    runtime = DockerRuntime(host, "e", EngineSpec(hosts=("x.test",), docker=target, port=8000, stop_timeout=1.5))
    yield runtime
    slow.may_start.set()
    await runtime.aclose()


async def give_up(start: asyncio.Task[Running]) -> None:
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start


async def test_a_stop_waits_for_the_start_that_was_given_up(slow: SlowDocker, runtime: DockerRuntime) -> None:
    slow.may_start.clear()
    async with asyncio.TaskGroup() as tasks:
        start = tasks.create_task(runtime.start())
        assert await asyncio.to_thread(slow.starting.wait, PATIENCE)
        await give_up(start)
        stop = tasks.create_task(runtime.stop())
        await asyncio.sleep(0.05)
        assert not stop.done()
        slow.may_start.set()
    assert not any(slow.running.values())
    assert slow.calls == ["start db", "stop db within 2"]


async def test_a_start_that_comes_after_its_stop_does_not_happen(slow: SlowDocker, runtime: DockerRuntime) -> None:
    """It was on its way to the lock when it was given up, and the stop came first."""
    lock = runtime._host.claims.lock("db")
    lock.acquire()
    try:
        async with asyncio.TaskGroup() as tasks:
            start = tasks.create_task(runtime.start())
            while not runtime._host.claims.holds(runtime._claimant, "db"):  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            await give_up(start)
            runtime._host.claims.release(runtime._claimant)
    finally:
        lock.release()
    await runtime.stop()
    assert not any(slow.running.values())
    assert slow.calls == []


async def test_a_stop_that_fails_keeps_what_the_engine_needs(slow: SlowDocker, runtime: DockerRuntime) -> None:
    await runtime.start()

    def refuse(name: str, timeout: int) -> None:
        raise TimeoutError(f"{name} takes longer than {timeout}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow, "stop", refuse)
        with pytest.raises(Exception, match="did not answer in time"):
            await runtime.stop()
    assert slow.running == {"db": True, "engine": True}
    await runtime.stop()
    assert slow.calls == ["start db", "start engine", "stop engine within 2", "stop db within 2"]
