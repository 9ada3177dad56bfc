"""Unloaded when somebody asks or when nobody needs it, and never under a user's hands."""

from __future__ import annotations

import asyncio
import weakref

import anyio
import pytest

from engines.transcription.errors import ModelInUse, ModelNotLoaded, ModelUnavailable
from engines.transcription.model_slot import FIRST_USER_S, ModelSlot, SlotState
from tests.unit.engines.transcription.loaders import Closer, Loader, Timers, name, until, until_waiting

pytestmark = pytest.mark.anyio


@pytest.fixture
def closer() -> Closer:
    return Closer()


# Unloaded because somebody asks.


async def test_an_unloaded_model_is_closed_and_the_next_request_loads_it_again(loader: Loader, closer: Closer) -> None:
    loader.go.set()
    slot = ModelSlot(loader, close=closer)
    await slot.load()
    await slot.unload()
    assert (slot.state, closer.closed, repr(slot)) == (
        SlotState.UNLOADED,
        ["model"],
        "<ModelSlot model unloaded users=0>",
    )
    assert await slot.run(name) == "model"
    assert loader.calls == 2


async def test_a_model_in_use_is_not_unloaded(loader: Loader, closer: Closer) -> None:
    loader.go.set()
    slot = ModelSlot(loader, close=closer)
    async with slot.borrowed():
        with pytest.raises(ModelInUse, match="is in use") as refusal:
            await slot.unload()
    assert refusal.value.status == 409
    assert (slot.state, closer.closed) == (SlotState.READY, [])
    await slot.unload()


async def test_a_model_that_is_being_loaded_is_not_unloaded(loader: Loader) -> None:
    slot = ModelSlot(loader)
    slot.begin_loading()
    with pytest.raises(ModelInUse, match="is being loaded") as refusal:
        await slot.unload()
    assert refusal.value.status == 409
    loader.go.set()
    await slot.load()


async def test_what_is_not_loaded_cannot_be_unloaded(loader: Loader, closer: Closer) -> None:
    slot = ModelSlot(loader, close=closer)
    with pytest.raises(ModelNotLoaded):
        await slot.unload()
    loader.go.set()
    loader.problem = OSError("no network")
    with pytest.raises(ModelUnavailable):
        await slot.load()
    with pytest.raises(ModelNotLoaded) as refusal:
        await slot.unload()
    assert refusal.value.status == 404
    assert (slot.state, slot.reason, closer.closed) == (SlotState.BROKEN, "no network", [])


async def test_a_model_is_loaded_only_when_the_one_before_is_closed(loader: Loader, closer: Closer) -> None:
    """The memory of both may not be there."""
    loader.go.set()
    slot = ModelSlot(loader, close=closer)
    await slot.load()
    closer.go.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(slot.unload)
        await anyio.lowlevel.checkpoint()
        request = await until_waiting(slot, name)
        assert (slot.state, loader.calls) == (SlotState.LOADING, 1)
        closer.go.set()
    assert await request == "model"
    assert (closer.closed, loader.calls) == (["model"], 2)


async def test_who_asked_for_unloading_and_leaves_does_not_stop_it(loader: Loader, closer: Closer) -> None:
    loader.go.set()
    slot = ModelSlot(loader, close=closer)
    await slot.load()
    closer.go.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(slot.unload)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    closer.go.set()
    assert await slot.run(name) == "model"
    assert closer.closed == ["model"]


async def test_a_model_that_fails_to_close_is_gone_all_the_same(loader: Loader) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("CUDA error")

    loader.go.set()
    slot = ModelSlot(loader, close=fail)
    await slot.load()
    await slot.unload()
    assert slot.state is SlotState.UNLOADED
    assert await slot.run(name) == "model"


async def test_nothing_keeps_an_unloaded_model_alive() -> None:
    """Not the attempt, not those who waited, not the blocks that were left."""

    class Large:
        pass

    slot = ModelSlot(Large)
    async with slot.borrowed() as model:
        shadow = weakref.ref(model)
    await slot.run(id)
    del model
    await slot.unload()
    assert shadow() is None


# Unloaded because nobody needs it.


