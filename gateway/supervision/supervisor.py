"""One engine's supervisor: hands events to the machine and sees to its commands.

`tell` is the only way to change the engine. It is a plain call: leases are granted and refused in the same step, and
what needs time (start, stop, look) is put in order for the engine's one task, the `Performer`. Alarms and the probe run
beside that task and report back through `tell`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import structlog

from gateway.announcements import Announcements
from gateway.clock import Clock, SystemClock, Timer
from gateway.config.schema import EngineSpec
from gateway.errors import EngineCoolingDown, GatewayError
from gateway.lifecycle import events as e
from gateway.lifecycle.commands import (
    Admit,
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
from gateway.supervision.performer import Performer
from gateway.supervision.phase_log import log_phase
from gateway.supervision.readiness import Probe
from gateway.supervision.room import NullRoom, Room


class Supervisor:
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
    ) -> None:
        """`room` is None for an engine that needs none in the budget."""
        self.name = name
        self.spec = spec
        self.runtime = runtime
        self._machine = EngineMachine(name, Policy(spec.idle_after, spec.start_timeout))
        self._clock = clock or SystemClock()
        self._announce = announce or Announcements()
        self._room = room or NullRoom()
        self._tickets = itertools.count(1)
        self._admissions: dict[int, asyncio.Future[Target]] = {}
        self._alarm: Timer | None = None
        self._alarm_due = 0.0
        self._phase_seen = self._machine.phase
        self._phase_since = self._clock.monotonic()
        self._phase_waiters: dict[asyncio.Future[Phase], tuple[Phase, ...]] = {}
        self._log = structlog.get_logger().bind(engine=name)
        self._performer = Performer(self._machine, runtime, probe, self._clock, tell=self.tell, log=self._log)

    def __repr__(self) -> str:
        idle = self.idle_in
        return repr(self._machine).removesuffix(">") + (f" idle in {idle:.0f}s>" if idle is not None else ">")

    @property
    def looked(self) -> asyncio.Event:
        """Set when the runtime has been inspected once, or could not be."""
        return self._performer.looked

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
        return self.phase in (ASLEEP, FAILED) and self._performer.up_to_date

    @property
    def in_phase_for(self) -> float:
        """Seconds since the phase last changed."""
        return self._clock.monotonic() - self._phase_since

    @property
    def uptime(self) -> float | None:
        """Seconds since the engine's program was started; None while it does not run, as far as we know."""
        if self._performer.running_since is None or self._machine.instance is None or self.phase in (ASLEEP, FAILED):
            return None
        return self._clock.monotonic() - self._performer.running_since

    @property
    def idle_in(self) -> float | None:
        """Seconds until an idle engine is stopped; None while it is not idle, or never stopped for that."""
        if self.phase is not READY or self.serving or self.spec.idle_after is None:
            return None
        return max(0.0, self._alarm_due - self._clock.monotonic())

    # Events

    def admitted(self, visit: Visit = PLAIN, held: Callable[[], None] = lambda: None) -> Admission:
        """`async with engine.admitted(visit) as lease:` waits for the engine, and holds it awake inside the block.

        held: called once if the request has to wait and was not refused at once. Raises an EngineTrouble when the
        engine cannot be had, and NotAwake for a quiet visit that would have to wait.
        """
        return Admission(self, visit, held)

    @property
    def ready_at(self) -> Address | None:
        """Where the engine listens, if it is ready now."""
        return self._performer.address if self.phase is READY else None

    def admit_at_once(self) -> Lease | None:
        """A lease without a block, if the engine is ready and has room for one more. Whoever gets it must leave."""
        if self.phase is not READY:
            return None
        ticket, target = self.arrive()
        assert isinstance(target, Target), "only a ready engine admits at once"
        return Lease(self, ticket, target, waited=False)

    def arrive(self, visit: Visit = PLAIN) -> tuple[int, Target | asyncio.Future[Target]]:
        """A request wants in. Returns its ticket, and where it may go at once, or else what it has to wait for."""
        ticket = next(self._tickets)
        commands = self._machine.handle(e.RequestArrived(ticket, visit.party, visit.size, visit.again, visit.quiet))
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

    def _after(self, commands: list[Command], event: e.Event | None = None) -> None:
        if self.phase is not WAKING:
            self._performer.give_up_probe()
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
                case SetAlarm(token, seconds, _):
                    self._set_alarm(token, seconds)
                case AskRoom(politely):
                    self._room.ask(self.name, politely=politely)
                case GiveUpRoom():
                    self._room.give_up(self.name)
                case StartEngine() | StopEngine() | ProbeEngine():
                    self._performer.order(command)
                case _:
                    raise AssertionError(f"unknown command {command}")

    def _resolve(self, ticket: int, error: GatewayError | None) -> None:
        future = self._admissions.pop(ticket, None)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(self._target())
            return
        if isinstance(error, EngineCoolingDown) and self._performer.up_to_date:  # else it has not begun yet
            error.retry_after = max(1.0, self._alarm_due - self._clock.monotonic())
        future.set_exception(error)

    def _set_alarm(self, token: int, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_due = self._clock.monotonic() + seconds
        self._alarm = self._clock.call_later(seconds, lambda: self.tell(e.AlarmRang(token)))

    async def run(self) -> None:
        """Supervise, for ever. Cancel to end; the engine is left as it is."""
        await self._performer.run()

    def _phase_changed(self, event: e.Event | None) -> None:
        after = round(self.in_phase_for, 3)
        self._phase_seen = self.phase
        self._phase_since = self._clock.monotonic()
        for waiter, phases in self._phase_waiters.items():
            if self.phase in phases and not waiter.done():
                waiter.set_result(self.phase)
        log_phase(self._log, self._machine, event, after)
