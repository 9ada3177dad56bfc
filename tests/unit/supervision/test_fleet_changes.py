"""The configuration changes: what is equal stays, what goes serves whom it has, and what comes does not disturb it."""

from __future__ import annotations

import asyncio
import random

import pytest
from structlog.testing import capture_logs

from gateway.config.schema import EngineSpec, QueueSettings
from gateway.errors import EngineRemoved, QueueFull, QueueTimeout, UnknownEngine
from gateway.lifecycle.phases import ASLEEP, QUEUED, READY
from gateway.supervision.admission import Lease
from gateway.supervision.fleet import Changes
from gateway.supervision.supervisor import STOP_PAUSE, Supervisor
from tests.unit.supervision.stage import calm, until
from tests.unit.supervision.town_hall import TownHall, commanded, contained, town

pytestmark = pytest.mark.anyio


class Guest:
    """A request that stays until it is told to leave."""

    def __init__(self, engine: Supervisor, group: asyncio.TaskGroup) -> None:
        self.lease: Lease | None = None
        self.error: Exception | None = None
        self._leave = asyncio.Event()
        self.task = group.create_task(self._stay(engine))

    async def _stay(self, engine: Supervisor) -> None:
        try:
            async with engine.admitted() as self.lease:
                await self._leave.wait()
        except Exception as error:
            self.error = error

    async def is_in(self) -> None:
        await until(lambda: self.lease is not None or self.error is not None)
        assert self.error is None

    async def is_in_after_the_move(self, hall: TownHall) -> None:
        await until(lambda: _moved(hall) and self.lease is not None)

    async def leaves(self) -> None:
        """Be it before it was let in."""
        self._leave.set()
        if self.lease is None:
            self.task.cancel()
        await asyncio.wait({self.task})


async def gone(hall: TownHall) -> None:
    """Nobody is leaving any more."""
    await until(lambda: _moved(hall) and not hall.fleet.leaving)


def _moved(hall: TownHall) -> bool:
    hall.clock.advance(0)  # an alarm of zero seconds rings now
    return True


async def test_what_is_equal_is_not_touched() -> None:
    a, b = contained("a"), contained("b")
    async with town(a=a, b=b) as hall:
        before = hall.fleet.all
        assert hall.fleet.apply({"b": contained("b"), "a": a}) == Changes([], [], [])
        assert hall.fleet.all == before[::-1], "the order is the file's"
        assert hall.fleet.leaving == []


async def test_settings_that_do_not_concern_what_runs_are_taken_over_by_who_is_there() -> None:
    async with town(a=contained("a")) as hall:
        (engine,) = hall.fleet.all
        async with engine.admitted():
            spec = contained("a", hosts=("new.test",), idle_after=5, stop_timeout=3)
            assert hall.fleet.apply({"a": spec}) == Changes([], ["a"], [])
            assert hall.fleet.all == [engine]
            assert engine.spec == hall.runtimes[0].adjusted == spec
            assert engine.phase is READY
        assert engine.idle_in == 5
        assert hall.runtimes[0].calls.count("start") == 1


async def test_who_waits_is_let_in_when_there_may_be_more_at_once() -> None:
    async with town(a=contained("a", concurrency=1)) as hall, asyncio.TaskGroup() as group:
        (engine,) = hall.fleet.all
        first, second = Guest(engine, group), Guest(engine, group)
        await first.is_in()
        await calm()
        assert second.lease is None
        hall.fleet.apply({"a": contained("a", concurrency=2)})
        await second.is_in()
        await first.leaves()
        await second.leaves()


async def test_a_removed_engine_serves_whom_it_has_and_who_waits_and_is_put_to_sleep() -> None:
    async with town(a=contained("a", concurrency=1), b=contained("b")) as hall, asyncio.TaskGroup() as group:
        engine = hall.fleet.get("a")
        first, second = Guest(engine, group), Guest(engine, group)
        await first.is_in()
        with capture_logs() as lines:
            assert hall.fleet.apply({"b": contained("b")}) == Changes([], [], ["a"])
            assert {**lines[0], "serving": 1, "waiting": 1, "why": "removed"} == lines[0]
            with pytest.raises(UnknownEngine):
                hall.fleet.get("a")
            await calm()
            assert hall.fleet.leaving == [engine]
            assert hall.fleet.called("a") == [engine]
            await first.leaves()
            await second.is_in()
            assert hall.running == ["a"]
            await second.leaves()
            await gone(hall)
        assert hall.running == []
        assert hall.runtimes[0].stops == 1
        assert hall.runtimes[0].calls[-1] == "aclose"
        assert lines[-1]["event"] == "engine.retired"


async def test_a_removed_engine_that_starts_is_started_for_those_who_wait() -> None:
    async with town(a=contained("a"), b=contained("b")) as hall, asyncio.TaskGroup() as group:
        hall.runtimes[0].start_gate.clear()
        guest = Guest(hall.fleet.get("a"), group)
        await calm()
        hall.fleet.apply({"b": contained("b")})
        await calm()
        hall.runtimes[0].start_gate.set()
        await guest.is_in()
        await guest.leaves()
        await gone(hall)
        assert hall.running == []


