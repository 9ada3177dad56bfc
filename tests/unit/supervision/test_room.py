"""What a supervisor asks of the budget, and when it says that its room is free."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import StartRefused
from gateway.lifecycle.events import RoomGranted, RoomWanted, SleepAsked, WakeAsked, WarmthChanged
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY
from gateway.supervision.admission import Lease
from tests.unit.supervision.stage import Stage, Visitor, calm, supervised, until

pytestmark = pytest.mark.anyio


class Ledger:
    """A room that writes down what it is told."""

    wait = 0.0

    def __init__(self) -> None:
        self.told: list[str] = []

    def ask(self, *, politely: bool) -> None:
        self.told.append("asks politely" if politely else "asks")

    def give_up(self) -> None:
        self.told.append("gives up")

    def changed(self) -> None:
        self.told.append("changed")

    def news(self) -> list[str]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def stage(ledger: Ledger) -> Stage:
    return Stage("w", room=ledger, budgeted=True)


async def test_an_engine_waits_for_room_and_gives_it_back_when_it_has_stopped(stage: Stage, ledger: Ledger) -> None:
    async with asyncio.TaskGroup() as group, supervised(stage):
        await stage.is_asleep()
        ledger.news()
        visitor = Visitor(stage, group)
        await calm()
        assert (stage.phase, stage.runtime.starts, ledger.news()) == (QUEUED, 0, ["asks"])
        stage.engine.tell(RoomGranted())
        assert isinstance(await visitor.decided(), Lease)
        await visitor.leaves()
        stage.runtime.stop_gate.clear()
        stage.engine.tell(RoomWanted(wanted=True))
        await calm()
        assert ledger.news() == []
        stage.runtime.stop_gate.set()
        await stage.reaches(ASLEEP)
        assert ledger.news() == ["changed"]


async def test_its_room_is_free_before_it_asks_again(stage: Stage, ledger: Ledger) -> None:
    stage.runtime.start_by_hand()
    async with asyncio.TaskGroup() as group, supervised(stage):
        await stage.reaches(READY)
        assert ledger.news() == ["changed"]
        first = Visitor(stage, group)
        await first.decided()
        stage.engine.tell(RoomWanted(wanted=True))
        second = Visitor(stage, group)
        await first.leaves()
        await stage.reaches(QUEUED)
        assert ledger.news() == ["changed", "asks"]
        stage.engine.tell(RoomGranted())
        assert isinstance(await second.decided(), Lease)
        await second.leaves()


async def test_who_has_gone_wants_no_room(stage: Stage, ledger: Ledger) -> None:
    async with asyncio.TaskGroup() as group, supervised(stage):
        await stage.is_asleep()
        visitor = Visitor(stage, group)
        await calm()
        visitor.task.cancel()
        await stage.reaches(ASLEEP)
        assert ledger.news()[-2:] == ["asks", "gives up"]
        assert stage.engine.at_rest


async def test_the_room_of_a_failed_start_is_free_when_the_remains_are_cleared_away(
    stage: Stage, ledger: Ledger
) -> None:
    async with supervised(stage):
        await stage.is_asleep()
        stage.runtime.fail_next_start(StartRefused("has no disk space left"))
        stage.runtime.stop_gate.clear()
        stage.engine.tell(WakeAsked())
        stage.engine.tell(RoomGranted())
        await stage.reaches(FAILED)
        await calm()
        assert ledger.news()[-1] == "asks"
        stage.runtime.stop_gate.set()
        await until(lambda: stage.engine.retry_in is not None)
        assert ledger.news() == ["changed"]


async def test_the_room_of_an_engine_that_ends_by_itself_is_free(stage: Stage, ledger: Ledger) -> None:
    stage.runtime.start_by_hand()
    async with supervised(stage):
        await stage.reaches(READY)
        stage.runtime.crash()
        await stage.reaches(ASLEEP)
        assert ledger.news() == ["changed", "changed"]


async def test_warm_hours_ask_politely(stage: Stage, ledger: Ledger) -> None:
    async with supervised(stage):
        await stage.is_asleep()
        ledger.news()
        stage.engine.tell(WarmthChanged(warm=True))
        assert (ledger.news(), stage.engine.warm) == (["asks politely"], True)
        stage.engine.tell(RoomGranted())
        await stage.reaches(READY)
        assert stage.engine.idle_in is None
        stage.clock.advance(10**6)
        assert stage.phase is READY
        stage.engine.tell(WarmthChanged(warm=False))
        assert stage.engine.idle_in == 900


async def test_what_the_steward_looks_at(stage: Stage) -> None:
    stage.runtime.start_by_hand()
    async with asyncio.TaskGroup() as group, supervised(stage):
        await stage.reaches(READY)
        ready = stage.clock.monotonic()
        stage.clock.advance(5)
        visitor = Visitor(stage, group)
        lease = await visitor.decided()
        assert isinstance(lease, Lease)
        stage.clock.advance(5)
        assert (stage.engine.ready_since, stage.engine.last_used) == (ready, ready + 10)
        lease.lost_contact()
        await stage.reaches(READY)
        assert stage.engine.ready_since == ready, "a lost contact begins no new turn"
        await visitor.leaves()
        stage.clock.advance(5)
        assert stage.engine.last_used == ready + 10
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        assert stage.engine.ready_since is None


async def test_an_engine_stays_awake_for_as_long_as_it_is_meant_to() -> None:
    stage = Stage(idle_after=10, min_awake=60)
    async with supervised(stage):
        await stage.is_ready()
        assert stage.engine.idle_in == 60
        stage.clock.advance(55)
        await stage.is_ready()
        assert stage.engine.idle_in == 10
        stage.clock.advance(10)
        await stage.reaches(ASLEEP)
