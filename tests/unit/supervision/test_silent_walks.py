"""Random walks with a runtime that is silent now and then, and ends engines whenever it likes."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from gateway.errors import EndedAtOnce, EngineBusy, RuntimeTrouble, RuntimeUnavailable, StartRefused, Unanswered
from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import ASLEEP
from gateway.runtimes.base import Running
from gateway.supervision import performer
from tests.fixtures.clock import FakeClock
from tests.unit.supervision.stage import ADDRESS, FragileRuntime, Stage, Visitor, calm, supervised

pytestmark = pytest.mark.anyio

TROUBLES: dict[str, list[RuntimeTrouble]] = {
    "start": [RuntimeUnavailable("is away"), StartRefused("says no"), EndedAtOnce("has ended", meant=True)],
    "stop": [RuntimeUnavailable("is away"), Unanswered("was told"), Unanswered("was told"), RuntimeTrouble("is odd")],
    "inspect": [RuntimeUnavailable("is away"), RuntimeTrouble("is odd")],
    "answers": [RuntimeUnavailable("is away")],
}


class Grudging(FragileRuntime):
    """pending: a stop was heard and not answered. wrong: starts and ends that must not have been."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(ADDRESS, clock=clock)
        self.pending = False
        self.wrong: list[str] = []

    async def start(self) -> Running:
        if self.pending:
            self.wrong.append("a start before the stop was answered")
        return await super().start()

    async def stop(self) -> None:
        try:
            await super().stop()
        except RuntimeUnavailable as silence:
            self.pending |= isinstance(silence, Unanswered)
            raise
        except RuntimeTrouble:
            self.pending = False
            raise
        self.pending = False


def happens(stage: Stage, dice: random.Random) -> None:
    runtime = stage.runtime
    match dice.randrange(9):
        case 0 | 1 if runtime.running:
            runtime.crash(dice.choice([0, 1, 137, 143]), oom=dice.random() < 0.2)
        case 2:
            name = dice.choice(list(TROUBLES))
            runtime.breaks.setdefault(name, []).extend(dice.choices(TROUBLES[name], k=dice.randrange(1, 4)))
        case 3:
            runtime.available = not runtime.available
        case 4:
            stage.engine.tell(WakeAsked(politely=dice.random() < 0.5))
        case 5:
            with contextlib.suppress(EngineBusy):
                stage.engine.tell(SleepAsked(force=dice.random() < 0.3))
        case 6:
            runtime.start_by_hand()
        case _:
            stage.clock.advance(dice.choice([0.1, 1, 5, 30, 60, 900]))


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_is_silent_nothing_starts_over_a_pending_stop_and_all_comes_to_rest(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performer, "WATCH_PAUSE", 0)
    dice = random.Random(seed)
    clock = FakeClock()
    runtime = Grudging(clock)
    stage = Stage(clock=clock, runtime=runtime)
    visitors: list[Visitor] = []
    async with supervised(stage), asyncio.TaskGroup() as group:
        for _ in range(150):
            if dice.random() < 0.3:
                visitors.append(Visitor(stage, group))
            elif visitors and dice.random() < 0.3:
                visitors.pop(dice.randrange(len(visitors))).may_leave()
            else:
                happens(stage, dice)
            if dice.random() < 0.7:
                await calm()
            assert runtime.wrong == []
        runtime.available = True
        runtime.breaks.clear()
        for visitor in visitors:
            visitor.may_leave()
        for _ in range(5000):
            await calm()
            seen = stage.engine._performer.answered.is_set()
            if (
                seen
                and stage.phase is ASLEEP
                and stage.engine.at_rest
                and all(visitor.task.done() for visitor in visitors)
            ):
                break
            stage.clock.advance(dice.choice([0.1, 1, 10]))
        assert (stage.phase, runtime.running, runtime.wrong) == (ASLEEP, False, [])
        assert stage.engine.waiting == stage.engine.serving == 0
