"""What is done for all engines together: room is shared out, warm hours are kept, and needs are measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from gateway.announcements import Announcements
from gateway.clock import Clock
from gateway.config import Config
from gateway.supervision.fleet import Fleet
from gateway.supervision.steward import Steward
from gateway.supervision.supervisor import Supervisor
from gateway.supervision.usage import Measuring
from gateway.supervision.warmth import Warmth, world_time


class Housekeeping:
    """fleet: whom it is done for; asked for when it is needed, because its engines need a seat to be made.

    world: the world's time, which may be set.
    """

    def __init__(
        self,
        fleet: Callable[[], Fleet],
        config: Config,
        clock: Clock | None = None,
        announce: Announcements | None = None,
        world: Callable[[], datetime] = world_time,
    ) -> None:
        self._config = config
        self.steward = Steward(lambda: [*fleet().all, *fleet().leaving], config.budget, clock, announce)
        self.warmth = Warmth(lambda: fleet().all, lambda: self._config.gateway.time_zone, clock, world)
        self.measuring = Measuring(lambda: self._measured(fleet()), clock, announce)

    def _measured(self, fleet: Fleet) -> list[Supervisor]:
        """Where nothing is said about what engines may take nobody asks what they do."""
        if self._config.budget is not None:
            return fleet.all
        return [engine for engine in fleet.all if engine.spec.needs.memory is not None]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside the block warm hours are kept and engines are measured. Room is shared out at all times."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.warmth.run()), group.create_task(self.measuring.run())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    def change(self, config: Config) -> None:
        """Go by this configuration from now on. The engines' own part of it is the fleet's business."""
        self._config = config
        self.steward.configure(config.budget)
        self.warmth.reconsider()
