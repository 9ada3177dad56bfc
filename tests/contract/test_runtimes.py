"""What every runtime promises (gateway/runtimes/base.py), kept by each of them in the same words."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import httpx
import pytest

from gateway.errors import RuntimeTrouble
from gateway.runtimes.base import Address, NotRunning, Running
from tests.contract.rigs import DockerRig, MemoryRig, Rig, Watch, accepts, is_not_running, until
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio


async def ask(address: Address, path: str) -> Any:
    """The stand-in's answer, once it listens."""
    await until(lambda: accepts(address))
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        return (await client.get(f"http://{address}{path}")).json()


async def who_answers(address: Address) -> str:
    """Docker gives the address of a container that has stopped to the next one, which may be another test's."""
    if not await accepts(address):
        return "nobody"
    try:
        async with httpx.AsyncClient(timeout=1) as client:
            return str((await client.get(f"http://{address}/instance")).json()["id"])
    except httpx.HTTPError:
        return "somebody"


# start and stop


async def test_start_gives_an_address_where_the_engine_answers_once_it_listens(rig: Rig) -> None:
    runtime = await rig.engine()
    running = await runtime.start()
    await until(lambda: accepts(running.address))


async def test_what_answers_is_the_program_that_was_started(real_rig: Rig) -> None:
    runtime = await real_rig.engine()
    before = time.time()
    running = await runtime.start()
    assert (await ask(running.address, "/instance"))["started"] >= before


async def test_starting_what_runs_changes_nothing(rig: Rig) -> None:
    runtime = await rig.engine()
    first = await runtime.start()
    second = await runtime.start()
    assert (second.instance, second.address) == (first.instance, first.address)
    assert 0 <= first.age <= second.age < 60


async def test_stop_ends_the_program(rig: Rig) -> None:
    runtime = await rig.engine()
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    engine = await who_answers(running.address)
    await runtime.stop()
    assert await who_answers(running.address) != engine
    assert await runtime.inspect() == NotRunning("exited with code 0", exit_code=0)


async def test_stopping_what_does_not_run_changes_nothing(rig: Rig) -> None:
    runtime = await rig.engine()
    await runtime.stop()
    assert await runtime.inspect() == NotRunning("was never started")
    await runtime.start()
    await runtime.stop()
    await runtime.stop()
    assert is_not_running(await runtime.inspect())


async def test_every_run_is_another_instance(rig: Rig) -> None:
    runtime = await rig.engine()
    instances = set()
    for _ in range(3):
        instances.add((await runtime.start()).instance)
        await runtime.stop()
    assert len(instances) == 3


async def test_a_program_that_ignores_sigterm_is_killed_after_the_stop_timeout(real_rig: Rig) -> None:
    await real_rig.prepare(IGNORE_SIGTERM=1)
    runtime = real_rig.runtime(stop_timeout=1)
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    engine = await who_answers(running.address)
    begun = time.monotonic()
    await runtime.stop()
    assert 0.9 < time.monotonic() - begun < PATIENCE
    seen = await runtime.inspect()
    assert isinstance(seen, NotRunning)
    assert seen.exit_code == 137
    assert await who_answers(running.address) != engine


@pytest.mark.parametrize("after_ms", [0, 5, 50, 150, 300])
async def test_a_start_given_up_halfway_and_then_stopped_leaves_nothing_running(real_rig: Rig, after_ms: int) -> None:
    runtime = await real_rig.engine()
    async with asyncio.TaskGroup() as tasks:
        start = tasks.create_task(runtime.start())
        await asyncio.sleep(after_ms / 1000)
        start.cancel()
    await runtime.stop()
    assert is_not_running(await runtime.inspect())
    await asyncio.sleep(0.4)  # a start that was still on its way would have come through by now
    assert is_not_running(await runtime.inspect())


async def test_a_stop_given_up_halfway_can_be_done_again(real_rig: Rig) -> None:
    await real_rig.prepare(IGNORE_SIGTERM=1)
    runtime = real_rig.runtime(stop_timeout=1)
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    async with asyncio.TaskGroup() as tasks:
        stop = tasks.create_task(runtime.stop())
        await asyncio.sleep(0.1)
        stop.cancel()
    await runtime.stop()
    assert is_not_running(await runtime.inspect())


# inspect


async def test_inspect_tells_what_is_true_now(rig: Rig) -> None:
    runtime = await rig.engine()
    assert await runtime.inspect() == NotRunning("was never started")
    running = await runtime.start()
    seen = await runtime.inspect()
    assert isinstance(seen, Running)
    assert (seen.instance, seen.address) == (running.instance, running.address)
    await rig.kill()
    ended = await Watch(runtime).until(is_not_running)
    assert isinstance(ended, NotRunning)
    assert ended.exit_code == 137
    again = await runtime.start()
    assert again.instance != running.instance
    assert isinstance(await runtime.inspect(), Running)


