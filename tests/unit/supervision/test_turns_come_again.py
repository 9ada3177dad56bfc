"""When those are told to come again whose engine waits for room: by what that has taken, or else by a turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.errors import QueueFull, QueueTimeout
from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import QUEUED, READY
from gateway.supervision.learned import UNKNOWN
from gateway.supervision.steward import LOOK_SECONDS
from tests.unit.supervision.household import TURN, Household, housed
from tests.unit.supervision.stage import Visitor, calm

pytestmark = pytest.mark.anyio

ONE_WAITS: dict[str, Any] = {"needs": {"memory": 3}, "queue": {"limit": 1}}


async def told(house: Household, name: str, group: asyncio.TaskGroup) -> float | None:
    """What one more is told, who is one too many."""
    error = await Visitor(house[name], group).decided()
    assert isinstance(error, QueueFull)
    return error.retry_after


async def test_as_long_as_nothing_is_known_a_turn_has_to_be_waited_for() -> None:
    async with housed(a=3, b=ONE_WAITS) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        waiting = Visitor(house["b"], group)
        await calm()
        assert await told(house, "b", group) == TURN + UNKNOWN
        await house.passes(10)
        assert await told(house, "b", group) == TURN - 10 + UNKNOWN
        await house.passes(TURN)
        assert house.phases["b"] is QUEUED
        assert await told(house, "b", group) == UNKNOWN, "any moment now, for all that is known"
        await served.leaves()
        await waiting.decided()
        await waiting.leaves()


async def test_what_it_has_waited_counts_once_it_had_to() -> None:
    async with housed(a=3, b=ONE_WAITS) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        waiting = Visitor(house["b"], group)
        await house.passes(100)
        await served.leaves()
        await waiting.decided()
        await waiting.leaves()
        await house.passes(TURN + 1)
        served = Visitor(house["a"], group)
        await served.decided()
        assert house.phases["a"] is READY
        waiting = Visitor(house["b"], group)
        await house.passes(20)
        after = await told(house, "b", group)
        assert after is not None
        assert after == pytest.approx(100 - 20 + 1, abs=LOOK_SECONDS + 0.5), "and the least that there is, for the wake"
        await served.leaves()
        await house.passes(TURN)
        await waiting.leaves()


async def test_who_makes_room_has_to_wait_for_it_again() -> None:
    async with housed(a=ONE_WAITS, b=3) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        other = Visitor(house["b"], group)
        await house.passes(TURN + 1)
        held = Visitor(house["a"], group)
        await calm()
        assert held.lease is None
        after = await told(house, "a", group)
        assert after is not None
        assert after >= TURN
        for visitor in (served, other, held):
            await visitor.leaves()
            await house.passes(TURN + 1)


async def test_who_has_waited_too_long_for_room_is_told_what_is_left() -> None:
    patient = {"needs": {"memory": 3}, "queue": {"max_wait": 10}}
    async with housed(a=3, b=patient) as house, asyncio.TaskGroup() as group:
        served = Visitor(house["a"], group)
        await served.decided()
        waiting = Visitor(house["b"], group)
        await house.passes(10)
        error = await waiting.decided()
        assert isinstance(error, QueueTimeout)
        assert error.retry_after == TURN - 10 + UNKNOWN
        await served.leaves()


async def test_how_long_a_polite_ask_stood_back_says_nothing() -> None:
    async with housed(a=3, b=ONE_WAITS) as house, asyncio.TaskGroup() as group:
        await house["a"].is_ready()
        house["b"].engine.tell(WakeAsked(politely=True))
        await house.passes(2 * TURN)
        assert house.phases["b"] is QUEUED
        house["a"].engine.tell(SleepAsked())
        await house.passes(1)
        assert house.phases["b"] is READY
        await house.passes(TURN)
        served = Visitor(house["a"], group)
        await served.decided()
        waiting = Visitor(house["b"], group)
        await calm()
        after = await told(house, "b", group)
        assert after is not None
        assert TURN <= after <= TURN + 2
        await served.leaves()
        await house.passes(TURN + 1)
        await waiting.leaves()


async def test_room_that_is_had_at_once_is_no_wait_and_says_nothing_about_one() -> None:
    async with housed(a=3, b=ONE_WAITS) as house, asyncio.TaskGroup() as group:
        await house["b"].is_ready()
        await house.passes(TURN + 1)
        served = Visitor(house["a"], group)
        await served.decided()
        waiting = Visitor(house["b"], group)
        await calm()
        after = await told(house, "b", group)
        assert after is not None
        assert after >= TURN
        await served.leaves()
        await house.passes(TURN + 1)
        await waiting.leaves()
