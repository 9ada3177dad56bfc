"""All engines together: none disturbs another, and the gateway's end leaves them as they are."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.errors import EngineStartFailed, StartRefused, UnknownEngine
from gateway.lifecycle.phases import ASLEEP, FAILED, STOPPING
from gateway.supervision.fleet import Fleet
from tests.fixtures.patience import PATIENCE
from tests.unit.supervision.stage import Stage, Visitor, calm, until

pytestmark = pytest.mark.anyio


def fleet_of(*stages: Stage) -> Fleet:
    return Fleet({stage.engine.name: stage.engine for stage in stages})


async def test_an_engine_is_found_by_its_name() -> None:
    stage = Stage("whisper")
    fleet = fleet_of(stage)
    assert fleet.get("whisper") is stage.engine
    assert fleet.all == [stage.engine]
    with pytest.raises(UnknownEngine, match="no engine called 'whisperx'"):
        fleet.get("whisperx")


async def test_a_fleet_has_looked_when_each_engine_has_been_looked_at() -> None:
    first, second = Stage("first"), Stage("second")
    fleet = fleet_of(first, second)
    gate = second.runtime.hold("inspect")
    assert not fleet.looked
    async with fleet.running():
        await first.engine.looked.wait()
        assert not fleet.looked
        gate.set()
        await second.engine.looked.wait()
        assert fleet.looked


async def test_the_end_of_supervision_leaves_the_engines_as_they_are_and_closes_the_runtimes() -> None:
    awake, asleep = Stage("awake"), Stage("asleep")
    async with fleet_of(awake, asleep).running():
        await awake.is_ready()
    assert (awake.runtime.running, awake.runtime.stops) == (True, 0)
    assert (asleep.runtime.running, asleep.runtime.starts) == (False, 0)
    assert [stage.runtime.calls[-1] for stage in (awake, asleep)] == ["aclose", "aclose"]


async def test_a_start_that_is_under_way_when_supervision_ends_is_given_up() -> None:
    stage = Stage()
    stage.runtime.start_gate.clear()
    async with fleet_of(stage).running(), asyncio.TaskGroup() as group:
        visitor = Visitor(stage, group)
        await until(lambda: "start" in stage.runtime.calls)
        visitor.task.cancel()
    stage.runtime.start_gate.set()
    await calm()
    assert not stage.runtime.running


async def test_an_engine_that_cannot_start_or_hangs_delays_no_other() -> None:
    broken, hanging, healthy = Stage("broken"), Stage("hanging"), Stage("healthy")
    broken.runtime.fail_next_start(StartRefused("has no disk space left"))
    hanging.runtime.start_gate.clear()
    async with fleet_of(broken, hanging, healthy).running(), asyncio.TaskGroup() as group:
        visitor = Visitor(hanging, group)
        with pytest.raises(EngineStartFailed):
            await broken.is_ready()
        await healthy.is_ready()
        assert visitor.lease is None
        visitor.task.cancel()


async def test_all_engines_are_put_to_sleep_even_those_that_serve() -> None:
    busy, idle, waking, asleep = (Stage(name) for name in ("busy", "idle", "waking", "asleep"))
    fleet = fleet_of(busy, idle, waking, asleep)
    async with fleet.running(), asyncio.TaskGroup() as group:
        visitor = Visitor(busy, group)
        await visitor.decided()
        await idle.is_ready()
        waking.probe.answering.clear()
        waiter = Visitor(waking, group)
        await until(lambda: waking.probe.asking == 1)
        await fleet.put_to_sleep(within=60)
        assert [stage.phase for stage in (busy, idle, waking, asleep)] == [ASLEEP] * 4
        assert not any(stage.runtime.running for stage in (busy, idle, waking, asleep))
        await waiter.decided()
        await visitor.leaves()


async def test_putting_to_sleep_waits_until_what_remains_of_a_failed_start_is_stopped() -> None:
    stage = Stage()
    fleet = fleet_of(stage)
    async with fleet.running(), asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        stage.runtime.stop_gate.clear()
        visitor = Visitor(stage, group)
        await until(lambda: stage.probe.asking == 1)
        stage.clock.advance(60)
        await visitor.decided()
        sleeping = group.create_task(fleet.put_to_sleep(within=60))
        await calm()
        assert (stage.phase, stage.runtime.running, sleeping.done()) == (FAILED, True, False)
        stage.runtime.stop_gate.set()
        async with asyncio.timeout(PATIENCE):
            await sleeping
        assert not stage.runtime.running


async def test_engines_that_do_not_stop_in_time_are_named_in_the_log() -> None:
    stubborn, broken, obedient = Stage("stubborn"), Stage("broken"), Stage("obedient")
    stubborn.runtime.stop_gate.clear()
    broken.runtime.stop_gate.clear()
    broken.runtime.fail_next_start(StartRefused("has no disk space left"))
    fleet = fleet_of(stubborn, broken, obedient)
    with capture_logs() as lines:
        async with fleet.running():
            await stubborn.is_ready()
            await obedient.is_ready()
            with pytest.raises(EngineStartFailed):
                await broken.is_ready()
            await fleet.put_to_sleep(within=1)
            assert (stubborn.phase, broken.phase, obedient.phase) == (STOPPING, FAILED, ASLEEP)
    (line,) = [line for line in lines if line["event"] == "gateway.engines_left_running"]
    assert line["engines"] == ["stubborn", "broken"]


async def test_an_engine_that_has_failed_does_not_hold_up_the_end() -> None:
    stage = Stage()
    stage.runtime.fail_next_start(StartRefused("has no disk space left"))
    fleet = fleet_of(stage)
    async with fleet.running():
        with pytest.raises(EngineStartFailed):
            await stage.is_ready()
        await fleet.put_to_sleep(within=60)
        assert stage.phase is FAILED