async def test_a_removed_engine_that_runs_though_nobody_has_looked_yet_is_put_to_sleep() -> None:
    async with town() as hall:
        hall.fleet.apply({"a": contained("a")})
        hall.runtimes[0].start_by_hand()
        hall.fleet.apply({})
        await gone(hall)
        assert hall.running == []


async def test_who_comes_in_again_because_a_removed_engine_died_under_them_is_served_by_its_next_run() -> None:
    async with town(a=contained("a"), b=contained("b")) as hall, asyncio.TaskGroup() as group:
        engine, runtime = hall.fleet.get("a"), hall.runtimes[0]
        guest = Guest(engine, group)
        await guest.is_in()
        hall.fleet.apply({"b": contained("b")})
        runtime.crash()
        await until(lambda: engine.phase is ASLEEP)
        await calm()
        assert hall.fleet.leaving == [engine], "one is still there"
        again = Guest(engine, group)
        await guest.leaves()
        await again.is_in()
        assert runtime.starts == 2
        await again.leaves()
        await gone(hall)
        assert hall.running == []


async def test_a_removed_engine_that_died_is_gone_when_the_last_of_its_requests_has_left() -> None:
    async with town(a=contained("a")) as hall, asyncio.TaskGroup() as group:
        guest = Guest(hall.fleet.get("a"), group)
        await guest.is_in()
        hall.runtimes[0].crash()
        hall.fleet.apply({})
        await calm()
        await guest.leaves()
        await gone(hall)


@pytest.mark.parametrize("never", [False, True])
async def test_a_sleeping_or_idle_engine_that_is_removed_is_gone_at_once(*, never: bool) -> None:
    async with town(a=contained("a", idle_after=None, min_awake=600), b=contained("b")) as hall:
        if not never:
            async with hall.fleet.get("a").admitted():
                pass
        hall.fleet.apply({"b": contained("b")})
        await gone(hall)
        assert hall.running == []


async def test_another_container_takes_over_at_once_while_the_old_one_serves() -> None:
    async with town(a=contained("old")) as hall, asyncio.TaskGroup() as group:
        guest = Guest(hall.fleet.get("a"), group)
        await guest.is_in()
        assert hall.fleet.apply({"a": contained("new")}) == Changes([], ["a"], [])
        async with hall.fleet.get("a").admitted():
            assert sorted(map(str, hall.running)) == ["new", "old"]
        assert hall.fleet.called("a") == [hall.fleet.get("a"), *hall.fleet.leaving]
        await guest.leaves()
        await gone(hall)
        assert hall.running == ["new"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (contained("one"), contained("one").model_copy(update={"port": 9000})),
        (commanded(9000), commanded(9001)),
    ],
)
async def test_what_would_be_in_the_way_is_waited_for(old: EngineSpec, new: EngineSpec) -> None:
    """A container, or the record of a process: requests wait as for an engine that starts."""
    async with town(a=old) as hall, asyncio.TaskGroup() as group:
        guest = Guest(hall.fleet.get("a"), group)
        await guest.is_in()
        hall.fleet.apply({"a": new})
        engine = hall.fleet.get("a")
        late = Guest(engine, group)
        await calm()
        hall.clock.advance(10 * new.start_timeout / 60)  # as long as it has not begun, no start takes too long
        hall.clock.advance(300)
        await calm()
        assert (late.lease, late.error, engine.phase, engine.waiting) == (None, None, QUEUED, 1)
        assert hall.runtimes[1].calls == [], "not even a look"
        await guest.leaves()
        await late.is_in_after_the_move(hall)
        assert len(hall.running) == 1
        await late.leaves()
        await gone(hall)


async def test_those_who_wait_for_the_new_one_do_so_within_its_limits() -> None:
    async with town(a=contained("one")) as hall, asyncio.TaskGroup() as group:
        guest = Guest(hall.fleet.get("a"), group)
        await guest.is_in()
        new = contained("one", queue=QueueSettings(limit=1, max_wait=20)).model_copy(update={"port": 9000})
        hall.fleet.apply({"a": new})
        first, second = Guest(hall.fleet.get("a"), group), Guest(hall.fleet.get("a"), group)
        await calm()
        assert isinstance(second.error, QueueFull)
        hall.clock.advance(20)
        await calm()
        assert isinstance(first.error, QueueTimeout)
        await guest.leaves()
        await gone(hall)
        assert hall.fleet.get("a").phase is ASLEEP


async def test_an_engine_under_a_new_name_waits_for_the_one_whose_container_it_is() -> None:
    async with town(a=contained("one")) as hall, asyncio.TaskGroup() as group:
        guest = Guest(hall.fleet.get("a"), group)
        await guest.is_in()
        assert hall.fleet.apply({"b": contained("one")}) == Changes(["b"], [], ["a"])
        late = Guest(hall.fleet.get("b"), group)
        await calm()
        assert late.lease is None
        await guest.leaves()
        await late.is_in_after_the_move(hall)
        await late.leaves()


