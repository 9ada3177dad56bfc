"""A fleet whose configuration changes, on memory runtimes that know when two of them would be in each other's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.config.schema import DockerTarget, EngineSpec, ProcessTarget
from gateway.runtimes.base import Address
from gateway.runtimes.memory import MemoryRuntime
from gateway.supervision.fleet import Fleet
from gateway.supervision.readiness import Probe
from gateway.supervision.supervisor import Supervisor
from tests.fixtures.clock import FakeClock
from tests.fixtures.patience import PATIENCE

ADDRESS = Address("127.0.0.1", 8000)


def contained(container: str, **settings: Any) -> EngineSpec:
    """An engine in a container of this name."""
    hosts = settings.pop("hosts", (f"{container}.test",))
    return EngineSpec(hosts=hosts, docker=DockerTarget(container=container), port=8000, **settings)


def commanded(port: int, **settings: Any) -> EngineSpec:
    """An engine that is a command on this port."""
    return EngineSpec(hosts=(f"p{port}.test",), process=ProcessTarget(command=("engine",)), port=port, **settings)


class TownHall:
    """Hires supervisors. running: which containers or ports run now; two at once on one are a mistake.

    hired: all supervisors that there ever were, by engine. closed: how many runtimes have been given back.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hired: dict[str, list[Supervisor]] = {}
        self.runtimes: list[MemoryRuntime] = []
        self.containers: dict[object, MemoryRuntime] = {}
        self.fleet = Fleet({}, self)

    def supervisor(self, name: str, spec: EngineSpec) -> Supervisor:
        what = spec.docker.container if spec.docker else spec.port
        runtime = Contained(self, what, self.clock)
        self.runtimes.append(runtime)
        supervisor = Supervisor(name, spec, runtime, self.probe(spec), self.clock)
        self.hired.setdefault(name, []).append(supervisor)
        return supervisor

    def budgeted(self, spec: EngineSpec) -> bool:
        return False

    def probe(self, spec: EngineSpec) -> Probe:
        async def ready(_: Address) -> bool:
            return True

        return ready

    @property
    def running(self) -> list[object]:
        return [runtime.what for runtime in self.runtimes if isinstance(runtime, Contained) and runtime.running]


class Contained(MemoryRuntime):
    """Runs something that no other may run at the same time."""

    def __init__(self, hall: TownHall, what: object, clock: FakeClock) -> None:
        super().__init__(ADDRESS, clock=clock)
        self.what = what
        self._hall = hall
        self.on_start = self._alone

    def _alone(self) -> None:
        assert self._hall.running.count(self.what) == 1, f"{self.what} runs twice"


@asynccontextmanager
async def town(**specs: EngineSpec) -> AsyncIterator[TownHall]:
    """With these engines; none is left behind half retired."""
    hall = TownHall()
    async with hall.fleet.running():
        hall.fleet.apply(specs)
        async with asyncio.timeout(PATIENCE):
            yield hall
