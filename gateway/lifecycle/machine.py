"""One engine's state, and the only code that changes it. Pure: events in, commands out; no clock, no await."""

from __future__ import annotations

from collections.abc import Callable

from gateway.errors import (
    EngineBusy,
    EngineCoolingDown,
    EnginePutToSleep,
    EngineStartFailed,
    EngineStartTimeout,
    GatewayError,
    IllegalEvent,
)
from gateway.lifecycle import events as e
from gateway.lifecycle.commands import Admit, AlarmKind, Command, ProbeEngine, Refuse, SetAlarm, StartEngine, StopEngine
from gateway.lifecycle.phases import ASLEEP, FAILED, NEXT, READY, STOPPING, WAKING, Phase
from gateway.lifecycle.policy import Policy

Commands = list[Command]

NUMBERED = frozenset({e.AlarmRang, e.BecameReady, e.LostContact})
"""Events that belong to one alarm, probe or run, and are ignored when that is no longer the newest."""


class EngineMachine:
    """The lifecycle of one engine.

    phase: where it stands. waiting, serving: tickets, in order of arrival. instance: the run of the program that we
    know of. failure: why it is FAILED, or was last. failures: how many in a row.
    """

    __slots__ = (
        "_alarm", "_attempt", "_clearing", "_handlers", "_ours", "_public", "_wake_wanted",
        "failure", "failures", "instance", "name", "phase", "policy", "serving", "waiting",
    )  # fmt: skip

    def __init__(self, name: str, policy: Policy) -> None:
        self.name = name
        self.policy = policy
        self.phase = ASLEEP
        self.waiting: dict[int, None] = {}
        self.serving: set[int] = set()
        self.instance: str | None = None
        self.failure: str | None = None
        self.failures = 0
        self._public = ""  # the failure as clients are told it
        self._alarm = 0  # token of the alarm that counts
        self._attempt = 0  # number of the probe that counts
        self._ours = False  # this wake is our own start, not an adoption
        self._clearing = False  # FAILED, and the stop that clears away the remains has not returned
        self._wake_wanted = False  # an operator asked for a wake that may need a start, but not yet
        self._handlers: dict[type[e.Event], Callable[..., Commands]] = {
            e.RequestArrived: self._request_arrived,
            e.RequestLeft: self._request_left,
            e.WakeAsked: self._wake_asked,
            e.SleepAsked: self._sleep_asked,
            e.Started: self._started,
            e.StartFailed: self._start_failed,
            e.Stopped: self._stopped,
            e.StopFailed: self._stop_failed,
            e.SeenRunning: self._seen_running,
            e.SeenStopped: self._seen_stopped,
            e.BecameReady: self._became_ready,
            e.LostContact: self._lost_contact,
            e.AlarmRang: self._alarm_rang,
        }

    def __repr__(self) -> str:
        return f"<Engine {self.name} {self.phase.name} serving={len(self.serving)} waiting={len(self.waiting)}>"

    def handle(self, event: e.Event) -> Commands:
        """Take note of an event; returns what shall be done, in order.

        Raises IllegalEvent for an event that the table does not know in this phase, and EngineBusy for a SleepAsked
        without force while the engine is needed. Neither changes anything.
        """
        before, kind = self.phase, type(event)
        if kind in NUMBERED and self._is_old_news(event):
            return []
        allowed = NEXT.get((before, kind))
        if allowed is None:
            raise IllegalEvent(f"{kind.__name__} cannot happen to an engine that is {before.value}")
        commands = self._handlers[kind](event)
        if self.phase not in allowed:
            raise AssertionError(f"{before} {event} led to {self.phase}, which the table does not allow")
        return commands

    def _is_old_news(self, event: e.Event) -> bool:
        match event:
            case e.AlarmRang(token):
                return token != self._alarm
            case e.BecameReady(attempt):
                return self.phase is not WAKING or attempt != self._attempt
            case e.LostContact(instance):
                return self.phase is not READY or instance != self.instance
            case _:
                return False

    # Requests

    def _request_arrived(self, event: e.RequestArrived) -> Commands:
        ticket = event.ticket
        if self.phase is READY:
            self._alarm += 1  # an idle alarm that is still set no longer counts
            self.serving.add(ticket)
            return [Admit(ticket)]
        if self.phase is FAILED:
            return [Refuse(ticket, self._cooling_down())]
        self.waiting[ticket] = None
        return self._start() if self.phase is ASLEEP else []

    def _request_left(self, event: e.RequestLeft) -> Commands:
        self.waiting.pop(event.ticket, None)
        if event.ticket not in self.serving:
            return []
        self.serving.discard(event.ticket)
        return self._idle_alarm() if self.phase is READY else []

    # Operators

    def _wake_asked(self, _: e.WakeAsked) -> Commands:
        adopting = self.phase is WAKING and not self._ours
        if self.phase is STOPPING or self._clearing or adopting:
            self._wake_wanted = True
            return []
        if self.phase is ASLEEP or self.phase is FAILED:
            return self._start()
        return self._idle_alarm()

    def _sleep_asked(self, event: e.SleepAsked) -> Commands:
        if not event.force and (self.serving or self.waiting):
            raise EngineBusy(
                f"{self.name} is {self.phase.value}, with {len(self.serving)} requests in service and "
                f"{len(self.waiting)} waiting; use force to cut them off"
            )
        refusals = self._refuse_waiting(lambda: EnginePutToSleep(f"{self.name} was put to sleep", retry_after=1))
        self._wake_wanted = False
        self.serving.clear()  # what is still there is cut off, as asked
        if self.phase is READY or self.phase is WAKING:
            return [*refusals, *self._stop()]
        return refusals

    # Outcomes of our own commands

    def _started(self, event: e.Started) -> Commands:
        self.instance = event.instance
        return [self._probe()]

    def _start_failed(self, event: e.StartFailed) -> Commands:
        return self._fail(event.reason, event.public, lambda: self._could_not_start(event.public))

    def _stopped(self, _: e.Stopped) -> Commands:
        self.instance = None
        if self.phase is FAILED:
            return self._rest()
        self.phase = ASLEEP
        return self._start() if self.waiting or self._wake_wanted else []

    def _stop_failed(self, _: e.StopFailed) -> Commands:
        return self._rest() if self.phase is FAILED else self._adopt()

    # What the world shows

    def _seen_running(self, event: e.SeenRunning) -> Commands:
        known, self.instance = self.instance, event.instance
        if self.phase is ASLEEP or (self.phase is FAILED and not self._clearing):
            return self._adopt()
        if self.phase is READY and known != event.instance:
            return self._adopt()  # leases stay out: who came since the restart is served by the new run
        if self.phase is WAKING and known != event.instance:
            return [self._probe()]
        return []

    def _seen_stopped(self, event: e.SeenStopped) -> Commands:
        if self.phase is READY or self.phase is WAKING:
            # Leases stay out: requests to a dead program break and leave, those to a paused one wait.
            self.instance = None
        if self.phase is READY:
            self.phase = ASLEEP
            self._alarm += 1
        elif self.phase is WAKING and self._ours:
            return self._fail(event.reason, event.reason, lambda: self._could_not_start(event.reason))
        elif self.phase is WAKING:
            self.phase = ASLEEP
            self._alarm += 1
            return self._start() if self.waiting or self._wake_wanted else []
        return []

    def _became_ready(self, _: e.BecameReady) -> Commands:
        self.phase = READY
        self.failures = 0
        self.failure = None
        self._alarm += 1
        self._wake_wanted = False
        admitted: Commands = [Admit(ticket) for ticket in self.waiting]
        self.serving.update(self.waiting)
        self.waiting.clear()
        return admitted + self._idle_alarm()

    def _lost_contact(self, _: e.LostContact) -> Commands:
        return self._adopt()

    def _alarm_rang(self, _: e.AlarmRang) -> Commands:
        if self.phase is READY:
            return self._stop()
        if self.phase is FAILED:
            self.phase = ASLEEP
            return []
        return self._start_timed_out()

    def _start_timed_out(self) -> Commands:
        seconds = self.policy.start_timeout

        def timeout() -> GatewayError:
            rest = self.policy.cool_down(self.failures + 1)
            return EngineStartTimeout(f"{self.name} was not ready after {seconds:g} s", retry_after=rest)

        if self.serving:  # contact was lost, yet somebody is still being served: no stop while a lease is out
            return [*self._refuse_waiting(timeout), self._set_alarm(seconds, AlarmKind.START)]
        late = f"was not ready after {seconds:g} s"
        return self._fail(late, late, timeout)

    # Steps that several events share

    def _start(self) -> Commands:
        self.phase = WAKING
        self.instance = None
        self._ours = True
        self._attempt += 1  # a probe of an earlier run may still be answered
        self._wake_wanted = False
        return [StartEngine(), self._set_alarm(self.policy.start_timeout, AlarmKind.START)]

    def _adopt(self) -> Commands:
        """Somebody else's start, or one we lost sight of: only find out whether it answers.

        After a stop that failed even the run may be unknown; it is probed when it has been seen.
        """
        self.phase = WAKING
        self._ours = False
        probe = [] if self.instance is None else [self._probe()]
        return [*probe, self._set_alarm(self.policy.start_timeout, AlarmKind.START)]

    def _stop(self) -> Commands:
        self.phase = STOPPING
        self._alarm += 1
        return [StopEngine()]

    def _fail(self, reason: str, public: str, error: Callable[[], GatewayError]) -> Commands:
        refusals = self._refuse_waiting(error)
        self.phase = FAILED
        self.failure = reason
        self._public = public
        self.failures += 1
        self._alarm += 1
        self._wake_wanted = False
        self._clearing = True
        return [*refusals, StopEngine()]

    def _rest(self) -> Commands:
        self._clearing = False
        return (
            self._start()
            if self._wake_wanted
            else [self._set_alarm(self.policy.cool_down(self.failures), AlarmKind.REST)]
        )

    def _probe(self) -> Command:
        self._attempt += 1
        return ProbeEngine(self._attempt)

    def _set_alarm(self, seconds: float, why: AlarmKind) -> Command:
        self._alarm += 1
        return SetAlarm(self._alarm, seconds, why)

    def _idle_alarm(self) -> Commands:
        if self.phase is not READY or self.serving or self.policy.idle_after is None:
            return []
        return [self._set_alarm(self.policy.idle_after, AlarmKind.IDLE)]

    def _refuse_waiting(self, error: Callable[[], GatewayError]) -> Commands:
        refusals: Commands = [Refuse(ticket, error()) for ticket in self.waiting]
        self.waiting.clear()
        return refusals

    def _could_not_start(self, reason: str) -> GatewayError:
        rest = self.policy.cool_down(self.failures + 1)
        return EngineStartFailed(f"{self.name} could not be started: it {reason}", retry_after=rest)

    def _cooling_down(self) -> GatewayError:
        rest = self.policy.cool_down(self.failures)
        return EngineCoolingDown(
            f"{self.name} failed a moment ago, because it {self._public}; it is not tried again yet", retry_after=rest
        )


__all__ = ["Commands", "EngineMachine", "Phase"]
