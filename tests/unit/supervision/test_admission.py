"""Who is let in, when, and what is given back."""

from __future__ import annotations

import asyncio
import gc

import pytest

from gateway.errors import EngineCoolingDown, EnginePutToSleep, EngineStartFailed, StartRefused
from gateway.lifecycle.events import BecameReady, SleepAsked
from gateway.lifecycle.phases import FAILED, READY, WAKING
from gateway.supervision.admission import Lease
from tests.unit.supervision.stage import ADDRESS, Visitor, calm, staged

pytestmark = pytest.mark.anyio


async def test_two_hundred_simultaneous_requests_cause_one_start_and_are_all_let_in() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        visitors = [Visitor(stage, group) for _ in range(200)]
        for visitor in visitors:
            lease = await visitor.decided()
            assert isinstance(lease, Lease)
            assert lease.address == ADDRESS
            assert lease.waited
        assert stage.engine.serving == 200
        assert (stage.runtime.starts, stage.runtime.calls.count("start")) == (1, 1)
        for visitor in visitors:
            await visitor.leaves()
        assert (stage.engine.serving, stage.phase) == (0, READY)


async def test_who_waited_is_let_in_in_the_order_of_arrival() -> None:
    order: list[int] = []

    async def visit(number: int) -> None:
        async with stage.engine.admitted():
            order.append(number)

    async with staged() as stage, asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(visit(number))
    assert order == list(range(50))


async def test_a_request_to_a_ready_engine_is_let_in_without_waiting_for_anything() -> None:
    async with staged(running=True) as stage:
        admission = stage.engine.admitted().__aenter__()
        with pytest.raises(StopIteration) as returned:
            admission.send(None)
        lease = returned.value.value
        assert (lease.address, lease.waited) == (ADDRESS, False)
        assert stage.engine.serving == 1


async def test_a_ready_engine_admits_without_a_block_too() -> None:
    async with staged() as stage:
        assert (stage.engine.ready_at, stage.engine.admit_at_once()) == (None, None)
        async with asyncio.TaskGroup() as group:
            await Visitor(stage, group).leaves()
        assert stage.engine.ready_at == ADDRESS
        lease = stage.engine.admit_at_once()
        assert lease is not None
        assert (lease.address, lease.waited, stage.engine.serving) == (ADDRESS, False, 1)
        lease.leave()
        assert (stage.engine.serving, stage.phase) == (0, READY)


async def test_a_block_that_is_left_by_an_exception_gives_its_lease_back() -> None:
    async with staged(running=True) as stage:
        with pytest.raises(ZeroDivisionError):
            async with stage.engine.admitted():
                raise ZeroDivisionError
        assert stage.engine.serving == 0
        assert stage.engine.idle_in == 900


async def test_a_waiter_that_is_cancelled_frees_its_place() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        first, second = Visitor(stage, group), Visitor(stage, group)
        await stage.reaches(WAKING)
        await calm()
        assert stage.engine.waiting == 2
        first.task.cancel()
        await asyncio.wait({first.task})
        assert (stage.engine.waiting, first.lease) == (1, None)
        assert len(stage.engine._waiters) == 1, "nothing is kept of who has gone"
        stage.probe.answering.set()
        assert isinstance(await second.decided(), Lease)
        await second.leaves()


async def test_a_client_that_leaves_in_the_moment_it_is_let_in_frees_its_lease() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await calm()
        stage.engine.tell(BecameReady(stage.engine._machine._attempt))
        assert stage.engine.serving == 1
        visitor.task.cancel()
        await asyncio.wait({visitor.task})
        assert (stage.engine.serving, stage.engine.idle_in) == (0, 900)


@pytest.mark.parametrize("first", ["refusal", "cancellation"])
async def test_a_refusal_that_comes_together_with_the_clients_leaving_is_no_unseen_error(first: str) -> None:
    unseen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await calm()
        if first == "cancellation":
            visitor.task.cancel()
        stage.engine.tell(SleepAsked(force=True))
        if first == "refusal":
            visitor.task.cancel()
        await asyncio.wait({visitor.task})
        assert visitor.task.cancelled()
        del visitor
        gc.collect()
        await calm()
    assert unseen == []
    assert stage.engine.waiting == 0


async def test_everybody_who_waits_is_refused_with_an_error_of_their_own() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.fail_next_start(StartRefused("has no disk space left"))
        visitors = [Visitor(stage, group) for _ in range(3)]
        errors = [await visitor.decided() for visitor in visitors]
        assert all(type(error) is EngineStartFailed for error in errors)
        assert len({id(error) for error in errors}) == 3
        assert str(errors[0]) == "whisper could not be started: it was refused by its runtime"


async def test_a_failed_engine_refuses_at_once() -> None:
    async with staged() as stage:
        stage.runtime.fail_next_start(StartRefused("has no disk space left"))
        with pytest.raises(EngineStartFailed):
            await stage.is_ready()
        assert stage.phase is FAILED
        with pytest.raises(EngineCoolingDown, match="because it was refused by its runtime"):
            stage.engine.admitted().__aenter__().send(None)


async def test_who_waits_for_an_engine_that_is_put_to_sleep_is_refused() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.answering.clear()
        visitor = Visitor(stage, group)
        await calm()
        stage.engine.tell(SleepAsked(force=True))
        assert type(await visitor.decided()) is EnginePutToSleep
