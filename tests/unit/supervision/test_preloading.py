"""Engines to be preloaded whose start goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import StartRefused
from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY, WAKING
from tests.unit.supervision.household import Household
from tests.unit.supervision.stage import Stage, calm, staged, supervised, until

pytestmark = pytest.mark.anyio


async def test_what_was_to_be_preloaded_still_is_when_docker_has_come_later_than_a_start_may_take() -> None:
    stage = Stage()
    stage.runtime.available = False
    async with supervised(stage):
        await stage.engine.looked.wait()
        stage.engine.tell(WakeAsked(politely=True))
        for _ in range(3):
            await calm()
            stage.clock.advance(60)
            await stage.reaches(FAILED)
            await until(lambda: stage.engine.retry_in is not None)
            stage.clock.advance(stage.engine.retry_in or 0)
            await stage.reaches(WAKING)
        stage.runtime.available = True
        await calm()
        stage.clock.advance(2)
        await stage.reaches(READY)
        stage.clock.advance(900)
        await stage.reaches(ASLEEP)
        await calm()
    assert (stage.phase, stage.runtime.starts) == (ASLEEP, 1)


@asynccontextmanager
async def failed_to_preload() -> AsyncIterator[Stage]:
    """An engine whose runtime has not answered until the start timeout."""
    stage = Stage()
    stage.runtime.available = False
    async with supervised(stage):
        await stage.engine.looked.wait()
        stage.engine.tell(WakeAsked(politely=True))
        await calm()
        stage.clock.advance(60)
        await stage.reaches(FAILED)
        yield stage


async def test_an_operators_sleep_ends_that() -> None:
    async with failed_to_preload() as stage:
        stage.engine.tell(SleepAsked())
        await until(lambda: stage.engine.retry_in is not None)
        stage.clock.advance(60)
        await stage.reaches(ASLEEP)
        await calm()
        assert stage.phase is ASLEEP


async def test_an_engine_that_cannot_be_started_is_preloaded_once() -> None:
    async with staged() as stage:
        stage.runtime.fail_next_start(StartRefused("has no disk space left"))
        stage.engine.tell(WakeAsked(politely=True))
        await stage.reaches(FAILED)
        await until(lambda: stage.engine.retry_in is not None)
        stage.clock.advance(60)
        await stage.reaches(ASLEEP)
        await calm()
        assert (stage.phase, stage.runtime.starts) == (ASLEEP, 0)


async def test_a_supervisor_that_has_wound_up_preloads_nothing_any_more() -> None:
    async with failed_to_preload() as stage, asyncio.TaskGroup() as group:
        await until(lambda: stage.engine.retry_in is not None)
        ending = group.create_task(stage.engine.wind_up())
        await calm()
        stage.runtime.available = True
        stage.runtime.hint()
        await until(ending.done)
        stage.clock.advance(60)
        await calm()
        assert (stage.phase, stage.runtime.starts) == (ASLEEP, 0)


async def test_nor_does_it_ask_for_room() -> None:
    household = Household(a=3, b=3)
    async with supervised(*household.stages.values()):
        await household["a"].is_ready()
        b = household["b"].engine
        b.tell(WakeAsked(politely=True))
        assert b.phase is QUEUED
        await b.wind_up()
        assert b.phase is ASLEEP
