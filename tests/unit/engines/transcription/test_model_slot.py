"""Loaded once, used by many, and never a dead end."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import anyio
import pytest
from anyio import from_thread, to_thread

from engines.transcription.errors import ModelUnavailable
from engines.transcription.model_slot import ModelSlot, SlotState
from tests.fixtures.patience import PATIENCE
from tests.unit.engines.transcription.loaders import Loader, Timers, name, until_waiting

pytestmark = pytest.mark.anyio


async def test_requests_that_arrive_while_the_model_loads_wait_for_one_load(loader: Loader) -> None:
    slot = ModelSlot(loader)
    slot.begin_loading()
    waiting = [await until_waiting(slot, name) for _ in range(5)]
    assert (slot.state, slot.reason) == (SlotState.LOADING, None)
    loader.go.set()
    assert await asyncio.gather(*waiting) == ["model"] * 5
    assert (slot.state, slot.reason, loader.calls) == (SlotState.READY, None, 1)


async def test_a_request_begins_the_load_if_nobody_did(loader: Loader) -> None:
    loader.go.set()
    assert await ModelSlot(loader).run(name) == "model"


async def test_a_failed_load_refuses_all_who_wait_with_the_reason(loader: Loader) -> None:
    slot = ModelSlot(loader)
    waiting = [await until_waiting(slot, name) for _ in range(3)]
    loader.problem = OSError("no such\n folder")
    loader.go.set()
    for task in waiting:
        with pytest.raises(ModelUnavailable, match="could not be loaded: no such folder") as refusal:
            await task
        assert refusal.value.retry_after
    assert (slot.state, slot.reason, loader.calls) == (SlotState.BROKEN, "no such folder", 1)


async def test_the_next_request_after_a_failed_load_tries_again(loader: Loader) -> None:
    loader.go.set()
    loader.problem = OSError("no network")
    slot = ModelSlot(loader)
    with pytest.raises(ModelUnavailable):
        await slot.run(name)
    loader.problem = None
    assert await slot.run(name) == "model"
    assert (slot.state, loader.calls) == (SlotState.READY, 2)


@pytest.mark.parametrize("problem", [SystemExit(1), KeyboardInterrupt(), MemoryError()])
async def test_whatever_a_library_raises_nobody_waits_for_ever(loader: Loader, problem: BaseException) -> None:
    loader.go.set()
    loader.problem = problem
    with pytest.raises(ModelUnavailable):
        await ModelSlot(loader).run(name)


async def test_a_waiter_who_leaves_does_not_end_the_load_for_the_others(loader: Loader) -> None:
    slot = ModelSlot(loader)
    leaver, stayer = [await until_waiting(slot, name) for _ in range(2)]
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    loader.go.set()
    assert await stayer == "model"
    assert loader.calls == 1


async def test_one_works_at_a_time_in_the_order_of_arrival(loader: Loader) -> None:
    loader.go.set()
    slot = ModelSlot(loader)
    busy, order = threading.Lock(), []

    def work(number: int) -> None:
        assert busy.acquire(blocking=False), "two at once"
        order.append(number)
        busy.release()

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(slot.run, lambda _, number=number: work(number))
    assert order == list(range(10))


async def test_the_event_loop_stays_free_while_the_model_works(loader: Loader) -> None:
    loader.go.set()
    heard = threading.Event()

    def until_heard(_: str) -> bool:
        return heard.wait(PATIENCE)

    task = await until_waiting(ModelSlot(loader), until_heard)
    heard.set()
    assert await task


async def test_cancelled_work_ends_at_its_next_look_and_only_then_is_the_place_free(loader: Loader) -> None:
    loader.go.set()
    slot = ModelSlot(loader)
    working, look = threading.Event(), threading.Event()
    looked_in_vain = []

    def work(_: str) -> None:
        working.set()
        assert look.wait(PATIENCE)
        from_thread.check_cancelled()
        looked_in_vain.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(slot.run, work)
        assert await to_thread.run_sync(working.wait, PATIENCE)
        successor = await until_waiting(slot, name)
        assert repr(slot) == "<ModelSlot model ready users=2>"
        group.cancel_scope.cancel()
        look.set()
    assert await successor == "model"
    assert not looked_in_vain


async def test_who_is_cancelled_in_the_queue_never_works(loader: Loader) -> None:
    loader.go.set()
    slot = ModelSlot(loader)
    finish = threading.Event()
    worked: list[str] = []
    first = await until_waiting(slot, lambda _: finish.wait(PATIENCE))
    second = await until_waiting(slot, worked.append)
    second.cancel()
    finish.set()
    await first
    assert await slot.run(name) == "model"
    assert not worked


async def test_what_the_work_raises_is_the_caller_s(loader: Loader) -> None:
    loader.go.set()
    slot = ModelSlot(loader)
    with pytest.raises(ZeroDivisionError):
        await slot.run(lambda _: 1 // 0)
    assert await slot.run(name) == "model"


# Borrowed by several at once.


async def test_many_borrow_the_same_model_at_the_same_time(loader: Loader) -> None:
    loader.go.set()
    slot = ModelSlot(loader)
    async with slot.borrowed() as first, slot.borrowed() as second:
        assert first is second
        assert slot.users == 2
    assert (slot.users, slot.state, loader.calls) == (0, SlotState.READY, 1)


async def test_who_waits_for_the_load_counts_as_a_user_and_a_leaver_no_longer_does(loader: Loader) -> None:
    slot = ModelSlot(loader)
    waiting = [await until_waiting(slot, name) for _ in range(3)]
    assert slot.users == 3
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert (slot.users, slot.state) == (2, SlotState.LOADING)
    loader.go.set()
    assert await asyncio.gather(*waiting[1:]) == ["model"] * 2


async def test_a_block_that_fails_gives_the_model_back(loader: Loader) -> None:
    loader.go.set()
    slot = ModelSlot(loader)
    with pytest.raises(ZeroDivisionError):
        async with slot.borrowed():
            raise ZeroDivisionError
    assert slot.users == 0


async def test_a_failed_load_is_nobody_s_use(loader: Loader) -> None:
    loader.go.set()
    loader.problem = OSError("no network")
    slot = ModelSlot(loader, ttl=5)
    with pytest.raises(ModelUnavailable):
        async with slot.borrowed():
            pass
    assert (slot.users, slot.state) == (0, SlotState.BROKEN)


async def test_loading_can_begin_before_there_is_an_event_loop(loader: Loader, timers: Timers) -> None:
    """So that it runs beside the rest of the start; idle time is watched as soon as somebody on the loop can."""
    slot = ModelSlot(loader, ttl=300, later=timers.later)
    await to_thread.run_sync(slot.begin_loading)
    loader.go.set()
    slot.begin_loading()
    await slot.load()
    await anyio.lowlevel.checkpoint()
    assert [timer.seconds for timer in timers.running] == [300]
    assert loader.calls == 1


async def test_what_a_failed_load_had_begun_is_not_kept() -> None:
    shadows = []

    class Half:
        def __init__(self) -> None:
            shadows.append(weakref.ref(self))
            raise OSError("no space")

    slot = ModelSlot(Half)
    with pytest.raises(ModelUnavailable):
        await slot.load()
    gc.collect()
    assert shadows[0]() is None
    assert slot.reason == "no space"