async def test_changed_again_before_it_has_begun_an_engine_still_serves_whom_it_has_promised() -> None:
    async with town(a=commanded(1)) as hall, asyncio.TaskGroup() as group:
        guests = []
        for port in (1, 2, 3, 4):
            hall.fleet.apply({"a": commanded(port)})
            guests.append(Guest(hall.fleet.get("a"), group))
            await calm()
        assert [guest.lease is not None for guest in guests] == [True, False, False, False]
        for guest in guests:
            await guest.is_in_after_the_move(hall)
            assert len(hall.running) == 1
            await guest.leaves()
        await gone(hall)
        assert hall.running == [4]


async def test_who_has_left_for_good_admits_nobody() -> None:
    async with town(a=contained("a")) as hall:
        engine = hall.fleet.get("a")
        hall.fleet.apply({})
        await gone(hall)
        with pytest.raises(EngineRemoved):
            async with engine.admitted():
                pass
        assert not engine.admit_at_once()


async def test_putting_all_to_sleep_waits_for_those_who_leave_as_well() -> None:
    async with town(a=contained("a"), b=contained("b")) as hall, asyncio.TaskGroup() as group:
        guest = Guest(hall.fleet.get("a"), group)
        await guest.is_in()
        hall.fleet.apply({"b": contained("b")})
        await hall.fleet.put_to_sleep(within=5)
        assert hall.running == []
        await guest.leaves()


async def test_the_end_of_supervision_leaves_also_those_who_leave_as_they_are() -> None:
    async with asyncio.TaskGroup() as group:
        async with town(a=contained("a")) as hall:
            guest = Guest(hall.fleet.get("a"), group)
            await guest.is_in()
            hall.fleet.apply({"b": contained("a")})
            await calm()
        assert hall.running == ["a"]
        assert [runtime.calls[-1] for runtime in hall.runtimes] == ["aclose", "aclose"]
        await guest.leaves()


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_changes_when_everybody_is_served_and_nothing_runs_twice(seed: int) -> None:
    """A random walk: guests come and leave, engines come, go and change. The runtimes watch over what they share."""
    dice = random.Random(seed)
    async with town(a=contained("x"), b=commanded(1)) as hall, asyncio.TaskGroup() as group:
        guests: list[Guest] = []
        for _ in range(60):
            match dice.randrange(5):
                case 0:
                    specs = {}
                    for name, resource in zip("abc", dice.sample("xyz", 3), strict=True):
                        kind = dice.choice([contained(resource), commanded(dice.randrange(3) + ord(name) * 10), None])
                        if kind is not None:
                            specs[name] = kind.model_copy(update={"concurrency": dice.choice([None, 1, 2])})
                    hall.fleet.apply(specs)
                case 1 if guests:
                    await guests.pop(dice.randrange(len(guests))).leaves()
                case 2:
                    hall.clock.advance(dice.choice([0, 0.1, 1]))
                case _ if hall.fleet.all:
                    guests.append(Guest(dice.choice(hall.fleet.all), group))
            if dice.random() < 0.7:
                await calm()
        while guests:
            await until(lambda: _moved(hall) and any(guest.lease or guest.error for guest in guests))
            for guest in [guest for guest in guests if guest.lease or guest.error]:
                guests.remove(guest)
                await guest.leaves()
                assert guest.error is None
        await gone(hall)


async def test_a_runtime_that_cannot_be_closed_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the other engines, nor the one that comes in its place."""
    async with town(a=contained("a"), b=contained("b")) as hall:
        monkeypatch.setattr(hall.runtimes[0], "aclose", lambda: 1 / 0)
        with capture_logs() as lines:
            hall.fleet.apply({"a": contained("a").model_copy(update={"port": 2}), "b": contained("b")})
            await gone(hall)
        assert [line["engine"] for line in lines if line["event"] == "engine.closing_broke"] == ["a"]
        for engine in hall.fleet.all:
            async with engine.admitted():
                assert engine.phase is READY


async def test_a_removed_engine_that_cannot_be_stopped_is_tried_again_with_pauses() -> None:
    """While Docker does not answer, say: thousands of tries and lines of the log in each second would help nobody."""
    async with town(a=contained("a")) as hall:
        (engine,), (runtime,) = hall.fleet.all, hall.runtimes
        async with engine.admitted():
            runtime.calls.clear()
        runtime.available = False
        hall.fleet.apply({})
        for tries in (1, 2, 3):
            for _ in range(5):
                _moved(hall)
                await calm()
            assert runtime.calls.count("stop") == tries
            hall.clock.advance(STOP_PAUSE)
            await calm()
        runtime.available = True
        hall.clock.advance(STOP_PAUSE)
        await gone(hall)
        assert runtime.stops == 1
