"""What is told of a wake: once, when it is over, with the stages that it reached."""

from __future__ import annotations

import asyncio

import pytest

from gateway.announcements import Announcements, Fact, PhaseChanged, WakeEnded, WakeOutcome
from gateway.lifecycle import events as e
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY, STOPPING, WAKING, Phase
from gateway.supervision.waking import Waking
from tests.fixtures.clock import FakeClock
from tests.fixtures.patience import PATIENCE
from tests.unit.supervision.stage import Stage, supervised, until

Step = tuple[e.Event, Phase]
Outcome = tuple[WakeOutcome, float | None, float | None, float | None]
"""As WakeEnded tells it: how it ended, and the seconds queued, started, ready."""

WANTED, GRANTED, STARTED, UP = e.RequestArrived(1), e.RoomGranted(), e.Started("1"), e.BecameReady(1)
FOUND, GONE, SLEEP, LATE, LOST = (
    e.SeenRunning("1"),
    e.SeenStopped("exited"),
    e.SleepAsked(),
    e.AlarmRang(1),
    e.LostContact("1"),
)

WOKEN: list[Step] = [(WANTED, WAKING), (STARTED, WAKING), (UP, READY)]
STORIES: dict[str, tuple[list[Step], list[Outcome]]] = {
    "asked for": (WOKEN, [("ready", None, 1, 1)]),
    "asked for under a budget": (
        [(WANTED, QUEUED), (WANTED, QUEUED), (GRANTED, WAKING), (STARTED, WAKING), (UP, READY)], [("ready", 2, 1, 1)],
    ),
    "seen to run before the start has returned": (
        [(WANTED, WAKING), (FOUND, WAKING), (STARTED, WAKING), (UP, READY)], [("ready", None, 1, 2)],
    ),
    "found running": ([(FOUND, WAKING), (WANTED, WAKING), (UP, READY)], [("adopted", None, None, 2)]),
    "found running while it waits for room": (
        [(WANTED, QUEUED), (FOUND, WAKING), (UP, READY)], [("adopted", 1, None, 1)],
    ),
    "found running, then gone, then started": (
        [(FOUND, WAKING), (GONE, WAKING), (STARTED, WAKING), (UP, READY)], [("ready", None, 1, 1)],
    ),
    "ready only to make room at once": ([*WOKEN[:2], (UP, STOPPING)], [("ready", None, 1, 1)]),
    "cannot be started": ([(WANTED, WAKING), (e.StartFailed("is tired", ""), FAILED)], [("failed", None, None, None)]),
    "exits while starting": ([*WOKEN[:2], (GONE, FAILED)], [("failed", None, 1, None)]),
    "takes too long": ([*WOKEN[:2], (LATE, WAKING), (LATE, FAILED)], [("timed_out", None, 1, None)]),
    "called off": ([*WOKEN[:2], (SLEEP, STOPPING), (e.Stopped(), ASLEEP)], [("called_off", None, 1, None)]),
    "wanted no more while it waits for room": (
        [(WANTED, QUEUED), (GONE, QUEUED), (e.RequestLeft(1), ASLEEP)], [("called_off", None, None, None)],
    ),
    "lost and found": ([*WOKEN, (LOST, WAKING), (UP, READY)], [("ready", None, 1, 1)]),
    "lost and gone": (
        [*WOKEN, (LOST, WAKING), (GONE, WAKING), (STARTED, WAKING), (UP, READY)],
        [("ready", None, 1, 1), ("ready", None, 1, 1)],
    ),
    "lost, and never found": ([*WOKEN, (LOST, WAKING), (LATE, FAILED)], [("ready", None, 1, 1)]),
    "could not be stopped": (
        [*WOKEN, (LATE, STOPPING), (e.StopFailed("no"), WAKING), (UP, READY)], [("ready", None, 1, 1)],
    ),
    "wanted during its stop": (
        [*WOKEN, (LATE, STOPPING), (WANTED, STOPPING), (e.Stopped(), WAKING), (STARTED, WAKING), (UP, READY)],
        [("ready", None, 1, 1)] * 2,
    ),
    "restarted by hand": (
        [*WOKEN, (e.SeenRunning("2"), WAKING), (UP, READY)], [("ready", None, 1, 1), ("adopted", None, None, 1)],
    ),
    "crashes under who waits": ([*WOKEN, (GONE, WAKING), *WOKEN[1:]], [("ready", None, 1, 1)] * 2),
    "stopped by hand, and looked at again": ([*WOKEN, (GONE, ASLEEP), (GONE, ASLEEP)], [("ready", None, 1, 1)]),
    "just looked at": ([(GONE, ASLEEP), (SLEEP, ASLEEP)], []),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_a_wake_is_told_of_once_with_the_stages_that_it_reached(name: str) -> None:
    """A second passes before each event."""
    steps, expected = STORIES[name]
    clock, announce = FakeClock(), Announcements()
    told: list[WakeEnded] = []
    announce.listen(WakeEnded, told.append)
    waking = Waking("whisper", clock, announce)
    for event, phase in steps:
        clock.advance(1)
        waking.heard(event, phase)
    assert told == [WakeEnded("whisper", *facts) for facts in expected]


@pytest.mark.anyio
async def test_a_supervisor_tells_of_its_wakes_and_phases() -> None:
    told: list[Fact] = []
    announce = Announcements()
    announce.listen(WakeEnded, told.append)
    announce.listen(PhaseChanged, told.append)
    stage = Stage(announce=announce)
    async with supervised(stage):
        stage.probe.answering.clear()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            visit = group.create_task(stage.is_ready())
            await until(lambda: stage.probe.asking > 0)
            stage.clock.advance(2)
            stage.probe.answering.set()
            await visit
    assert told == [
        PhaseChanged("whisper", "asleep", "waking", "RequestArrived", 0),
        WakeEnded("whisper", "ready", None, 0, 2),
        PhaseChanged("whisper", "waking", "ready", "BecameReady", 2),
    ]
