"""Several supervised engines under one budget, on one clock. What must never happen is asserted when it happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from gateway.announcements import Announcements, Evicted
from gateway.config.schema import Budget
from gateway.lifecycle.phases import FAILED, Phase
from gateway.supervision.steward import Steward
from gateway.supervision.supervisor import Supervisor
from tests.fixtures.clock import FakeClock
from tests.unit.supervision.stage import ADDRESS, FragileRuntime, Stage, calm, supervised

TURN = 30.0
MEMORY = 4


class Observed(FragileRuntime):
    """before_stop: called whenever it is told to stop."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(ADDRESS, clock=clock)
        self.before_stop: Callable[[], None] = lambda: None

    async def stop(self) -> None:
        self.before_stop()
        await super().stop()


class Household:
    """Engines by name, each with what it needs of `MEMORY` bytes; settings as for a Stage.

    overdrawn: whether more may run than fits, because somebody has started it by hand. faults: what must never
    happen, and did.
    """

    def __init__(self, *, memory: int = MEMORY, **engines: int | dict[str, Any]) -> None:
        self.clock = FakeClock()
        self.evicted: list[Evicted] = []
        announcements = Announcements()
        announcements.listen(Evicted, self.evicted.append)
        self.steward = Steward(
            lambda: [stage.engine for stage in self.stages.values()],
            Budget(memory=memory, turn=TURN),
            self.clock,
            announcements,
        )
        self.memory = memory
        self.overdrawn = False
        self.faults: list[str] = []
        self.stages = {name: self._made(name, told) for name, told in engines.items()}

    def __getitem__(self, name: str) -> Stage:
        return self.stages[name]

    def _made(self, name: str, told: int | dict[str, Any]) -> Stage:
        settings = dict(told) if isinstance(told, dict) else {"needs": {"memory": told}}
        runtime = Observed(self.clock)
        stage = Stage(name, self.clock, runtime, **settings)
        spec, clock = stage.engine.spec, self.clock
        stage.engine = self.steward.seated(
            lambda room: Supervisor(
                name,
                spec,
                runtime,
                stage.probe,
                clock,
                room=room,
                budgeted=self.steward.counts(spec.needs),
                jitter=lambda: 1.0,
            )
        )
        runtime.on_start = lambda: self._check_start(name)
        runtime.before_stop = lambda: self._check_stop(name)
        return stage

    def taken(self) -> int:
        return sum(self._needs(stage) for stage in self.stages.values() if stage.runtime.running)

    def _needs(self, stage: Stage) -> int:
        return min(stage.engine.spec.needs.memory or 0, self.memory)

    def _check_start(self, name: str) -> None:
        if not self.overdrawn and self.taken() > self.memory:
            self.faults.append(f"{name} is started where there is no room: {self.phases}")

    def _check_stop(self, name: str) -> None:
        stage = self[name]
        if stage.engine.serving and stage.phase is not FAILED:  # then they hold leases on a run that died before
            self.faults.append(f"{name} is stopped while it serves: {self.phases}")

    @property
    def phases(self) -> dict[str, Phase]:
        return {name: stage.phase for name, stage in self.stages.items()}

    def changes_budget(self, memory: int | None) -> None:
        """As a reload does. What runs already may be more than is allowed from now on."""
        self.memory = sum(self._needs(stage) for stage in self.stages.values()) if memory is None else memory
        self.overdrawn |= self.taken() > self.memory
        self.steward.configure(None if memory is None else Budget(memory=memory, turn=TURN))
        for stage in self.stages.values():
            engine = stage.engine
            engine.reconfigure(engine.spec, budgeted=self.steward.counts(engine.spec.needs))

    async def passes(self, seconds: float) -> None:
        """Time passes, from timer to timer, and everybody acts in between."""
        await calm()
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 1e-6:
            self.clock.advance(min([left, *(timer for timer in self.clock.pending if timer > 0)]))
            await calm()


@asynccontextmanager
async def housed(*, memory: int = MEMORY, running: tuple[str, ...] = (), **engines: Any) -> AsyncIterator[Household]:
    """Those `running` have been started by hand before."""
    household = Household(memory=memory, **engines)
    household.overdrawn = bool(running)
    for name in running:
        household[name].runtime.start_by_hand()
    async with supervised(*household.stages.values()):
        await calm()
        yield household
    assert household.faults == []
