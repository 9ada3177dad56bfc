"""The engine's one task: performs the machine's orders one after another, and looks at the runtime between them.

The outcome of a command, or a look at the runtime, is news only if no start or stop was ordered since: `_ordered`
counts the orders given, `_performed` those carried out. So an observation is never older than our own intent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from gateway.clock import Clock, Timer, pause
from gateway.errors import EndedAtOnce, RuntimeTrouble, RuntimeUnavailable, Unanswered
from gateway.lifecycle import events as e
from gateway.lifecycle.commands import ProbeEngine, StartEngine, StopEngine
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.phases import FAILED, WAKING
from gateway.runtimes.base import Address, NotRunning, Running, Runtime
from gateway.supervision.last_words import log_last_words
from gateway.supervision.readiness import Probe, until_ready
from gateway.supervision.spells import Spells

WATCH_PAUSE = 1.0

LOOK_PAUSE = 10.0
"""Seconds until a look that failed is repeated: no event tells of what has been true all the time."""

SILENT_AFTER = 1.0
"""Seconds that a runtime may take to say anything at all, when it is asked whether it is there."""

Order = StartEngine | StopEngine | ProbeEngine


@dataclass(frozen=True, slots=True)
class Look:
    """Inspect the runtime and report what is true."""


class Performer:
    """Start, stop, look and probe for one engine. What comes of it is told to `tell`.

    machine: only read. address: where the engine listens, as seen last. running_since: when its program was started.
    looked: set when the runtime has been inspected once, or could not be. answered: set as long as the runtime is not
    silent, by the last look or stop. probe: may be replaced. stop_failed: the last one.
    """

    def __init__(
        self,
        machine: EngineMachine,
        runtime: Runtime,
        probe: Probe,
        clock: Clock,
        *,
        tell: Callable[[e.Event], None],
        spells: Spells,
        jitter: Callable[[], float],
        log: Any,
    ) -> None:
        self.looked = asyncio.Event()
        self.answered = asyncio.Event()
        self.address: Address | None = None
        self.running_since: float | None = None
        self.stop_failed = False
        self._machine = machine
        self._runtime = runtime
        self.probe = probe
        self._clock = clock
        self._tell = tell
        self._spells = spells
        self._jitter = jitter
        self._log = log
        self._todo: asyncio.Queue[tuple[int, Order | Look]] = asyncio.Queue()
        self._ordered = 0
        self._performed = 0
        self._silent = False  # the runtime, about the newest order
        self._tasks: asyncio.TaskGroup | None = None
        self._look_queued = False
        self._next_look: Timer | None = None
        self._starting: asyncio.Task[Running | RuntimeTrouble] | None = None
        self._probing: asyncio.Task[None] | None = None

    @property
    def up_to_date(self) -> bool:
        """Whether every start and stop that was ordered has been carried out."""
        return self._ordered == self._performed

    def order(self, command: Order) -> None:
        """Perform it, when what was ordered before is done. A stop ends a start that is under way."""
        if isinstance(command, StopEngine) and self._starting is not None:
            self._starting.cancel()
        if not isinstance(command, ProbeEngine):
            self.give_up_probe()
            self._ordered += 1
            self._silent = False
        self._todo.put_nowait((self._ordered, command))

    def look_again(self) -> None:
        """Something may have changed."""
        if not self._look_queued:
            self._look_queued = True
            self._todo.put_nowait((self._ordered, Look()))

    def give_up_probe(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            self._probing = None

    def ask_first(self, then: Callable[[], None]) -> None:
        """Find out whether the runtime answers at all, and tell of it if it does not; then do this."""
        if self._tasks is None:
            then()
        else:
            self._tasks.create_task(self._ask_first(then))

    async def _ask_first(self, then: Callable[[], None]) -> None:
        ordered = self._ordered
        try:
            async with asyncio.timeout(SILENT_AFTER):
                await self._runtime.answers()
        except (TimeoutError, RuntimeUnavailable) as silence:
            reason = getattr(silence, "message", "is run by a runtime that does not answer")
            if ordered == self._ordered and not self.up_to_date:
                self._note_silence(reason)
            elif ordered == self._ordered and self._machine.phase is WAKING:
                self._tell(e.RuntimeSilent(reason))  # somebody else's start: whether it still runs cannot be asked
        except RuntimeTrouble:
            pass  # that is an answer
        except Exception:  # ours; whether the runtime answers is not known, then
            self._log.exception("engine.inspect_broke")
        try:
            then()
        except Exception:  # ours; the other engines go on
            self._log.exception("engine.supervision_broke", doing="ask_first")

    async def done(self) -> None:
        """Return when nothing is left to do."""
        await self._todo.join()

    async def run(self) -> None:
        """Perform orders, for ever. Cancel to end; the engine is left as it is."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._watch())
            while True:
                order, item = await self._todo.get()
                try:
                    await self._do(order, item, tasks)
                except Exception:  # ours; the engine's next alarm brings it back on its feet
                    self._log.exception("engine.supervision_broke", doing=type(item).__name__)
                    self._performed = max(self._performed, order)
                finally:
                    self._todo.task_done()

    async def _do(self, order: int, item: Order | Look, tasks: asyncio.TaskGroup) -> None:
        match item:
            case StartEngine():
                await self._start(order, tasks)
            case StopEngine():
                await self._stop(order)
            case ProbeEngine(attempt):
                self._begin_probe(attempt, tasks)
            case Look():
                await self._look()
            case _:
                assert_never(item)

    async def _start(self, order: int, tasks: asyncio.TaskGroup) -> None:
        if order != self._ordered:
            self._performed = order  # a stop was ordered before we came to it
            return
        self._starting = tasks.create_task(self._try_start(order))
        await asyncio.wait({self._starting})
        starting, self._starting = self._starting, None
        self._performed = order
        if order != self._ordered or starting.cancelled():
            return
        match starting.result():
            case Running() as running:
                self._note_running(running)
                self._tell(e.Started(running.instance))
            case RuntimeTrouble() as trouble:
                meant = isinstance(trouble, EndedAtOnce) and trouble.meant
                self._tell(e.StartFailed(trouble.message, trouble.public, meant))

    async def _try_start(self, order: int) -> Running | RuntimeTrouble:
        """Trouble is returned, not raised: an exception in a task would end its group, and with it the supervisor.

        As long as the runtime does not answer it is tried again; the start alarm ends that.
        """
        try:
            for seconds in pauses():
                try:
                    return await self._runtime.start()
                except RuntimeUnavailable as silence:
                    if order != self._ordered:
                        return silence
                    self._note_silence(silence.message)
                await pause(self._clock, seconds * self._jitter())
        except RuntimeTrouble as trouble:
            return trouble
        except Exception:  # our mistake; it fails this engine alone
            self._log.exception("engine.start_broke")
        return RuntimeTrouble("could not be handled by the gateway, whose log says why")

    def _note_silence(self, reason: str, event: str = "engine.start_delayed") -> None:
        if not self._silent:
            self._silent = True
            self._log.warning(event, reason=reason)
            self._tell(e.RuntimeSilent(reason))

    async def _stop(self, order: int) -> None:
        event: e.Event = e.Stopped()
        silent = False
        if self._machine.phase is FAILED:
            await log_last_words(self._runtime, self._log)
        try:
            await self._try_stop()
        except RuntimeTrouble as error:
            self._log.warning("engine.stop_failed", reason=error.message)
            event = e.StopFailed(error.message)
            silent = isinstance(error, RuntimeUnavailable)
        except Exception:  # ours; whether it runs is looked at again
            self._log.exception("engine.stop_broke")
            event = e.StopFailed("failed in a way the gateway did not expect")
        self._performed = order
        self.stop_failed = isinstance(event, e.StopFailed)
        self._note_answer(silent=silent)
        if self.stop_failed:
            self.look_again()  # ahead of the probe that follows: which run there is to probe, if any, must be seen
        self._tell(event)

    async def _try_stop(self) -> None:
        """Raises RuntimeTrouble.

        A stop without an answer may still be carried out, on an engine that serves again by then. So it is repeated
        until there is one: after that nothing is left of it.
        """
        pending = False
        for seconds in pauses():
            try:
                await self._runtime.stop()
            except RuntimeUnavailable as silence:
                pending |= isinstance(silence, Unanswered)
                if not pending:
                    raise
                self._note_silence(silence.message, "engine.stop_delayed")
            else:
                return
            await pause(self._clock, seconds * self._jitter())

    def _begin_probe(self, attempt: int, tasks: asyncio.TaskGroup) -> None:
        self.give_up_probe()
        if self.address is not None and self._machine.phase is WAKING:
            self._probing = tasks.create_task(self._until_ready(attempt))

    async def _until_ready(self, attempt: int) -> None:
        try:
            await until_ready(self._ask)
            self._probing = None
            self._tell(e.BecameReady(attempt))
        except Exception:  # ours; the start alarm ends the wait
            self._log.exception("engine.probe_broke")

    async def _ask(self) -> bool:
        """At the address known now: it may change while the engine runs, when its networks change."""
        return self.address is not None and await self.probe(self.address)

    async def _look(self) -> None:
        self._look_queued = False
        ordered = self._ordered
        if ordered != self._performed:
            self.look_again()  # behind the order that is still to be performed
            return
        try:
            seen = await self._runtime.inspect()
        except RuntimeTrouble as error:
            self._log.warning("engine.not_inspected", reason=error.message, again_in=LOOK_PAUSE)
            self._look_later(silent=isinstance(error, RuntimeUnavailable))
            return
        except Exception:  # ours; the next look may be luckier
            self._log.exception("engine.inspect_broke")
            self._look_later(silent=False)
            return
        if ordered != self._ordered:
            self.look_again()
            return
        match seen:
            case Running():
                self._note_running(seen)
                self._tell(e.SeenRunning(seen.instance))
            case NotRunning():
                await self._seen_stopped(seen)
            case _:
                assert_never(seen)
        self._note_answer(silent=False)
        self.looked.set()

    def _note_answer(self, *, silent: bool) -> None:
        if silent:
            self.answered.clear()
        else:
            self.answered.set()

    async def _seen_stopped(self, seen: NotRunning) -> None:
        died = self._machine.instance is not None and seen.exit_code not in (0, None)
        self._tell(e.SeenStopped(reason_of(seen), seen.crashed, self._spells.steady, seen.meant))
        if died and (self._machine.phase is not FAILED or self._machine.at_rest):  # else the stop to come logs them
            await log_last_words(self._runtime, self._log)

    def _look_later(self, *, silent: bool) -> None:
        self._note_answer(silent=silent)
        self.looked.set()
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = self._clock.call_later(LOOK_PAUSE, self.look_again)

    async def _watch(self) -> None:
        while True:
            try:
                async for _ in self._runtime.watch():
                    self.look_again()
            except Exception:  # ours; the looks by the clock go on
                self._log.exception("engine.watch_broke")
            await asyncio.sleep(WATCH_PAUSE)  # a runtime's watch should not end; never spin if it does

    def _note_running(self, running: Running) -> None:
        self.address = running.address
        self.running_since = self._clock.monotonic() - running.age


def reason_of(seen: NotRunning) -> str:
    """Says so if it was killed for want of memory, whatever the runtime makes of that."""
    return f"{seen.reason}, out of memory" if seen.oom and "memory" not in seen.reason else seen.reason


def pauses() -> Iterator[float]:
    """Seconds before the next try of what the runtime did not answer: 0.1, 0.2, 0.4, … and at most 2."""
    seconds = 0.1
    while True:
        yield seconds
        seconds = min(2 * seconds, 2.0)
