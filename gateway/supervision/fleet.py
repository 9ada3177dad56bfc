"""All engines together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from gateway.errors import UnknownEngine
from gateway.lifecycle.events import SleepAsked
from gateway.supervision.supervisor import Supervisor


class Fleet:
    """The supervisors by engine name. One broken engine never slows another: each has its own task."""

    def __init__(self, supervisors: Mapping[str, Supervisor]) -> None:
        self._supervisors = dict(supervisors)

    @property
    def all(self) -> list[Supervisor]:
        return list(self._supervisors.values())

    def get(self, name: str) -> Supervisor:
        """The supervisor of this engine. Raises UnknownEngine."""
        try:
            return self._supervisors[name]
        except KeyError:
            raise UnknownEngine(f"There is no engine called {name!r}.") from None

    @property
    def looked(self) -> bool:
        """Whether every engine's runtime has been inspected, so that what runs already has been adopted."""
        return all(supervisor.looked.is_set() for supervisor in self.all)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Supervise inside the block. Leaving it leaves the engines as they are."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(supervisor.run(), name=supervisor.name) for supervisor in self.all]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
        for supervisor in self.all:
            await supervisor.runtime.aclose()

    async def put_to_sleep(self, within: float) -> None:
        """Stop every engine, for `on_exit: stop`. Gives up, and says so, after `within` seconds."""
        for supervisor in self.all:
            supervisor.tell(SleepAsked(force=True))
        try:
            async with asyncio.timeout(within):
                for supervisor in self.all:
                    await supervisor.comes_to_rest()
        except TimeoutError:
            awake = [supervisor.name for supervisor in self.all if not supervisor.at_rest]
            structlog.get_logger().warning("gateway.engines_left_running", engines=awake)
