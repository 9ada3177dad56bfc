"""What a Docker does only on a bad day: take minutes for a start, or hand out a log without a line break in it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config.schema import EngineSpec
from gateway.errors import EndedAtOnce, RuntimeUnavailable, StartRefused, Unanswered
from gateway.runtimes.base import NotRunning, Running
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_host import DockerHost
from gateway.runtimes.log_lines import LONGEST_LINE
from tests.contract.scripted_docker import ScriptedDocker, frame

pytestmark = [
    pytest.mark.anyio,
    # The SDK does not close the socket of a connection that fails; Python does, and says so.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("garbage_of_ones_own"),
]

MIB = 1024 * 1024


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[ScriptedDocker]:
    async with ScriptedDocker(tmp_path / "docker.sock") as daemon:
        yield daemon


def runtime_at(daemon: ScriptedDocker, start_timeout: float = 60) -> DockerRuntime:
    """Its Docker has a second for each call, as it otherwise has half a minute."""
    host = DockerHost(environment=daemon.environment, answer_seconds=1)
    spec = EngineSpec(
        hosts=("x.test",), docker={"container": "engine"}, port=8000, start_timeout=start_timeout, stop_timeout=1
    )
    return DockerRuntime(host, "engine", spec)


async def test_docker_may_take_as_long_for_a_start_as_the_engine(daemon: ScriptedDocker) -> None:
    daemon.starting = lambda: asyncio.sleep(1.5)
    runtime = runtime_at(daemon)
    assert isinstance(await runtime.start(), Running)
    await runtime.aclose()


@pytest.mark.parametrize(("exit_code", "meant"), [(0, True), (1, False), (137, True), (143, True)])
async def test_a_program_that_has_ended_before_it_could_be_looked_at_may_have_been_stopped(
    daemon: ScriptedDocker, exit_code: int, *, meant: bool
) -> None:
    daemon.exit_code = exit_code
    runtime = runtime_at(daemon)
    with pytest.raises(EndedAtOnce, match=f"exited with code {exit_code} right after its start") as trouble:
        await runtime.start()
    assert (trouble.value.meant, trouble.value.public) == (meant, str(trouble.value))
    await runtime.aclose()


async def test_docker_answers_while_it_is_busy_with_a_start_and_not_when_it_is_frozen(daemon: ScriptedDocker) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def starting() -> None:
        begun.set()
        await over.wait()

    daemon.starting = starting
    runtime = runtime_at(daemon)
    async with asyncio.TaskGroup() as group:
        group.create_task(runtime.start())
        await begun.wait()
        await runtime.answers()
        daemon.thawed.clear()
        with pytest.raises(RuntimeUnavailable, match="did not answer in time"):
            await runtime.answers()
        daemon.thawed.set()
        over.set()
    await runtime.aclose()


async def test_a_stop_without_an_answer_may_still_be_carried_out(daemon: ScriptedDocker) -> None:
    daemon.running = True
    thawed = asyncio.Event()
    daemon.stopping = thawed.wait
    runtime = runtime_at(daemon)
    with pytest.raises(Unanswered, match="did not answer in time"):
        await runtime.stop()
    thawed.set()
    await runtime.stop()
    assert isinstance(await runtime.inspect(), NotRunning)
    await runtime.aclose()


async def test_a_stop_that_could_not_be_given_will_not(daemon: ScriptedDocker) -> None:
    """Docker is asked before whether there is anything to stop."""
    daemon.running = True
    runtime = runtime_at(daemon)
    await runtime.inspect()
    daemon.thawed.clear()
    with pytest.raises(RuntimeUnavailable) as trouble:
        await runtime.stop()
    assert not isinstance(trouble.value, Unanswered)
    daemon.thawed.set()
    await runtime.aclose()


async def test_docker_may_not_take_for_ever_for_a_start(daemon: ScriptedDocker) -> None:
    given_up = asyncio.Event()
    daemon.starting = given_up.wait
    runtime = runtime_at(daemon, start_timeout=0.5)
    with pytest.raises(RuntimeUnavailable, match="did not answer in time"):
        await runtime.start()
    given_up.set()
    await runtime.aclose()


@pytest.mark.parametrize("ends", [False, True])
async def test_what_a_docker_that_ends_refuses_is_no_fault_of_the_engine(
    daemon: ScriptedDocker,
    ends: bool,  # noqa: FBT001 - a parameter
) -> None:
    """It lets nobody in any more, and breaks off what it was at with whatever error that causes."""

    async def starting() -> str:
        if ends:
            daemon.let_nobody_in()
        return "grpc: the client connection is closing"

    daemon.starting = starting
    runtime = runtime_at(daemon)
    with pytest.raises(RuntimeUnavailable if ends else StartRefused, match="nobody listens" if ends else "closing"):
        await runtime.start()
    await runtime.aclose()


@pytest.mark.parametrize("kind", ["frames", "terminal"])
async def test_a_log_without_line_breaks_takes_little_memory(daemon: ScriptedDocker, kind: str) -> None:
    daemon.tty, daemon.running = kind == "terminal", True
    part = b"12% " * (MIB // 4)
    parts = [part] * 64 + [b"\nlast\n"]
    daemon.logs = parts if daemon.tty else [frame(part) for part in parts]
    runtime = runtime_at(daemon)
    tracemalloc.start()
    try:
        line, last = await runtime.logs(20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(line) == LONGEST_LINE
    assert last == "last"
    assert peak < 24 * MIB
    await runtime.aclose()


async def test_frames_come_in_any_portions(daemon: ScriptedDocker) -> None:
    wire = frame(b"one\ntw") + frame(b"") + frame(b"o\n", stream=2) + frame(b"three\n")
    daemon.logs = [wire[at : at + 3] for at in range(0, len(wire), 3)]
    runtime = runtime_at(daemon)
    assert await runtime.logs(20) == ["one", "two", "three"]
    assert await runtime.logs(2) == ["two", "three"]
    await runtime.aclose()
