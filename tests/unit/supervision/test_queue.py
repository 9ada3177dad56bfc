"""Waiting for one's turn: who is let in, for how long one waits, and what those are told who wait in vain."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import EngineBroke, NotAwake, QueueFull, QueueTimeout
from gateway.lifecycle.events import RoomWanted, SleepAsked, WakeAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, READY
from gateway.supervision.admission import Lease, Visit
from gateway.supervision.learned import UNKNOWN
from tests.unit.supervision.stage import Stage, Visitor, calm, staged, until

pytestmark = pytest.mark.anyio


async def arrive(stage: Stage, group: asyncio.TaskGroup, *parties: str) -> list[Visitor]:
    visitors = [Visitor(stage, group, Visit(party)) for party in parties]
    await calm()
    return visitors


async def test_no_more_are_served_at_once_than_there_are_places() -> None:
    async with staged(concurrency=2) as stage, asyncio.TaskGroup() as group:
        visitors = await arrive(stage, group, *"aaaaa")
        assert (stage.engine.serving, stage.engine.waiting) == (2, 3)
        for visitor in visitors:
            assert isinstance(await visitor.decided(), Lease)
            assert stage.engine.serving <= 2
            await visitor.leaves()
        assert (stage.engine.serving, stage.engine.waiting, stage.runtime.starts) == (0, 0, 1)


async def test_parties_take_turns() -> None:
    order: list[str] = []

    async def visit(party: str) -> None:
        async with stage.engine.admitted(Visit(party)):
            order.append(party)

    async with staged(concurrency=1) as stage, asyncio.TaskGroup() as group:
        for party in "aaaabbc":
            group.create_task(visit(party))
    assert "".join(order) == "abcabaa"


async def test_a_place_is_not_given_at_once_while_others_wait_for_it() -> None:
    async with staged(running=True, concurrency=1) as stage, asyncio.TaskGroup() as group:
        first, second = await arrive(stage, group, "a", "b")
        assert stage.engine.admit_at_once() is None
        await first.leaves()
        await second.decided()
        assert stage.engine.admit_at_once() is None
        await second.leaves()
        lease = stage.engine.admit_at_once()
        assert lease is not None
        lease.leave()


async def test_a_client_that_leaves_the_line_costs_nobody_his_turn() -> None:
    async with staged(running=True, concurrency=1) as stage, asyncio.TaskGroup() as group:
        first, second, third = await arrive(stage, group, *"abc")
        second.task.cancel()
        await calm()
        assert stage.engine.waiting == 1
        await first.leaves()
        assert isinstance(await third.decided(), Lease)
        await third.leaves()


async def test_a_client_that_leaves_as_it_is_let_in_gives_its_place_on() -> None:
    async with staged(running=True, concurrency=1) as stage, asyncio.TaskGroup() as group:
        first, second, third = await arrive(stage, group, *"abc")
        lease = await first.decided()
        assert isinstance(lease, Lease)
        lease.leave()  # lets the second in, whose task does not know yet
        second.task.cancel()
        assert isinstance(await third.decided(), Lease)
        await third.leaves()
        await first.leaves()
        assert (stage.engine.serving, stage.engine.waiting, stage.engine._served_since) == (0, 0, {})


# Too many


async def test_who_is_too_many_is_refused_at_once_and_not_asked_to_send_anything() -> None:
    held: list[int] = []
    async with staged(concurrency=1, running=True, queue={"limit": 1}) as stage, asyncio.TaskGroup() as group:
        visitors = await arrive(stage, group, "a", "a")
        with pytest.raises(QueueFull) as refusal:
            async with stage.engine.admitted(Visit("a"), lambda: held.append(1)):
                pass
        assert (refusal.value.retry_after, held) == (5, [])
        for visitor in visitors:
            await visitor.leaves()


async def test_one_party_cannot_keep_the_others_out() -> None:
    async with staged(concurrency=1, running=True, queue={"limit": 10}) as stage, asyncio.TaskGroup() as group:
        flood = await arrive(stage, group, *["flood"] * 30)
        (other,) = await arrive(stage, group, "other")
        refused = [visitor for visitor in flood if isinstance(visitor.error, QueueFull)]
        assert (len(refused), stage.engine.waiting) == (20, 10)
        await flood[0].leaves()
        await flood[1].decided()
        await flood[1].leaves()
        assert isinstance(await other.decided(), Lease)
        await other.leaves()
        for visitor in flood:
            await visitor.leaves()


async def test_declared_sizes_are_counted() -> None:
    async with staged(queue={"bytes": "10k"}) as stage, asyncio.TaskGroup() as group:
        stage.runtime.start_gate.clear()
        visitors = [Visitor(stage, group, Visit("a", 8 * 1024)) for _ in range(2)]
        await calm()
        assert stage.engine.waiting_bytes == 8 * 1024
        assert type(await visitors[1].decided()) is QueueFull
        stage.runtime.start_gate.set()
        await visitors[0].leaves()


# Too long


async def test_who_waits_longer_than_allowed_is_refused_and_its_place_is_free() -> None:
    async with staged(concurrency=1, running=True, queue={"max_wait": "30s"}) as stage, asyncio.TaskGroup() as group:
        first, second = await arrive(stage, group, "a", "b")
        stage.clock.advance(29.9)
        (third,) = await arrive(stage, group, "c")
        stage.clock.advance(0.1)
        error = await second.decided()
        assert type(error) is QueueTimeout
        assert error.message == "whisper had no time for this request within 30 s"
        assert stage.engine.waiting == 1
        await first.leaves()
        assert isinstance(await third.decided(), Lease)
        await third.leaves()


async def test_all_of_the_wait_counts_be_it_for_the_engine_or_for_a_place() -> None:
    async with staged(concurrency=1, queue={"max_wait": "30s"}) as stage, asyncio.TaskGroup() as group:
        stage.runtime.start_gate.clear()
        first, second = await arrive(stage, group, "a", "b")
        stage.clock.advance(20)
        stage.runtime.start_gate.set()
        await first.decided()
        stage.clock.advance(10)
        assert type(await second.decided()) is QueueTimeout
        await first.leaves()
        assert stage.clock.pending == [900], "nothing is left of the deadlines"


async def test_who_is_let_in_at_the_last_moment_may_stay() -> None:
    async with staged(concurrency=1, running=True, queue={"max_wait": "30s"}) as stage, asyncio.TaskGroup() as group:
        first, second = await arrive(stage, group, "a", "b")
        await first.leaves()
        assert isinstance(await second.decided(), Lease)
        stage.clock.advance(1000)
        assert stage.engine.serving == 1
        await second.leaves()


async def test_a_deadline_and_an_admission_in_the_same_moment_lose_nobody_a_place() -> None:
    async with staged(concurrency=1, running=True, queue={"max_wait": "30s"}) as stage, asyncio.TaskGroup() as group:
        first, second, third = await arrive(stage, group, *"abc")
        lease = await first.decided()
        assert isinstance(lease, Lease)
        stage.clock.advance(29)
        third.task.cancel()
        (third,) = await arrive(stage, group, "c")
        stage.clock.advance(1)  # the second is late, and does not know yet
        lease.leave()  # and is let in
        assert type(await second.decided()) is QueueTimeout
        assert isinstance(await third.decided(), Lease)
        await third.leaves()
        await first.leaves()


# Come again


async def test_who_is_refused_is_told_when_the_line_will_have_gone() -> None:
    async with staged(concurrency=2, running=True, queue={"limit": 4}) as stage, asyncio.TaskGroup() as group:
        for _ in range(3):
            (visitor,) = await arrive(stage, group, "a")
            stage.clock.advance(12)
            await visitor.leaves()
        visitors = await arrive(stage, group, *"aaaaaa")
        (late,) = await arrive(stage, group, "a")
        error = await late.decided()
        assert isinstance(error, QueueFull)
        assert error.retry_after == 2 * 12
        for visitor in visitors:
            await visitor.leaves()


async def test_quiet_visits_say_nothing_about_how_long_a_service_takes() -> None:
    async with staged(concurrency=2, running=True) as stage, asyncio.TaskGroup() as group:
        (visitor,) = await arrive(stage, group, "a")
        async with stage.engine.admitted(Visit(quiet=True)):
            pass
        stage.clock.advance(12)
        await visitor.leaves()
        assert stage.engine.learned.services.mean == 12


async def test_what_was_not_served_to_the_end_says_nothing_either() -> None:
    async with staged(concurrency=2, running=True) as stage:
        with pytest.raises(EngineBroke):
            async with stage.engine.admitted():
                raise EngineBroke("The engine closed the connection before it answered.")
        assert stage.engine.learned.services.mean is None


async def test_who_is_refused_while_the_engine_makes_room_comes_again_when_it_can_be_back() -> None:
    async with staged(queue={"limit": 1}, running=True) as stage, asyncio.TaskGroup() as group:
        (served,) = await arrive(stage, group, "a")
        stage.engine.tell(RoomWanted(wanted=True))
        (held,) = await arrive(stage, group, "a")
        (late,) = await arrive(stage, group, "a")
        error = await late.decided()
        assert isinstance(error, QueueFull)
        assert error.retry_after == UNKNOWN
        await served.leaves()
        await held.leaves()


async def test_who_is_held_in_a_rest_for_too_long_comes_again_after_it() -> None:
    async with staged(queue={"max_wait": 1}) as stage, asyncio.TaskGroup() as group:
        for _ in range(5):
            stage.engine.tell(WakeAsked())
            await stage.reaches(READY)
            stage.runtime.crash(1)
            await stage.reaches(ASLEEP, FAILED)
        held = Visitor(stage, group, Visit(again=True))
        await calm()
        stage.clock.advance(1)
        error = await held.decided()
        assert isinstance(error, QueueTimeout)
        assert error.retry_after == 15


async def test_a_wake_under_way_counts_with_what_is_left_of_it() -> None:
    async with staged(queue={"limit": 1}) as stage, asyncio.TaskGroup() as group:
        await wake(stage, 40)
        assert stage.engine.slow_wake == 40
        stage.runtime.start_gate.clear()
        (first,) = await arrive(stage, group, "a")
        stage.clock.advance(30)
        (late,) = await arrive(stage, group, "a")
        error = await late.decided()
        assert isinstance(error, QueueFull)
        assert error.retry_after == 10
        stage.runtime.start_gate.set()
        await first.leaves()


async def wake(stage: Stage, seconds: float) -> None:
    """One wake that takes so long, and back to sleep."""
    stage.runtime.start_gate.clear()
    stage.engine.tell(WakeAsked())
    await calm()
    stage.clock.advance(seconds)
    stage.runtime.start_gate.set()
    await stage.reaches(READY)
    stage.engine.tell(SleepAsked())
    await stage.reaches(ASLEEP)


# To be seen


async def test_the_queue_can_be_seen() -> None:
    async with staged(running=True, concurrency=1) as stage, asyncio.TaskGroup() as group:
        first = Visitor(stage, group, Visit("key:a"))
        second = Visitor(stage, group, Visit("key:a", 5, request_id="two"))
        third = Visitor(stage, group, Visit("key:a"))
        await calm()
        stage.clock.advance(2)
        fourth = Visitor(stage, group, Visit("key:b", request_id="four"))
        await calm()
        assert [(place.position, place.visit.request_id, place.waited) for place in stage.engine.queue()] == [
            (1, "two", 2),
            (2, "four", 0),
            (3, "", 2),
        ]
        for visitor in (first, second, fourth, third):
            await visitor.leaves()
        assert stage.engine.queue() == []


# Quiet


async def test_a_quiet_visit_is_let_in_only_where_it_need_not_wait() -> None:
    quiet = Visit(quiet=True)
    async with staged() as stage:
        with pytest.raises(NotAwake):
            async with stage.engine.admitted(quiet):
                pass
        assert (stage.phase, stage.runtime.starts) == (ASLEEP, 0)
        await stage.is_ready()
        stage.clock.advance(899)
        async with stage.engine.admitted(quiet) as lease:
            assert not lease.revoked
            stage.clock.advance(1)
            assert stage.phase is READY, "it is not cut off"
            with pytest.raises(NotAwake):
                async with stage.engine.admitted(quiet):
                    pass
        await until(lambda: stage.phase is ASLEEP)