async def test_a_program_that_exits_while_starting_is_seen_with_its_exit_code(rig: Rig) -> None:
    runtime = await rig.engine(START_DELAY_MS=60_000, EXIT_AFTER_MS=1, EXIT_CODE=7)
    watch = Watch(runtime)
    with contextlib.suppress(RuntimeTrouble):  # it was faster than we
        await runtime.start()
    seen = await watch.until(is_not_running)
    assert seen == NotRunning("exited with code 7", exit_code=7)


# watch


async def test_watch_yields_at_the_beginning(rig: Rig) -> None:
    runtime = await rig.engine()
    await Watch(runtime).hint()


async def test_several_may_watch(rig: Rig) -> None:
    runtime = await rig.engine()
    one, two = Watch(runtime), Watch(runtime)
    await one.hint()
    await two.hint()
    await runtime.start()
    await one.until(lambda seen: isinstance(seen, Running))
    await two.until(lambda seen: isinstance(seen, Running))


async def test_a_crash_is_noticed_promptly(rig: Rig) -> None:
    runtime = await rig.engine()
    watch = Watch(runtime)
    await runtime.start()
    await watch.until(lambda seen: isinstance(seen, Running))
    await rig.kill()
    await watch.until(is_not_running)


async def test_start_and_stop_by_hand_are_noticed(rig_by_hand: MemoryRig | DockerRig) -> None:
    runtime = await rig_by_hand.engine()
    watch = Watch(runtime)
    assert is_not_running(await watch.until(is_not_running))
    await rig_by_hand.start_by_hand()
    first = await watch.until(lambda seen: isinstance(seen, Running))
    await rig_by_hand.stop_by_hand()
    await watch.until(is_not_running)
    await rig_by_hand.start_by_hand()
    second = await watch.until(lambda seen: isinstance(seen, Running))
    assert isinstance(first, Running)
    assert isinstance(second, Running)
    assert first.instance != second.instance


# a gateway that was restarted


async def test_a_new_runtime_adopts_what_an_earlier_one_started(real_rig: Rig) -> None:
    earlier = await real_rig.engine()
    running = await earlier.start()
    await earlier.aclose()
    later = real_rig.runtime()
    seen = await later.inspect()
    assert isinstance(seen, Running)
    assert (seen.instance, seen.address) == (running.instance, running.address)
    assert (await later.start()).instance == running.instance
    await until(lambda: accepts(running.address))
    engine = await who_answers(running.address)
    await later.stop()
    assert is_not_running(await later.inspect())
    assert await who_answers(running.address) != engine


async def test_the_end_of_an_adopted_program_is_noticed(real_rig: Rig) -> None:
    earlier = await real_rig.engine()
    await earlier.start()
    await earlier.aclose()
    watch = Watch(real_rig.runtime())
    await watch.until(lambda seen: isinstance(seen, Running))
    await real_rig.kill()
    await watch.until(is_not_running)


async def test_closing_a_runtime_leaves_its_engine_running(real_rig: Rig) -> None:
    runtime = await real_rig.engine()
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    await runtime.aclose()
    await runtime.aclose()
    assert await accepts(running.address)


# logs


async def test_logs_are_the_last_lines_oldest_first(real_rig: Rig) -> None:
    runtime = await real_rig.engine(LOG_LINES=50)
    assert await runtime.logs(10) == []
    running = await runtime.start()
    await until(lambda: accepts(running.address))

    async def is_complete() -> bool:
        return any(line.startswith("READY") for line in await runtime.logs(1))

    await until(is_complete)
    *lines, broken, listening, ready = await runtime.logs(6)
    assert lines == ["log line 48", "log line 49", "log line 50"]
    assert broken == "not UTF-8: \ufffd\ufffd"
    assert (listening.split()[0], ready.split()[0]) == ("LISTENING", "READY")
    assert len(await runtime.logs(1000)) == 53
    assert await runtime.logs(0) == []
    await runtime.stop()
    assert (await runtime.logs(2)) == [listening, ready]


# usage


async def test_what_a_running_engine_takes_is_measured(real_rig: Rig) -> None:
    runtime = await real_rig.engine()
    assert await runtime.usage() is None
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    usage = await runtime.usage()
    assert usage is not None
    assert 4 * 2**20 < usage.memory < 200 * 2**20
    await runtime.stop()
    assert await runtime.usage() is None


async def test_repr_fits_in_a_line(rig: Rig) -> None:
    runtime = await rig.engine()
    await runtime.start()
    assert "\n" not in repr(runtime)
    assert repr(runtime).startswith(f"<{type(runtime).__name__} ")
