"""The memory runtime does what a test tells it to."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RuntimeUnavailable, StartRefused
from gateway.runtimes.base import Address, NotRunning, Usage
from gateway.runtimes.memory import MemoryRuntime

pytestmark = pytest.mark.anyio


@pytest.fixture
def runtime() -> MemoryRuntime:
    return MemoryRuntime(Address("127.0.0.1", 8000))


async def test_a_start_waits_at_its_gate(runtime: MemoryRuntime) -> None:
    runtime.start_gate.clear()
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(runtime.start())
        await asyncio.sleep(0)
        assert runtime.starts == 0
        runtime.start_gate.set()
    assert (runtime.running, runtime.starts) == (True, 1)
    assert starting.result().instance == "run-1"


async def test_what_the_program_takes_is_what_the_test_says(runtime: MemoryRuntime) -> None:
    runtime.memory = 5
    assert await runtime.usage() is None
    await runtime.start()
    assert await runtime.usage() == Usage(5)
    runtime.available = False
    with pytest.raises(RuntimeUnavailable):
        await runtime.usage()


async def test_a_start_that_is_given_up_at_its_gate_has_begun_nothing(runtime: MemoryRuntime) -> None:
    runtime.start_gate.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await runtime.start()
    runtime.start_gate.set()
    assert (runtime.running, runtime.starts, runtime.calls) == (False, 0, ["start"])


async def test_a_stop_waits_at_its_gate(runtime: MemoryRuntime) -> None:
    await runtime.start()
    runtime.stop_gate.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runtime.stop())
        await asyncio.sleep(0)
        assert runtime.running
        runtime.stop_gate.set()
    assert (runtime.running, runtime.stops) == (False, 1)


async def test_starts_fail_as_often_as_told(runtime: MemoryRuntime) -> None:
    runtime.fail_next_start(StartRefused("has no room"))
    with pytest.raises(StartRefused, match="has no room"):
        await runtime.start()
    await runtime.start()
    assert runtime.starts == 1


async def test_unavailable_is_unavailable_for_every_call(runtime: MemoryRuntime) -> None:
    runtime.available = False
    for call in (runtime.start, runtime.stop, runtime.inspect, lambda: runtime.logs(1)):
        with pytest.raises(RuntimeUnavailable):
            await call()
    assert runtime.calls == ["start", "stop", "inspect", "logs"]


async def test_a_crash_is_seen_with_its_code(runtime: MemoryRuntime) -> None:
    await runtime.start()
    runtime.crash(137, oom=True)
    assert await runtime.inspect() == NotRunning("exited with code 137", 137, oom=True)
    runtime.crash(1)  # it does not run: nothing to crash
    assert await runtime.inspect() == NotRunning("exited with code 137", 137, oom=True)


async def test_what_it_wrote(runtime: MemoryRuntime) -> None:
    await runtime.start()
    runtime.start_by_hand()
    await runtime.stop()
    assert await runtime.logs(9) == [
        "run 1 begins",
        "run 1 was restarted by hand",
        "run 2 begins",
        "run 2 exited with code 0",
    ]
    assert await runtime.logs(1) == ["run 2 exited with code 0"]
    assert await runtime.logs(0) == []


async def test_repr_tells_the_state(runtime: MemoryRuntime) -> None:
    assert repr(runtime) == "<MemoryRuntime 127.0.0.1:8000 was never started; starts=0 stops=0>"
    await runtime.start()
    assert repr(runtime) == "<MemoryRuntime 127.0.0.1:8000 run 1; starts=1 stops=0>"
