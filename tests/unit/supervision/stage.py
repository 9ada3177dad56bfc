"""One supervised engine on a stage: its runtime, its probe and its clock are moved by the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from gateway.announcements import Announcements
from gateway.config.schema import EngineSpec, ProcessTarget
from gateway.lifecycle.phases import ASLEEP, READY, Phase
from gateway.runtimes.base import Address, Observation, Running
from gateway.runtimes.hints import Hints
from gateway.runtimes.memory import MemoryRuntime
from gateway.supervision.admission import PLAIN, Lease, Visit
from gateway.supervision.supervisor import Supervisor
from tests.fixtures.clock import FakeClock
from tests.fixtures.patience import PATIENCE

ADDRESS = Address("127.0.0.1", 8000)


class ScriptedProbe:
    """An engine's ready path. It says yes as long as `answering` is set, and else lets the asker wait.

    asked: the addresses that were asked. asking: how many wait for an answer now. fail_next: raised once.
    """

    def __init__(self) -> None:
        self.answering = asyncio.Event()
        self.answering.set()
        self.asked: list[Address] = []
        self.asking = 0
        self.fail_next: Exception | None = None

    async def __call__(self, address: Address) -> bool:
        self.asked.append(address)
        if error := self.fail_next:
            self.fail_next = None
            raise error
        self.asking += 1
        try:
            await self.answering.wait()
        finally:
            self.asking -= 1
        return True


class FragileRuntime(MemoryRuntime):
    """A memory runtime whose methods can be broken: `breaks["stop"] = [error, ...]`, raised one after another."""

    def __init__(self, address: Address, *, clock: FakeClock) -> None:
        super().__init__(address, clock=clock)
        self.breaks: dict[str, list[BaseException]] = {}
        self.ends_watch = False
        self._gates: dict[str, asyncio.Event] = {}

    def hold(self, name: str) -> asyncio.Event:
        """The next call of this method does its work, and returns only when the event is set."""
        self._gates[name] = asyncio.Event()
        return self._gates[name]

    def dies_unheard(self) -> None:
        """The program ends, and no event tells of it."""
        self._since = None

    def is_silent(self) -> None:
        """From now on no event tells of anything."""
        self._hints = Hints()

    def _break(self, name: str) -> None:
        if errors := self.breaks.get(name):
            raise errors.pop(0)

    async def _held(self, name: str) -> None:
        if gate := self._gates.pop(name, None):
            await gate.wait()

    async def start(self) -> Running:
        self._break("start")
        running = await super().start()
        with contextlib.suppress(asyncio.CancelledError):  # as a start that cannot be called back any more
            await self._held("start")
        return running

    async def stop(self) -> None:
        self._break("stop")
        await super().stop()

    async def inspect(self) -> Observation:
        self._break("inspect")
        seen = await super().inspect()
        await self._held("inspect")
        return seen

    async def answers(self) -> None:
        self._break("answers")
        await self._held("answers")
        await super().answers()

    async def watch(self) -> AsyncIterator[None]:
        watch = super().watch()
        assert isinstance(watch, AsyncGenerator)
        async with aclosing(watch) as hints:
            async for hint in hints:
                self._break("watch")
                yield hint
                if self.ends_watch:
                    return

    async def logs(self, tail: int) -> list[str]:
        self._break("logs")
        return await super().logs(tail)


class Stage:
    """The engine whisper: 900 s idle, 60 s to start, and no chance in it, unless a test says otherwise.

    What a supervisor is given beside its engine's settings: `room`, `budgeted`, `jitter`.
    """

    def __init__(
        self,
        name: str = "whisper",
        clock: FakeClock | None = None,
        runtime: FragileRuntime | None = None,
        announce: Announcements | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or FakeClock()
        self.runtime = runtime or FragileRuntime(ADDRESS, clock=self.clock)
        self.probe = ScriptedProbe()
        given: dict[str, Any] = {"announce": announce, "jitter": lambda: 1.0}
        given |= {name: settings.pop(name) for name in ("room", "budgeted", "jitter") if name in settings}
        words = {"idle_after": 900, "start_timeout": 60, **settings}
        target = ProcessTarget(command=("engine",))
        spec = EngineSpec(hosts=(f"{name}.test",), process=target, port=8000, **words)
        self.engine = Supervisor(name, spec, self.runtime, self.probe, self.clock, **given)

    @property
    def phase(self) -> Phase:
        return self.engine.phase

    async def reaches(self, *phases: Phase) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.engine.wait_for(*phases)

    async def is_ready(self) -> None:
        """Woken by a request, which has left."""
        async with asyncio.timeout(PATIENCE), self.engine.admitted():
            pass

    async def is_asleep(self) -> None:
        """Looked at, and found stopped."""
        async with asyncio.timeout(PATIENCE):
            await self.engine.looked.wait()
        assert self.phase is ASLEEP


@asynccontextmanager
async def staged(name: str = "whisper", *, running: bool = False, **settings: Any) -> AsyncIterator[Stage]:
    """A supervised engine that sleeps or, if the program is `running` already, is ready."""
    stage = Stage(name, **settings)
    if running:
        stage.runtime.start_by_hand()
    async with supervised(stage):
        if running:
            await stage.reaches(READY)
        else:
            await stage.is_asleep()
        yield stage


@asynccontextmanager
async def supervised(*stages: Stage) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stage.engine.run()) for stage in stages]
        try:
            yield
        finally:
            for task in tasks:
                assert not task.done(), "a supervisor has ended by itself"
                task.cancel()


class Visitor:
    """A request in a task of its own: waits for its lease, then holds it until it is told to leave."""

    def __init__(self, stage: Stage, group: asyncio.TaskGroup, visit: Visit = PLAIN) -> None:
        self.lease: Lease | None = None
        self.error: BaseException | None = None
        self._may_leave = asyncio.Event()
        self._decided = asyncio.Event()
        self.task = group.create_task(self._visit(stage, visit))

    async def _visit(self, stage: Stage, visit: Visit) -> None:
        try:
            async with stage.engine.admitted(visit) as self.lease:
                self._decided.set()
                await self._may_leave.wait()
        except Exception as error:
            self.error = error
        finally:
            self._decided.set()

    async def decided(self) -> Lease | BaseException:
        """The lease, or the error it was refused with."""
        async with asyncio.timeout(PATIENCE):
            await self._decided.wait()
        outcome = self.lease or self.error
        assert outcome is not None
        return outcome

    def may_leave(self) -> None:
        """As soon as it is let in, if it is not yet."""
        self._may_leave.set()

    async def leaves(self) -> None:
        self.may_leave()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self.task})


async def calm() -> None:
    """Let every task run until it waits for something that the test decides. No time passes."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """For what gives no signal: look after every step of the loop. No time passes."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to pass")
