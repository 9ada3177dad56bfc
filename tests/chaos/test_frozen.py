"""The Docker daemon freezes in the middle of a command, and goes on with it when it thaws."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.config.schema import EngineSpec
from gateway.errors import EngineStartFailed
from gateway.lifecycle.events import WakeAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, READY, STOPPING
from gateway.runtimes.base import Address
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_host import DockerHost
from gateway.supervision.supervisor import Supervisor
from tests.chaos.apart import apart, mount_tmpfs
from tests.chaos.private_docker import PrivateDocker
from tests.chaos.report import Trial
from tests.fixtures.docker import STANDIN_IMAGE

pytestmark = [
    pytest.mark.docker,
    pytest.mark.root,
    # The SDK does not close the socket of a connection that fails; Python does, and says so.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

PATIENCE = 60.0
STOP_TIMEOUT = 4


async def answers(address: Address) -> bool:
    """Whether the engine says yes on its ready path."""
    try:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read(100)
        writer.close()
    except OSError:
        return False
    return b" 200 " in answer


@asynccontextmanager
async def supervised(daemon: PrivateDocker, **settings: float) -> AsyncIterator[Supervisor]:
    """The container `engine` behind a gateway whose calls to Docker may take a second, and not half a minute."""
    timeouts = {"stop_timeout": STOP_TIMEOUT, "idle_after": 0.3, **settings}
    spec = EngineSpec(hosts=("x.test",), docker={"container": "engine"}, port=8000, **timeouts)
    host = DockerHost(environment={"DOCKER_HOST": daemon.url}, answer_seconds=1)
    engine = Supervisor("engine", spec, DockerRuntime(host, "engine", spec), answers)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        running = group.create_task(engine.run())
        await engine.looked.wait()
        yield engine
        running.cancel()
    await engine.runtime.aclose()


def with_a_daemon(trial: Callable[[PrivateDocker], Coroutine[Any, Any, None]]) -> None:
    """The engine does not listen to SIGTERM: its stop takes as long as that may take."""

    def work(mount: Path) -> None:
        mount_tmpfs(str(mount), "size=1g")
        with ExitStack() as stack:
            daemon = PrivateDocker(mount)
            stack.callback(daemon.close)
            daemon.start()
            daemon.load(STANDIN_IMAGE)
            daemon.create("engine", environment={"IGNORE_SIGTERM": "1"})
            asyncio.run(trial(daemon))

    with tempfile.TemporaryDirectory(prefix="wg-docker-") as mount:
        apart(lambda: work(Path(mount)), network=True)


def test_a_stop_that_docker_goes_on_with_when_it_thaws_ends_no_engine_that_serves(
    trial: Trial, standin_image: str
) -> None:
    trial.must("the engine that serves a request that came meanwhile is not stopped under it")

    async def work(daemon: PrivateDocker) -> None:
        with capture_logs() as lines:
            async with supervised(daemon) as engine:
                engine.tell(WakeAsked())
                await engine.wait_for(READY)
                await engine.wait_for(STOPPING)
                await asyncio.to_thread(daemon.until_told_of, "kill")  # now it waits for the program's end
                daemon.freeze()
                thaw = asyncio.get_running_loop().call_later(2 * STOP_TIMEOUT, daemon.thaw)
                began = time.monotonic()
                async with engine.admitted() as lease:
                    instance = engine.instance
                    trial.measured(f"admitted {time.monotonic() - began - 2 * STOP_TIMEOUT:.1f} s after the thaw")
                    await asyncio.sleep(STOP_TIMEOUT + 1)  # in which the old stop would come
                    assert thaw.when() < asyncio.get_running_loop().time()
                    assert await answers(lease.address), "stopped while it served"
                    assert (engine.phase, engine.instance) == (READY, instance)
                await engine.wait_for(ASLEEP)
        assert [line["event"] for line in lines].count("engine.stop_delayed") == 1

    with_a_daemon(work)


def test_a_wake_while_docker_is_frozen_ends_in_time_and_says_so(trial: Trial, standin_image: str) -> None:
    trial.must("503 within a second of the deadline, which says that it was not the engine")

    async def work(daemon: PrivateDocker) -> None:
        async with supervised(daemon, start_timeout=0.5) as engine:
            await engine.wait_for(ASLEEP)
            daemon.freeze()
            began = time.monotonic()
            with pytest.raises(EngineStartFailed, match="cannot be reached"):
                async with engine.admitted():
                    pass
            took = time.monotonic() - began
            trial.measured(f"refused after {took:.1f} s of 0.5 s")
            assert took < PATIENCE / 3, "and not when Docker answers, nor when nobody waits any more"
            trial.in_time(took, 2)
            assert engine.phase is FAILED
            daemon.thaw()

    with_a_daemon(work)
