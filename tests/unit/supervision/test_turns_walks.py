"""Random days of engines under a budget: whatever happens, nobody is cut off, and everybody is decided."""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import EngineBusy, StartRefused
from gateway.lifecycle.events import SleepAsked, WakeAsked, WarmthChanged
from gateway.lifecycle.phases import QUEUED
from tests.unit.supervision.household import TURN, Household, housed
from tests.unit.supervision.stage import Stage, Visitor, calm

ENGINES = {"a": 3, "b": 2, "c": 2, "d": 4}

happenings = st.tuples(
    st.sampled_from(
        (
            *("visit", "visit", "visit", "leave", "leave", "gone", "pass", "pass", "crash", "by_hand", "stopped"),
            *(
                "budget",
                "fails",
                "sleep",
                "force",
                "wake",
                "polite",
                "warm",
                "cold",
                "slow_stop",
                "slow_start",
                "mute",
                "silent",
                "lost",
            ),
        )
    ),
    st.sampled_from(sorted(ENGINES)),
    st.integers(1, 40),
)


class Day:
    """What happens to one household."""

    def __init__(self, house: Household, group: asyncio.TaskGroup) -> None:
        self.house = house
        self.group = group
        self.visitors: list[Visitor] = []

    async def happens(self, what: str, name: str, number: int) -> None:
        stage = self.house[name]
        match what:
            case "visit":
                self.visitors.append(Visitor(stage, self.group))
            case "leave" if self.visitors:
                visitor = self.visitors[number % len(self.visitors)]
                if visitor.lease:
                    await visitor.leaves()
            case "gone" if self.visitors:
                self.visitors[number % len(self.visitors)].task.cancel()
            case "pass":
                await self.house.passes(number)
            case "budget":
                self.house.changes_budget([None, 3, 4, 7][number % 4])
            case _:
                self.interferes(what, stage)
        await calm()

    def interferes(self, what: str, stage: Stage) -> None:
        engine, runtime = stage.engine, stage.runtime
        match what:
            case "crash":
                runtime.crash(137)
            case "stopped":
                runtime.stop_by_hand()
            case "by_hand" if not runtime.running:
                self.house.overdrawn = True
                runtime.start_by_hand()
            case "fails":
                runtime.fail_next_start(StartRefused("has no disk space left"))
            case "sleep":
                with contextlib.suppress(EngineBusy):
                    engine.tell(SleepAsked())
            case "force":
                engine.tell(SleepAsked(force=True))
            case "wake" | "polite":
                engine.tell(WakeAsked(politely=what == "polite"))
            case "warm" | "cold":
                engine.tell(WarmthChanged(warm=what == "warm"))
            case "slow_stop":
                toggle(runtime.stop_gate)
            case "slow_start":
                toggle(runtime.start_gate)
            case "mute":
                toggle(stage.probe.answering)
            case "silent":
                runtime.available = not runtime.available
            case "lost":
                lease = next((one.lease for one in self.visitors if one.lease and one.lease.address), None)
                if lease is not None:
                    lease.lost_contact()

    async def ends(self) -> None:
        """All goes well again, all who are served leave, and so everybody who waits is decided."""
        for stage in self.house.stages.values():
            for gate in (stage.runtime.stop_gate, stage.runtime.start_gate, stage.probe.answering):
                gate.set()
            stage.runtime.available = True
            stage.engine.tell(WarmthChanged(warm=False))
        deadline = self.house.clock.monotonic() + 20 * (TURN + 70)
        while waiting := [visitor for visitor in self.visitors if not visitor.task.done()]:
            for visitor in waiting:
                if visitor.lease:
                    await visitor.leaves()
            await self.house.passes(5)
            assert self.house.clock.monotonic() < deadline, f"somebody waits for ever: {self.house.phases}"
        for stage in self.house.stages.values():
            stage.engine.tell(SleepAsked())  # what was only to be preloaded may wait for room for as long as it takes
        await self.house.passes(TURN)
        assert QUEUED not in self.house.phases.values(), "nobody asks for room that nobody wants"


def toggle(gate: asyncio.Event) -> None:
    if gate.is_set():
        gate.clear()
    else:
        gate.set()


async def live(day: list[tuple[str, str, int]], running: tuple[str, ...]) -> None:
    async with housed(running=running, **ENGINES) as house, asyncio.TaskGroup() as group:
        lived = Day(house, group)
        for what, name, number in day:
            await lived.happens(what, name, number)
        await lived.ends()


@settings(max_examples=60, deadline=None)
@given(day=st.lists(happenings, max_size=40), running=st.sampled_from([(), (), ("a",), ("a", "d")]))
def test_whatever_happens_there_is_room_and_everybody_is_decided(
    day: list[tuple[str, str, int]], running: tuple[str, ...]
) -> None:
    asyncio.run(live(day, running))
