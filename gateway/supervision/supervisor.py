"""One engine's supervisor: hands events to the machine and performs its commands.

`tell` is the only way to change the engine. It is a plain call: leases are granted and refused in the same step, and
what needs time (start, stop, look) is put in order for the engine's one task. Alarms and the probe run beside that
task and report back through `tell`.

The outcome of a command, or a look at the runtime, is news only if no start or stop was ordered since: `_ordered`
counts the orders given, `_performed` those carried out. So an observation is never older than our own intent.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import assert_never

import structlog

from gateway.clock import Clock, SystemClock, Timer
from gateway.config.schema import EngineSpec
from gateway.errors import EngineCoolingDown, GatewayError, RuntimeTrouble
from gateway.lifecycle import events as e
from gateway.lifecycle.commands import Admit, Command, ProbeEngine, Refuse, SetAlarm, StartEngine, StopEngine
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.phases import ASLEEP, FAILED, READY, WAKING, Phase
from gateway.lifecycle.policy import Policy
from gateway.runtimes.base import Address, NotRunning, Running, Runtime
from gateway.supervision.admission import Admission, Lease, Target
from gateway.supervision.last_words import log_last_words
from gateway.supervision.phase_log import log_phase
from gateway.supervision.readiness import Probe, until_ready

WATCH_PAUSE = 1.0

LOOK_PAUSE = 10.0
"""Seconds until a look that failed is repeated: no event tells of what has been true all the time."""


@dataclass(frozen=True, slots=True)
class Look:
    """Inspect the runtime and report what is true."""


Todo = StartEngine | StopEngine | ProbeEngine | Look


class Supervisor:
    """Joins one engine's machine with its runtime."""

    def __init__(self, name: str, spec: EngineSpec, runtime: Runtime, probe: Probe, clock: Clock | None = None) -> None:
        self.name = name
        self.spec = spec
        self.runtime = runtime
        self.looked = asyncio.Event()
        """Set when the runtime has been inspected once, or could not be."""
        self._machine = EngineMachine(name, Policy(spec.idle_after, spec.start_timeout))
        self._probe = probe
        self._clock = clock or SystemClock()
        self._address: Address | None = None
        self._tickets = itertools.count(1)
        self._admissions: dict[int, asyncio.Future[Target]] = {}
        self._todo: asyncio.Queue[tuple[int, Todo]] = asyncio.Queue()
        self._ordered = 0
        self._performed = 0
        self._look_queued = False
        self._next_look: Timer | None = None
        self._starting: asyncio.Task[Running | RuntimeTrouble] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._alarm: Timer | None = None
        self._alarm_due = 0.0
        self._phase_seen = self._machine.phase
        self._phase_since = self._clock.monotonic()
        self._running_since: float | None = None
        self._phase_waiters: dict[asyncio.Future[Phase], tuple[Phase, ...]] = {}
        self._log = structlog.get_logger().bind(engine=name)

    def __repr__(self) -> str:
        idle = self.idle_in
        return repr(self._machine).removesuffix(">") + (f" idle in {idle:.0f}s>" if idle is not None else ">")

    # What can be seen from outside. Advisory: whoever wants to change something tells.

    @property
    def phase(self) -> Phase:
        return self._machine.phase

    @property
    def serving(self) -> int:
        return len(self._machine.serving)

    @property
    def waiting(self) -> int:
        return len(self._machine.waiting)

    @property
    def failure(self) -> str | None:
        """Why the engine could not be woken the last time; None after a success."""
        return self._machine.failure

    @property
    def at_rest(self) -> bool:
        """Whether the engine sleeps or has failed, and no stop is under way any more."""
        return self.phase in (ASLEEP, FAILED) and self._ordered == self._performed

    @property
    def in_phase_for(self) -> float:
        """Seconds since the phase last changed."""
        return self._clock.monotonic() - self._phase_since

    @property
    def uptime(self) -> float | None:
        """Seconds since the engine's program was started; None while it does not run, as far as we know."""
        if self._running_since is None or self._machine.instance is None or self.phase in (ASLEEP, FAILED):
            return None
        return self._clock.monotonic() - self._running_since

    @property
    def idle_in(self) -> float | None:
        """Seconds until an idle engine is stopped; None while it is not idle, or never stopped for that."""
        if self.phase is not READY or self.serving or self.spec.idle_after is None:
            return None
        return max(0.0, self._alarm_due - self._clock.monotonic())

    # Events

    def admitted(self) -> Admission:
        """`async with engine.admitted() as lease:` waits for the engine, and holds it awake inside the block.

        Raises an EngineTrouble when the engine cannot be had.
        """
        return Admission(self)

    @property
    def ready_at(self) -> Address | None:
        """Where the engine listens, if it is ready now."""
        return self._address if self.phase is READY else None

    def admit_at_once(self) -> Lease:
        """A lease on an engine that is ready now, without a block. Whoever gets it must leave."""
        ticket, target = self.arrive()
        assert isinstance(target, Target), "only a ready engine admits at once"
        return Lease(self, ticket, target, waited=False)

    def arrive(self) -> tuple[int, Target | asyncio.Future[Target]]:
        """A request wants in. Returns its ticket, and where it may go at once, or else what it has to wait for."""
        ticket = next(self._tickets)
        commands = self._machine.handle(e.RequestArrived(ticket))
        if len(commands) == 1 and type(commands[0]) is Admit:
            return ticket, self._target()
        future: asyncio.Future[Target] = asyncio.get_running_loop().create_future()
        self._admissions[ticket] = future
        self._after(commands)
        return ticket, future

    def leave(self, ticket: int) -> None:
        """The request with this ticket is over, whether it was ever admitted or not."""
        self._admissions.pop(ticket, None)
        self._perform(self._machine.handle(e.RequestLeft(ticket)))

    def holds(self, ticket: int) -> bool:
        return ticket in self._machine.serving

    def tell(self, event: e.Event) -> None:
        """Hand an event to the machine and see to its commands. Raises what the machine raises."""
        self._after(self._machine.handle(event), event)

    def _target(self) -> Target:
        assert self._address is not None, "admitted, yet never seen running"
        assert self._machine.instance is not None
        return Target(self._address, self._machine.instance)

    def lost_contact(self, instance: str) -> None:
        """A connection to the program `instance` was refused: probe it again, and look whether it still runs."""
        self.tell(e.LostContact(instance))
        self._look_again()

    async def wait_for(self, *phases: Phase) -> Phase:
        """Return when the engine is in one of these phases, be it for a moment; says which."""
        if self.phase in phases:
            return self.phase
        waiter: asyncio.Future[Phase] = asyncio.get_running_loop().create_future()
        self._phase_waiters[waiter] = phases
        try:
            return await waiter
        finally:
            del self._phase_waiters[waiter]

    async def comes_to_rest(self) -> None:
        """Return when the engine is at rest."""
        await self.wait_for(ASLEEP, FAILED)
        await self._todo.join()

    def _after(self, commands: list[Command], event: e.Event | None = None) -> None:
        if self.phase is not WAKING:
            self._give_up_probe()
        self._perform(commands)
        if self.phase is not self._phase_seen:
            self._phase_changed(event)

    # Commands

    def _perform(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Admit(ticket):
                    self._resolve(ticket, None)
                case Refuse(ticket, error):
                    self._resolve(ticket, error)
                case SetAlarm(token, seconds):
                    self._set_alarm(token, seconds)
                case StartEngine() | StopEngine() | ProbeEngine():
                    self._order(command)
                case _:
                    raise AssertionError(f"unknown command {command}")

    def _resolve(self, ticket: int, error: GatewayError | None) -> None:
        future = self._admissions.pop(ticket, None)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(self._target())
            return
        if isinstance(error, EngineCoolingDown) and self._ordered == self._performed:  # else it has not begun yet
            error.retry_after = max(1.0, self._alarm_due - self._clock.monotonic())
        future.set_exception(error)

    def _set_alarm(self, token: int, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_due = self._clock.monotonic() + seconds
        self._alarm = self._clock.call_later(seconds, lambda: self.tell(e.AlarmRang(token)))

    def _order(self, command: StartEngine | StopEngine | ProbeEngine) -> None:
        if isinstance(command, StopEngine) and self._starting is not None:
            self._starting.cancel()
        if not isinstance(command, ProbeEngine):
            self._give_up_probe()
            self._ordered += 1
        self._todo.put_nowait((self._ordered, command))

    # The engine's one task

    async def run(self) -> None:
        """Perform commands in order, for ever. Cancel to end; the engine is left as it is."""
        async with asyncio.TaskGroup() as tasks:
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

    async def _do(self, order: int, item: Todo, tasks: asyncio.TaskGroup) -> None:
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
        self._starting = tasks.create_task(self._try_start())
        await asyncio.wait({self._starting})
        starting, self._starting = self._starting, None
        self._performed = order
        if order != self._ordered or starting.cancelled():
            return
        match starting.result():
            case Running() as running:
                self._note_running(running)
                self.tell(e.Started(running.instance))
            case RuntimeTrouble() as trouble:
                self.tell(e.StartFailed(trouble.message, trouble.public))

    async def _try_start(self) -> Running | RuntimeTrouble:
        """Trouble is returned, not raised: an exception in a task would end its group, and with it the supervisor."""
        try:
            return await self.runtime.start()
        except RuntimeTrouble as trouble:
            return trouble
        except Exception:  # our mistake; it fails this engine alone
            self._log.exception("engine.start_broke")
            return RuntimeTrouble("could not be handled by the gateway, whose log says why")

    async def _stop(self, order: int) -> None:
        event: e.Event = e.Stopped()
        if self.phase is FAILED:
            await log_last_words(self.runtime, self._log)
        try:
            await self.runtime.stop()
        except RuntimeTrouble as error:
            self._log.warning("engine.stop_failed", reason=error.message)
            event = e.StopFailed(error.message)
        except Exception:
            self._log.exception("engine.stop_broke")
            event = e.StopFailed("failed in a way the gateway did not expect")
        self._performed = order
        if isinstance(event, e.StopFailed):
            self._look_again()  # ahead of the probe that follows: which run there is to probe, if any, must be seen
        self.tell(event)

    def _begin_probe(self, attempt: int, tasks: asyncio.TaskGroup) -> None:
        self._give_up_probe()
        if self._address is not None and self.phase is WAKING:
            self._probing = tasks.create_task(self._until_ready(attempt))

    async def _until_ready(self, attempt: int) -> None:
        try:
            await until_ready(self._ask)
            self._probing = None
            self.tell(e.BecameReady(attempt))
        except Exception:  # ours; the start alarm ends the wait
            self._log.exception("engine.probe_broke")

    async def _ask(self) -> bool:
        """At the address known now: it may change while the engine runs, when its networks change."""
        return self._address is not None and await self._probe(self._address)

    def _give_up_probe(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            self._probing = None

    async def _look(self) -> None:
        self._look_queued = False
        ordered = self._ordered
        if ordered != self._performed:
            self._look_again()  # behind the order that is still to be performed
            return
        try:
            seen = await self.runtime.inspect()
        except RuntimeTrouble as error:
            self._log.warning("engine.not_inspected", reason=error.message, again_in=LOOK_PAUSE)
            self._look_later()
            return
        except Exception:
            self._log.exception("engine.inspect_broke")
            self._look_later()
            return
        if ordered != self._ordered:
            self._look_again()
            return
        match seen:
            case Running():
                self._note_running(seen)
                self.tell(e.SeenRunning(seen.instance))
            case NotRunning(reason, exit_code):
                crashed = self._machine.instance is not None and exit_code not in (0, None)
                self.tell(e.SeenStopped(reason))
                if crashed and self.phase is not FAILED:  # a failed start has its last words logged on its way
                    await log_last_words(self.runtime, self._log)
            case _:
                assert_never(seen)
        self.looked.set()

    def _look_later(self) -> None:
        self.looked.set()
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = self._clock.call_later(LOOK_PAUSE, self._look_again)

    def _look_again(self) -> None:
        if not self._look_queued:
            self._look_queued = True
            self._todo.put_nowait((self._ordered, Look()))

    async def _watch(self) -> None:
        while True:
            try:
                async for _ in self.runtime.watch():
                    self._look_again()
            except Exception:
                self._log.exception("engine.watch_broke")
            await asyncio.sleep(WATCH_PAUSE)  # a runtime's watch should not end; never spin if it does

    def _note_running(self, running: Running) -> None:
        self._address = running.address
        self._running_since = self._clock.monotonic() - running.age

    def _phase_changed(self, event: e.Event | None) -> None:
        after = round(self.in_phase_for, 3)
        self._phase_seen = self.phase
        self._phase_since = self._clock.monotonic()
        for waiter, phases in self._phase_waiters.items():
            if self.phase in phases and not waiter.done():
                waiter.set_result(self.phase)
        log_phase(self._log, self._machine, event, after)