async def idle(loader: Loader, closer: Closer, timers: Timers, ttl: float | None) -> ModelSlot[str]:
    """A slot whose first user has just left."""
    loader.go.set()
    slot = ModelSlot(loader, close=closer, ttl=ttl, later=timers.later)
    assert await slot.run(name) == "model"
    return slot


async def test_without_a_limit_a_model_stays(loader: Loader, closer: Closer, timers: Timers) -> None:
    slot = await idle(loader, closer, timers, ttl=None)
    assert (slot.state, timers.running) == (SlotState.READY, [])


async def test_an_idle_model_is_unloaded_when_its_time_is_over(loader: Loader, closer: Closer, timers: Timers) -> None:
    slot = await idle(loader, closer, timers, ttl=300)
    assert (slot.state, [timer.seconds for timer in timers.running]) == (SlotState.READY, [300])
    timers.ring()
    assert slot.state is SlotState.UNLOADED
    await slot.load()
    assert closer.closed == ["model"]


async def test_idle_time_begins_when_the_last_user_leaves(loader: Loader, closer: Closer, timers: Timers) -> None:
    slot = await idle(loader, closer, timers, ttl=300)
    async with slot.borrowed():
        assert timers.running == [], "the timer of an old use would unload a model in use"
        async with slot.borrowed():
            pass
        assert timers.running == []
    assert [timer.seconds for timer in timers.running] == [300]


async def test_no_timer_outlives_an_unload(loader: Loader, closer: Closer, timers: Timers) -> None:
    slot = await idle(loader, closer, timers, ttl=300)
    await slot.unload()
    assert timers.running == []


async def test_zero_seconds_unload_at_once(loader: Loader, closer: Closer, timers: Timers) -> None:
    slot = await idle(loader, closer, timers, ttl=0)
    assert (slot.state, timers.running) == (SlotState.UNLOADED, [])
    assert await slot.run(name) == "model"
    await until(lambda: closer.closed == ["model", "model"])
    assert loader.calls == 2


async def test_zero_seconds_leave_a_model_in_use_alone(loader: Loader, closer: Closer, timers: Timers) -> None:
    loader.go.set()
    slot = ModelSlot(loader, close=closer, ttl=0, later=timers.later)
    async with slot.borrowed():
        async with slot.borrowed():
            pass
        assert repr(slot) == "<ModelSlot model ready users=1>"
    assert repr(slot) == "<ModelSlot model unloaded users=0>"


@pytest.mark.parametrize(("ttl", "seconds"), [(300, 300), (5, FIRST_USER_S), (0, FIRST_USER_S)])
async def test_a_model_loaded_ahead_is_idle_from_then_on_and_waits_a_while_for_its_first_user(
    loader: Loader, timers: Timers, ttl: float, seconds: float
) -> None:
    slot = ModelSlot(loader, ttl=ttl, later=timers.later)
    slot.begin_loading()
    assert timers.running == []
    loader.go.set()
    await slot.load()
    await anyio.lowlevel.checkpoint()
    assert [timer.seconds for timer in timers.running] == [seconds]
    timers.ring()
    assert slot.state is SlotState.UNLOADED


async def test_with_zero_seconds_a_model_loaded_ahead_is_unloaded_after_its_first_use(
    loader: Loader, timers: Timers
) -> None:
    loader.go.set()
    slot = ModelSlot(loader, ttl=0, later=timers.later)
    await slot.load()
    await slot.run(name)
    assert (slot.state, timers.running) == (SlotState.UNLOADED, [])


async def test_a_model_whose_only_waiter_left_is_idle_as_soon_as_it_is_loaded(loader: Loader, timers: Timers) -> None:
    slot = ModelSlot(loader, ttl=0, later=timers.later)
    request = await until_waiting(slot, name)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert slot.state is SlotState.LOADING
    loader.go.set()
    await until(lambda: slot.state is SlotState.UNLOADED)


async def test_the_event_loop_s_own_timer_is_used_where_none_is_handed_in(loader: Loader, closer: Closer) -> None:
    loader.go.set()
    slot = ModelSlot(loader, close=closer, ttl=0.001)
    await slot.run(name)
    await until(lambda: closer.closed == ["model"])
