"""One engine's supervisor: hands events to the machine and sees to its commands.

`tell` is the only way to change the engine. It is a plain call: leases are granted and refused in the same step, and
what needs time (start, stop, look) is put in order for the engine's one task, the `Performer`. Alarms and the probe run
beside that task and report back through `tell`.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Callable

import structlog

from gateway.announcements import Announcements, PhaseChanged
from gateway.clock import Clock, SystemClock, Timer
from gateway.config.schema import EngineSpec
from gateway.errors import EngineCoolingDown, EngineRemoved, GatewayError, QueueFull, QueueTimeout
from gateway.lifecycle import events as e
from gateway.lifecycle.commands import (
    Admit,
    AlarmKind,
    AskRoom,
    Command,
    GiveUpRoom,
    ProbeEngine,
    Refuse,
    SetAlarm,
    StartEngine,
    StopEngine,
)
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.phases import ASLEEP, FAILED, READY, WAKING, Phase
from gateway.lifecycle.policy import Policy
from gateway.runtimes.base import Address, Runtime
from gateway.supervision.admission import PLAIN, Admission, Lease, Target, Visit
from gateway.supervision.alarm import Alarm
from gateway.supervision.learned import Learned
from gateway.supervision.performer import Performer
from gateway.supervision.phase_log import cause_of, log_phase
from gateway.supervision.readiness import Probe
from gateway.supervision.room import HeldBack, NullRoom, Room
from gateway.supervision.sight import Sight, Waiter
from gateway.supervision.spells import Spells
from gateway.supervision.waking import Waking

STOP_PAUSE = 5.0
"""Seconds of idle time at least, after a stop that failed: an engine that leaves has none of its own."""


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311 - no secret


class Supervisor(Sight):
    """Joins one engine's machine with its runtime."""

    def __init__(
        self,
        name: str,
        spec: EngineSpec,
        runtime: Runtime,
        probe: Probe,
        clock: Clock | None = None,
        *,
        announce: Announcements | None = None,
        room: Room | None = None,
        budgeted: bool = False,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        """`budgeted`: it has to ask `room` before it starts. jitter: by how much a rest is longer or shorter."""
        self.name = name
        self.spec = spec
        self.runtime = runtime
        self.learned = Learned()
        self.measured = None
        self._machine = EngineMachine(name, policy_of(spec, budgeted=budgeted))
        self._clock = clock or SystemClock()
        self._announce = announce or Announcements()
        self._waking = Waking(name, self._clock, self._announce)
        self._room = room or NullRoom()
        self._budgeted = budgeted
        self._held_back: HeldBack | None = None
        self._closed = False
        self._departures: asyncio.Event | None = None
        self._jitter = jitter
        self._tickets = itertools.count(1)
        self._waiters: dict[int, Waiter] = {}
        self._served_since: dict[int, float] = {}  # kept only if the engine serves not everybody at once
        self._last_used = self._clock.monotonic()
        self._alarm = Alarm(self._clock, self._alarm_rings)
        self._phase_seen = self._machine.phase
        self._spells = Spells(self._clock, self.learned.wakes)
        self._phase_waiters: dict[asyncio.Future[Phase], tuple[Phase, ...]] = {}
        self._log = structlog.get_logger().bind(engine=name)
        self._performer = Performer(
            self._machine,
            runtime,
            probe,
            self._clock,
            tell=self.tell,
            spells=self._spells,
            jitter=jitter,
            log=self._log,
        )

    # Events

    def admitted(self, visit: Visit = PLAIN, held: Callable[[], None] | None = None) -> Admission:
        """`async with engine.admitted(visit) as lease:` waits for the engine, and holds it awake inside the block.

        held: called once if the request has to wait and was not refused at once. Raises an EngineTrouble when the
        engine cannot be had, and NotAwake for a quiet visit that would have to wait.
        """
        return Admission(self, visit, held)

    @property
    def ready_at(self) -> Address | None:
        """Where the engine listens, if it is ready now."""
        return self._performer.address if self._machine.phase is READY else None

    def admit_at_once(self) -> Lease | None:
        """A lease without a block, if the engine is ready and has room for one more. Whoever gets it must leave."""
        ticket = next(self._tickets)
        if not self._machine.admit_at_once(ticket):
            return None
        if self.spec.concurrency is not None:
            self._served_since[ticket] = self._clock.monotonic()
        return Lease(self, ticket, self._target(), waited=False)

    def arrive(self, visit: Visit = PLAIN) -> tuple[int, Target | asyncio.Future[Target]]:
        """A request wants in. Returns its ticket, and where it may go at once, or else what it has to wait for.

        Raises EngineRemoved if this supervisor has wound up.
        """
        if self._closed:
            raise EngineRemoved(f"{self.name} was removed or replaced a moment ago.", retry_after=1)
        ticket = next(self._tickets)
        if not visit.quiet and self._machine.admit_at_once(ticket):
            if self.spec.concurrency is not None:
                self._served_since[ticket] = self._clock.monotonic()
            return ticket, self._target()
        future: asyncio.Future[Target] = asyncio.get_running_loop().create_future()
        self._waiters[ticket] = Waiter(future, visit, self._clock.monotonic())
        self.tell(e.RequestArrived(ticket, visit.party, visit.size, visit.again, visit.quiet))
        return ticket, future

    def limit(self, future: asyncio.Future[Target]) -> Timer:
        """Refuse who waits for this when `queue.max_wait` is over."""
        seconds = self.spec.queue.max_wait

        def too_late() -> None:
            if not future.done():
                error = QueueTimeout(f"{self.name} had no time for this request within {seconds:g} s")
                future.set_exception(self._explained(error))

        return self._clock.call_later(seconds, too_late)

    def leave(self, ticket: int, *, served: bool = True) -> None:
        """The request with this ticket is over, whether it was ever admitted or not. served: answered to the end."""
        if self._departures is not None:
            self._departures.set()  # who waits for it goes on when this step is over
        if self._waiters:
            self._waiters.pop(ticket, None)
        if self._served_since and (since := self._served_since.pop(ticket, None)) is not None and served:
            self.learned.services.add(self._clock.monotonic() - since)
        if self._machine.policy.budgeted:
            self._last_used = self._clock.monotonic()
        if served and self._machine.leave_at_once(ticket):
            return
        event = e.RequestLeft(ticket, served)
        if commands := self._machine.handle(event):
            if self._machine.phase is self._phase_seen:
                self._perform(commands)  # the idle alarm, mostly: nearly every request ends like this
            else:
                self._see_to(commands, event)

    def holds(self, ticket: int) -> bool:
        return ticket in self._machine.serving or ticket in self._machine.quiet

    def runs(self, instance: str) -> bool:
        return self._machine.instance == instance

    def tell(self, event: e.Event) -> None:
        """Hand an event to the machine and see to its commands. Raises what the machine raises."""
        commands = self._machine.handle(event)
        self._account_for_room(event)
        self._see_to(commands, event)

    def _alarm_rings(self, token: int) -> None:
        """Who waits for a wake is told whose fault that is, and so perhaps a second later."""
        answered = self._performer.up_to_date and self._performer.answered.is_set()
        if self.phase is WAKING and not answered:
            self._performer.ask_first(lambda: self.tell(e.AlarmRang(token)))
        else:
            self.tell(e.AlarmRang(token))

    def _see_to(self, commands: list[Command], event: e.Event) -> None:
        self._waking.heard(event, self.phase)
        if self.phase is not WAKING:
            self._performer.give_up_probe()
        self._perform(commands)
        if self.phase is not self._phase_seen:
            self._phase_changed(event)
        elif self.phase is WAKING and isinstance(event, e.SeenStopped | e.StartFailed):
            self._log.warning("engine.started_again", reason=event.reason, waiting=self.waiting)

    def reconfigure(self, spec: EngineSpec, probe: Probe | None = None, *, budgeted: bool = False) -> None:
        """Other settings count from now on. What runs goes on, and who waits is let in if there is room now."""
        self.spec = spec
        self.runtime.adjust(spec)
        self._performer.probe = probe or self._performer.probe
        self._budgeted = budgeted
        self._settle()

    def hold_back(self) -> None:
        """Before `run`: who comes has to wait until `let_begin`, in the same order and with the same limits."""
        self._held_back = HeldBack(self._room)
        self._settle()

    @property
    def held_back(self) -> bool:
        """Whether it may not begin yet."""
        return self._held_back is not None

    @property
    def budgeted(self) -> bool:
        """Whether it has to ask for room before it starts."""
        return self._budgeted

    def let_begin(self) -> None:
        """What was in its way is gone."""
        held, self._held_back = self._held_back, None
        self._settle()
        if held is not None and self._budgeted:
            held.pass_on()

    async def wind_up(self) -> None:
        """Serve whom it has, and put the engine to sleep when the last of them has left. After that, admit nobody.

        While the runtime does not answer, the engine may run: somebody has to be there when it is seen.
        """
        await self.looked.wait()
        if self._machine.warm:
            self.tell(e.WarmthChanged(warm=False))
        self.reconfigure(self.spec.model_copy(update={"idle_after": 0.0, "min_awake": 0.0}), budgeted=self._budgeted)
        self._departures = asyncio.Event()
        answered = self._performer.answered
        while self.serving or self.waiting or not self.at_rest or not answered.is_set():
            if self.at_rest and not self.serving and not self.waiting:
                self.tell(e.SleepAsked(force=True))  # nobody is there: takes back what it would still be woken for
                await answered.wait()
            elif self.phase is FAILED and self.waiting:  # who was served when it crashed is held until it has rested
                await self.wait_for(*(phase for phase in Phase if phase is not FAILED))
            elif self.at_rest:  # it has died: whom it served find out now, and some come in again
                await self._departures.wait()
                self._departures.clear()
            else:
                await self.comes_to_rest()
        self._closed = True
        self.tell(e.SleepAsked(force=True))  # nobody is there: takes back what it would still be woken for

    def _settle(self) -> None:
        budgeted = self._budgeted or self._held_back is not None
        self.tell(e.PolicyChanged(policy_of(self.spec, budgeted=budgeted)))

    def _target(self) -> Target:
        assert self._performer.address is not None, "admitted, yet never seen running"
        assert self._machine.instance is not None
        return Target(self._performer.address, self._machine.instance)

    def lost_contact(self, instance: str) -> None:
        """A connection to the program `instance` was refused: probe it again, and look whether it still runs."""
        self.tell(e.LostContact(instance))
        self._performer.look_again()

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
        await self._performer.done()

    async def run(self) -> None:
        """Supervise, for ever. Cancel to end; the engine is left as it is."""
        await self._performer.run()

    # Commands

    def _perform(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Admit(ticket):
                    self._resolve(ticket, None)
                case Refuse(ticket, error):
                    self._resolve(ticket, error)
                case SetAlarm(token, seconds, why):
                    self._alarm.set(token, self._stretched(seconds, why), why)
                case AskRoom(politely):
                    (self._held_back or self._room).ask(politely=politely)
                case GiveUpRoom():
                    (self._held_back or self._room).give_up()
                case StartEngine():
                    self._spells.starts()
                    self._performer.order(command)
                case StopEngine() | ProbeEngine():
                    self._performer.order(command)
                case _:
                    raise AssertionError(f"unknown command {command}")

    def _stretched(self, seconds: float, why: AlarmKind) -> float:
        if why is AlarmKind.REST:  # engines that failed together shall not all come back together
            return seconds * self._jitter()
        if why is AlarmKind.IDLE:
            if self.spec.min_awake:
                seconds = max(seconds, self._spells.until_ready_for(self.spec.min_awake))
            if self._performer.stop_failed:
                seconds = max(seconds, STOP_PAUSE)
        return seconds

    def _resolve(self, ticket: int, error: GatewayError | None) -> None:
        waiter = self._waiters.pop(ticket, None)
        if waiter is None or waiter.future.done():
            return
        if error is not None:
            waiter.future.set_exception(self._explained(error))
            return
        if self.spec.concurrency is not None and not waiter.visit.quiet:  # a quiet one takes nobody's turn
            self._served_since[ticket] = self._clock.monotonic()
        waiter.future.set_result(self._target())

    def _explained(self, error: GatewayError) -> GatewayError:
        """With when to come again, where that takes a clock."""
        if isinstance(error, EngineCoolingDown) and self._alarm.why is AlarmKind.REST and self._performer.up_to_date:
            error.retry_after = max(1.0, self._alarm.due_in)
        elif isinstance(error, QueueFull | QueueTimeout):
            rounds = math.ceil(self.waiting / self.spec.concurrency) if self.spec.concurrency else 0
            begun = self._spells.waking_since
            waking_for = 0.0 if begun is None else self._clock.monotonic() - begun
            awake = self.phase is READY and not self._machine.yielding  # who makes room is woken anew for who waits
            rest = (self.retry_in or 0.0) + self._room.wait
            error.retry_after = self.learned.come_again(rounds, awake=awake, waking_for=waking_for, rest=rest)
        return error

    def _account_for_room(self, event: e.Event) -> None:
        """Before anything is asked for: what the engine had is free, or it has taken some without asking."""
        ended = self._machine.at_rest and isinstance(event, e.Stopped | e.SeenStopped)
        found = self.phase is WAKING is not self._phase_seen and isinstance(event, e.SeenRunning)
        if ended or found:
            self._room.changed()

    def _phase_changed(self, event: e.Event) -> None:
        before, self._phase_seen = self._phase_seen, self.phase
        after = round(self.in_phase_for, 3)
        self._spells.phase_changed(self.phase, event)
        for waiter, phases in self._phase_waiters.items():
            if self.phase in phases and not waiter.done():
                waiter.set_result(self.phase)
        self._announce.tell(PhaseChanged(self.name, before.value, self.phase.value, cause_of(event), after))
        log_phase(self._log, self._machine, event, after)


def policy_of(spec: EngineSpec, *, budgeted: bool) -> Policy:
    """The settings that matter to the machine."""
    return Policy(
        spec.idle_after,
        spec.start_timeout,
        concurrency=spec.concurrency,
        queue_limit=spec.queue.limit,
        queue_bytes=spec.queue.bytes,
        budgeted=budgeted,
    )
