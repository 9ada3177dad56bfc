"""A runtime without programs, for tests and demos: it does what it is told, and counts.

Nothing here takes time by itself. To hold a start or a stop, clear its gate; to let it go on, set it:

    runtime = MemoryRuntime(Address("127.0.0.1", 8000))
    runtime.start_gate.clear()      # a start now waits ...
    runtime.start_gate.set()        # ... and goes on
    runtime.fail_next_start(StartRefused("has no disk space left"))
    runtime.crash(exit_code=7)      # the program exits by itself
    runtime.available = False       # every call raises RuntimeUnavailable
    runtime.memory = 2**30          # what the program takes, as long as it runs
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from gateway.clock import Clock, SystemClock
from gateway.config.schema import EngineSpec
from gateway.errors import RuntimeTrouble, RuntimeUnavailable
from gateway.runtimes.base import Address, NotRunning, Observation, Running, Usage
from gateway.runtimes.hints import Hints

NEVER_STARTED = NotRunning("was never started")


class MemoryRuntime:
    """Stands for an engine at `address`, which may be a real server of the test's own or nothing at all.

    calls: names of the calls made, in order. starts, stops: how often the program was really started and stopped
    through this runtime. adjusted: what it was last told to go by.
    on_start, on_stop: called at these moments, to open and close a real server.
    """

    def __init__(self, address: Address, *, clock: Clock | None = None) -> None:
        self.address = address
        self.starts = 0
        self.stops = 0
        self.calls: list[str] = []
        self.available = True
        self.memory: int | None = None
        self.start_gate = _open_gate()
        self.stop_gate = _open_gate()
        self.on_start: Callable[[], None] = lambda: None
        self.on_stop: Callable[[], None] = lambda: None
        self.lines: list[str] = []
        self.adjusted: EngineSpec | None = None
        self._clock: Clock = clock or SystemClock()
        self._hints = Hints()
        self._failures: list[RuntimeTrouble] = []
        self._runs = 0
        self._since: float | None = None
        self._last: NotRunning = NEVER_STARTED

    def __repr__(self) -> str:
        state = f"run {self._runs}" if self.running else self._last.reason
        return f"<MemoryRuntime {self.address} {state}; starts={self.starts} stops={self.stops}>"

    # the runtime

    async def start(self) -> Running:
        """The program begins to run when the gate lets it; a start that is cancelled at the gate has begun nothing."""
        self._called("start")
        await self.start_gate.wait()
        if self._failures:
            raise self._failures.pop(0)
        if not self.running:
            self.starts += 1
            self._begin()
        return self._seen_running()

    async def stop(self) -> None:
        """The program goes on running until the gate lets it end."""
        self._called("stop")
        await self.stop_gate.wait()
        if self.running:
            self.stops += 1
            self._end(NotRunning("exited with code 0", exit_code=0))

    async def inspect(self) -> Observation:
        self._called("inspect")
        return self._seen_running() if self.running else self._last

    def watch(self) -> AsyncIterator[None]:
        return self._hints.listen()

    async def answers(self) -> None:
        self._called("answers")

    async def usage(self) -> Usage | None:
        self._called("usage")
        return Usage(self.memory) if self.running and self.memory is not None else None

    async def logs(self, tail: int) -> list[str]:
        self._called("logs")
        return self.lines[-tail:] if tail > 0 else []

    def adjust(self, spec: EngineSpec) -> None:
        self.adjusted = spec

    async def aclose(self) -> None:
        self.calls.append("aclose")

    # what a test does behind the supervisor's back

    @property
    def running(self) -> bool:
        return self._since is not None

    def fail_next_start(self, error: RuntimeTrouble) -> None:
        """The next start raises this; several are raised one after another."""
        self._failures.append(error)

    def crash(self, exit_code: int = 1, *, oom: bool = False) -> None:
        """The program exits by itself."""
        self._end(NotRunning(f"exited with code {exit_code}", exit_code, oom))

    def start_by_hand(self) -> None:
        """Somebody else starts the program; if it runs, restarts it."""
        self._end(NotRunning("was restarted by hand"))
        self._begin()

    def stop_by_hand(self) -> None:
        """Somebody else stops the program."""
        self.crash(exit_code=0)

    def hint(self) -> None:
        """Rings though nothing happened, as after a gap in the source of events."""
        self._hints.ring()

    # inside

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if not self.available:
            raise RuntimeUnavailable("is run by a runtime that does not answer")

    def _begin(self) -> None:
        self._runs += 1
        self._since = self._clock.monotonic()
        self.lines.append(f"run {self._runs} begins")
        self.on_start()
        self._hints.ring()

    def _end(self, how: NotRunning) -> None:
        if self.running:
            self._since, self._last = None, how
            self.lines.append(f"run {self._runs} {how.reason}")
            self.on_stop()
            self._hints.ring()

    def _seen_running(self) -> Running:
        age = self._clock.monotonic() - (self._since or 0.0)
        return Running(f"run-{self._runs}", self.address, age)


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate
