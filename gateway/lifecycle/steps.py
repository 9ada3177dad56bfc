"""The state of one engine, and the steps that follow from several events. Pure: no clock, no await."""

from __future__ import annotations

from collections.abc import Callable

from gateway.errors import GatewayError
from gateway.lifecycle.commands import (
    AlarmKind,
    AskRoom,
    Command,
    ProbeEngine,
    SetAlarm,
    StartEngine,
    StopEngine,
)
from gateway.lifecycle.failures import Failures
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY, STOPPING, WAKING, Phase
from gateway.lifecycle.policy import Policy
from gateway.lifecycle.seats import Seats

Commands = list[Command]


class Steps:
    """What `Engine` goes by, which has a method for each event.

    phase: where it stands. waiting: tickets that wait. serving: those that hold a lease; quiet: the same, of requests
    that do not keep it awake. instance: the run of the program that we know of. warm: it shall be awake though nobody
    needs it. yielding: it makes room for others, and admits nobody. failures: in a row.
    """

    __slots__ = (
        "_alarm", "_asked_politely", "_attempt", "_clearing", "_due", "_ours", "_preload_wanted",
        "_seats", "_second_start", "_silent", "_wake_wanted", "_was_ready",
        "failures", "instance", "name", "phase", "policy", "quiet", "serving", "waiting", "warm", "yielding",
    )  # fmt: skip

    def __init__(self, name: str, policy: Policy) -> None:
        self.name = name
        self.policy = policy
        self.phase = ASLEEP
        self._seats = Seats(policy)
        self.waiting, self.serving, self.quiet = self._seats.waiting, self._seats.serving, self._seats.quiet
        self.instance: str | None = None
        self.warm = False
        self.yielding = False
        self.failures = Failures(name)
        self._silent: str | None = None  # why our command has no answer
        self._alarm = 0  # token of the alarm that counts
        self._attempt = 0  # number of the probe that counts
        self._ours = False  # this wake is our own start, not an adoption
        self._second_start = False  # of this wake
        self._was_ready = False  # this run has been
        self._due = False  # the idle time is over, and only quiet ones are still served
        self._clearing = False  # FAILED, and the stop that clears away the remains has not returned
        self._wake_wanted = False  # an operator asked for a wake that may need a start, but not yet
        self._preload_wanted = False  # the same, politely
        self._asked_politely = False  # the room that a QUEUED engine waits for

    @property
    def _urgent(self) -> bool:
        return bool(self.waiting) or self._wake_wanted

    def _start(self) -> Commands:
        if not self.policy.budgeted:
            return self._begin()
        self._ends_run(QUEUED)
        self._asked_politely = not self._urgent
        return [AskRoom(self._asked_politely)]

    def _begin(self) -> Commands:
        self._ends_run(WAKING)
        self.instance = self._silent = None
        self._ours = True
        self._second_start = False
        self._attempt += 1  # a probe of an earlier run may still be answered
        self._wake_wanted = False
        return [StartEngine(), self._start_alarm()]

    def _ends_while_starting(self, reason: str, public: str, *, meant: bool) -> Commands:
        """Somebody has stopped it perhaps, or Docker was restarted: it is started once more, in the time of one."""
        if meant and not self._second_start:
            self._second_start = True
            self.instance = self._silent = None
            self._attempt += 1
            return [StartEngine()]
        return self._fail(reason, public, lambda: self.failures.start_failed(public))

    def _adopt(self) -> Commands:
        """Somebody else's start, or one we lost sight of: only find out whether it answers.

        After a stop that failed even the run may be unknown; it is probed when it has been seen.
        """
        self.phase = WAKING
        self._ours = False
        self._silent = None
        probe = [] if self.instance is None else [self._probe()]
        return [*probe, self._start_alarm()]

    def _stop(self) -> Commands:
        self.phase = STOPPING
        self._alarm += 1
        self._due = self.yielding = False
        return [StopEngine()]

    def _ends(self) -> Commands:
        """It does not run, and is started again if anybody wants it."""
        self._ends_run(ASLEEP)
        return self._start() if self._urgent or self.warm or self._preload_wanted else []

    def _ends_run(self, phase: Phase) -> None:
        self.phase = phase
        self._alarm += 1
        self._was_ready = self._due = self.yielding = False

    def _fail(self, reason: str, public: str, error: Callable[[], GatewayError]) -> Commands:
        refusals = self._seats.refuse_waiting(error)
        self.failures.add(reason, public)
        self._silent = None
        self._preload_wanted = False
        return [*refusals, *self._clear_away()]

    def _fail_unheard(self, reason: str) -> Commands:
        """Nobody waits for a start that the runtime never heard of. Who comes from now on waits for the next one."""
        self.failures.add_unheard(reason)
        return [*self._clear_away(), self._start_alarm()]

    def _clear_away(self) -> Commands:
        self._ends_run(FAILED)
        self._wake_wanted = False
        self._clearing = True
        return [StopEngine()]

    def _rest(self) -> Commands:
        """After a failure. Who has come since a start that was never heard of need not wait for that."""
        self._clearing = False
        if self._wake_wanted or (self.waiting and self._silent is not None):
            return self._start()
        return [self._set_alarm(self.failures.rest, AlarmKind.REST)]

    def _probe(self) -> Command:
        self._attempt += 1
        return ProbeEngine(self._attempt)

    def _start_alarm(self) -> Command:
        self._seats.overdue = set(self.waiting)
        return self._set_alarm(self.policy.start_timeout, AlarmKind.START)

    def _set_alarm(self, seconds: float, why: AlarmKind) -> Command:
        self._alarm += 1
        return SetAlarm(self._alarm, seconds, why)

    def _idle_alarm(self) -> Commands:
        if self.phase is not READY or self.serving or self.warm or self.policy.idle_after is None:
            return []
        return [self._set_alarm(self.policy.idle_after, AlarmKind.IDLE)]

    def _idle_anew(self) -> Commands:
        """What there was of an idle time does not count any more."""
        if self.serving:
            return []
        self._alarm += 1
        self._due = False
        return self._idle_alarm()
