"""An engine's life under supervision: wake, idle, and whatever somebody else does to it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import EngineStartFailed, EngineStartTimeout
from gateway.lifecycle.events import SeenRunning, SleepAsked, WakeAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, READY, STOPPING, WAKING
from gateway.supervision.admission import Lease
from tests.unit.supervision.stage import Stage, Visitor, calm, staged, supervised, until

pytestmark = pytest.mark.anyio


# Idling


async def test_an_idle_engine_is_stopped_exactly_when_its_time_is_over() -> None:
    async with staged() as stage:
        await stage.is_ready()
        stage.clock.advance(899.999)
        assert stage.phase is READY
        stage.clock.advance(0.001)
        assert stage.phase is STOPPING
        await stage.reaches(ASLEEP)
        assert stage.runtime.stops == 1
        assert not stage.runtime.running


async def test_the_idle_time_is_counted_from_the_last_lease() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        first, second = Visitor(stage, group), Visitor(stage, group)
        await calm()
        stage.clock.advance(10_000)
        await first.leaves()
        stage.clock.advance(10_000)
        assert (stage.phase, stage.engine.idle_in) == (READY, None)
        await second.leaves()
        stage.clock.advance(899.9)
        await stage.is_ready()
        stage.clock.advance(899.9)
        assert stage.phase is READY
        assert stage.engine.idle_in == pytest.approx(0.1)
        stage.clock.advance(0.1)
        await stage.reaches(ASLEEP)


async def test_an_engine_that_never_idles_away_stays() -> None:
    async with staged(idle_after=None) as stage:
        await stage.is_ready()
        stage.clock.advance(10**8)
        await calm()
        assert (stage.phase, stage.engine.idle_in) == (READY, None)


async def test_a_request_during_the_stop_is_served_by_the_next_start() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        stage.runtime.stop_gate.clear()
        stage.clock.advance(900)
        await calm()
        visitor = Visitor(stage, group)
        await calm()
        assert (stage.phase, stage.engine.waiting, stage.runtime.starts) == (STOPPING, 1, 0)
        stage.runtime.stop_gate.set()
        assert isinstance(await visitor.decided(), Lease)
        assert (stage.runtime.stops, stage.runtime.starts) == (1, 1)
        await visitor.leaves()


# Starts in vain


async def test_a_start_that_hangs_is_given_up_at_the_timeout_and_what_remains_is_stopped() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.start_gate.clear()
        visitors = [Visitor(stage, group) for _ in range(3)]
        await calm()
        stage.clock.advance(59.999)
        await calm()
        assert stage.engine.waiting == 3
        stage.clock.advance(0.001)
        errors = [await visitor.decided() for visitor in visitors]
        assert [type(error) for error in errors] == [EngineStartTimeout] * 3
        await until(lambda: stage.clock.pending == [1.0])
        assert stage.runtime.calls[-2:] == ["logs", "stop"]
        stage.runtime.start_gate.set()
        await calm()
        assert (stage.phase, stage.runtime.starts) == (FAILED, 0), "the start that was given up has begun nothing"


async def test_an_engine_that_never_answers_is_stopped_at_the_timeout() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await until(lambda: stage.probe.asking == 1)
        stage.clock.advance(60)
        assert type(await visitor.decided()) is EngineStartTimeout
        await until(lambda: not stage.runtime.running)
        assert stage.probe.asking == 0


async def test_an_engine_that_exits_while_starting_fails_its_waiters_at_once() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitors = [Visitor(stage, group) for _ in range(3)]
        await until(lambda: stage.probe.asking == 1)
        stage.runtime.crash(exit_code=7)
        for visitor in visitors:
            error = await visitor.decided()
            assert type(error) is EngineStartFailed
            assert "exited with code 7" in str(error)
        assert (stage.phase, stage.engine.failure) == (FAILED, "exited with code 7")


async def test_after_the_cool_down_the_next_request_starts_the_engine() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await until(lambda: stage.probe.asking == 1)
        stage.runtime.crash()
        await visitor.decided()
        stage.probe.answering.set()
        await until(lambda: stage.clock.pending == [1.0])
        stage.clock.advance(1)
        await stage.is_ready()
        assert (stage.engine.failure, stage.runtime.starts) == (None, 2)


# Adoption


async def test_an_engine_that_runs_already_is_adopted_and_its_idle_clock_is_started() -> None:
    stage = Stage()
    stage.runtime.start_by_hand()
    async with supervised(stage):
        await stage.reaches(READY)
        assert stage.engine.idle_in == 900
        stage.clock.advance(900)
        await stage.reaches(ASLEEP)
    assert (stage.runtime.starts, stage.runtime.stops) == (0, 1)


async def test_an_engine_that_runs_already_is_never_started_twice() -> None:
    stage = Stage()
    stage.runtime.start_by_hand()
    async with asyncio.TaskGroup() as group, supervised(stage):
        visitors = [Visitor(stage, group) for _ in range(5)]  # before anybody has looked
        for visitor in visitors:
            assert isinstance(await visitor.decided(), Lease)
            await visitor.leaves()
    assert stage.runtime.starts == 0


async def test_a_new_supervisor_takes_over_where_the_last_one_left() -> None:
    first = Stage()
    async with supervised(first):
        await first.is_ready()
    assert first.runtime.running
    second = Stage(clock=first.clock, runtime=first.runtime)
    async with supervised(second):
        await second.reaches(READY)
        second.clock.advance(900)
        await second.reaches(ASLEEP)
    assert (first.runtime.starts, first.runtime.stops) == (1, 1)


async def test_an_engine_started_by_hand_is_adopted() -> None:
    async with staged() as stage:
        stage.runtime.start_by_hand()
        await stage.reaches(READY)
        assert (stage.runtime.starts, stage.engine.idle_in) == (0, 900)


# Stopped, killed and restarted by others


@pytest.mark.parametrize("end", ["stop_by_hand", "crash"])
async def test_an_engine_that_ends_while_it_is_ready_is_asleep_and_wakes_for_the_next_request(end: str) -> None:
    async with staged(running=True) as stage:
        getattr(stage.runtime, end)()
        await stage.reaches(ASLEEP)
        await stage.is_ready()
        assert stage.runtime.starts == 1


async def test_an_engine_that_was_restarted_by_hand_is_probed_before_it_serves_again() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        stage.runtime.start_by_hand()
        await stage.reaches(WAKING)
        visitor = Visitor(stage, group)
        await calm()
        assert visitor.lease is None
        stage.probe.answering.set()
        assert isinstance(await visitor.decided(), Lease)
        await visitor.leaves()
        assert stage.runtime.starts == 0


async def test_lost_contact_probes_again_and_holds_new_requests() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        first = Visitor(stage, group)
        lease = await first.decided()
        assert isinstance(lease, Lease)
        stage.probe.answering.clear()
        lease.lost_contact()
        assert stage.phase is WAKING
        second = Visitor(stage, group)
        await calm()
        assert (second.lease, stage.engine.waiting, stage.engine.serving) == (None, 1, 1)
        stage.probe.answering.set()
        assert isinstance(await second.decided(), Lease)
        await first.leaves()
        await second.leaves()
        assert (stage.runtime.starts, stage.runtime.stops) == (0, 0)


async def test_lost_contact_finds_out_what_no_event_has_told() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        first = Visitor(stage, group)
        lease = await first.decided()
        assert isinstance(lease, Lease)
        stage.probe.answering.clear()
        stage.runtime.dies_unheard()
        lease.lost_contact()
        second = Visitor(stage, group)
        await until(lambda: stage.runtime.starts == 1)
        stage.probe.answering.set()
        assert isinstance(await second.decided(), Lease)
        await first.leaves()
        await second.leaves()


async def test_lost_contact_with_an_earlier_run_is_old_news() -> None:
    async with staged(running=True) as stage, stage.engine.admitted() as lease:
        stage.runtime.start_by_hand()
        await stage.reaches(WAKING)
        await stage.reaches(READY)
        lease.lost_contact()
        assert stage.phase is READY


# Operators


async def test_an_operators_wake_and_sleep() -> None:
    async with staged() as stage:
        stage.engine.tell(WakeAsked())
        await stage.reaches(READY)
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        assert (stage.runtime.starts, stage.runtime.stops) == (1, 1)


async def test_a_sleep_gives_up_a_start_that_is_under_way() -> None:
    async with staged() as stage:
        stage.runtime.start_gate.clear()
        stage.engine.tell(WakeAsked())
        await calm()
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        assert stage.runtime.calls[-2:] == ["start", "stop"]


async def test_a_start_that_was_called_off_before_it_began_is_not_performed() -> None:
    async with staged() as stage:
        stage.engine.tell(WakeAsked())
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        assert "start" not in stage.runtime.calls


# Nothing goes on that nobody needs


async def test_a_sleeping_engine_is_not_asked_whether_it_answers() -> None:
    async with staged() as stage:
        stage.probe.answering.clear()
        stage.runtime.start_by_hand()
        await until(lambda: stage.probe.asking == 1)
        stage.runtime.stop_by_hand()
        await stage.reaches(ASLEEP)
        await calm()
        assert stage.probe.asking == 0


async def test_an_engine_is_not_asked_before_its_start_has_returned() -> None:
    """A question to an address that is not there yet can hang for hundreds of milliseconds."""
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        stage.runtime.start_by_hand()
        await until(lambda: stage.probe.asking == 1)
        visitor = Visitor(stage, group)
        stage.runtime.start_gate.clear()
        stage.runtime.stop_by_hand()
        await until(lambda: stage.runtime.calls[-1] == "start")
        assert stage.probe.asking == 0
        stage.probe.answering.set()
        stage.runtime.start_gate.set()
        assert isinstance(await visitor.decided(), Lease)
        await visitor.leaves()


async def test_a_restart_while_waking_is_probed_in_place_of_the_run_before() -> None:
    async with staged() as stage:
        stage.probe.answering.clear()
        stage.runtime.start_by_hand()
        await until(lambda: stage.probe.asking == 1)
        stage.runtime.start_by_hand()
        await until(lambda: len(stage.probe.asked) == 2)
        await calm()
        assert stage.probe.asking == 1


async def test_a_probe_that_was_called_off_before_it_began_is_not_performed() -> None:
    async with staged(running=True) as stage:
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        stage.engine.tell(SeenRunning("run-9"))
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        await calm()
        assert len(stage.probe.asked) == 1
