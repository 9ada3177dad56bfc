"""Random lives of a real supervisor: whatever happens, everybody is decided about, and nothing is left of anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from gateway.errors import EngineBusy, GatewayError, RuntimeUnavailable, StartRefused
from gateway.lifecycle.events import RoomGranted, RoomWanted, SleepAsked, WakeAsked, WarmthChanged
from gateway.lifecycle.phases import QUEUED, STOPPING, WAKING
from gateway.supervision.admission import Lease, Visit
from tests.unit.supervision.stage import Stage, Visitor, calm, supervised

pytestmark = pytest.mark.anyio


class Giver:
    """Grants room when the walk comes to it."""

    wait = 0.0

    def ask(self, *, politely: bool) -> None: ...
    def give_up(self) -> None: ...
    def changed(self) -> None: ...


class Walk:
    """One engine with few places, and what may happen to it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        settings: dict[str, Any] = {"room": Giver(), "budgeted": True} if random.random() < 0.4 else {}
        queue = {"limit": random.choice([2, 1000]), "max_wait": random.choice([5, 600])}
        self.stage = Stage(concurrency=random.choice([None, 1, 3]), queue=queue, **settings)
        self.visitors: list[Visitor] = []

    def step(self, group: asyncio.TaskGroup) -> None:
        stage, random = self.stage, self.random
        happenings: list[Callable[[], object]] = [
            *[lambda: self._arrives(group)] * 6,
            *[self._leaves] * 5,
            self._goes,
            *[lambda: stage.clock.advance(random.choice([0.05, 1, 3, 30, 900]))] * 3,
            lambda: stage.runtime.crash(random.choice([0, 1, 137])),
            stage.runtime.start_by_hand,
            lambda: stage.runtime.breaks.update(start=[random.choice([RuntimeUnavailable, StartRefused])("is ill")]),
            lambda: stage.runtime.breaks.update(stop=[StartRefused("does not end")]),
            self._loses_contact,
            lambda: stage.engine.tell(WakeAsked(politely=random.random() < 0.5)),
            self._sleeps,
            lambda: stage.engine.tell(WarmthChanged(warm=random.random() < 0.5)),
            lambda: stage.engine.tell(RoomWanted(wanted=random.random() < 0.5)),
            *[self._grants] * 3,
        ]
        random.choice(happenings)()

    def _arrives(self, group: asyncio.TaskGroup) -> None:
        random = self.random
        visit = Visit(random.choice("abc"), random.randrange(9), random.random() < 0.1, random.random() < 0.1)
        self.visitors.append(Visitor(self.stage, group, visit))

    def _present(self) -> list[Visitor]:
        return [visitor for visitor in self.visitors if not visitor.task.done()]

    def _leaves(self) -> None:
        if present := self._present():
            self.random.choice(present).may_leave()

    def _goes(self) -> None:
        if present := self._present():
            self.random.choice(present).task.cancel()

    def _loses_contact(self) -> None:
        leases = [visitor.lease for visitor in self._present() if isinstance(visitor.lease, Lease)]
        if leases:
            self.random.choice(leases).lost_contact()

    def _sleeps(self) -> None:
        try:
            self.stage.engine.tell(SleepAsked(force=self.random.random() < 0.3))
        except EngineBusy:
            assert self.stage.engine.serving or self.stage.engine.waiting or self._present()

    def _grants(self) -> None:
        if self.stage.phase is QUEUED:
            self.stage.engine.tell(RoomGranted())

    def check(self) -> None:
        engine = self.stage.engine
        places = engine.spec.concurrency
        assert places is None or engine.serving <= places
        assert len(engine.queue()) == engine.waiting

    async def comes_to_rest(self) -> None:
        """Everybody leaves as soon as he is let in, and nothing else goes wrong."""
        engine = self.stage.engine
        engine.tell(RoomWanted(wanted=False))
        engine.tell(WarmthChanged(warm=False))
        for _ in range(2000):
            await calm()
            self._grants()
            for visitor in self._present():
                visitor.may_leave()
            if not self._present() and engine.phase not in (QUEUED, WAKING, STOPPING):
                break
            self.stage.clock.advance(1)
        assert self._present() == []
        assert (engine.serving, engine.waiting, engine._waiters, engine._served_since) == (0, 0, {}, {})
        for visitor in self.visitors:
            assert visitor.task.cancelled() or visitor.lease or isinstance(visitor.error, GatewayError)


@pytest.mark.parametrize("seed", range(40))
async def test_everybody_is_decided_about(seed: int) -> None:
    walk = Walk(Random(seed))
    async with asyncio.TaskGroup() as group, supervised(walk.stage):
        for _ in range(80):
            walk.step(group)
            walk.check()
            if walk.random.random() < 0.6:
                await calm()
        await walk.comes_to_rest()
