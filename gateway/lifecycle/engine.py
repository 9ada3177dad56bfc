"""One engine's state, and what follows from each event. Pure: events in, commands out; no clock, no await."""

from __future__ import annotations

from math import inf

from gateway.lifecycle import events as e
from gateway.lifecycle import reasons
from gateway.lifecycle.commands import (
    Admit,
    AlarmKind,
    AskRoom,
    GiveUpRoom,
    Refuse,
)
from gateway.lifecycle.phases import ASLEEP, FAILED, QUEUED, READY, STOPPING, WAKING
from gateway.lifecycle.steps import Commands, Steps


class Engine(Steps):
    """A method for each event; `EngineMachine` sees to it that only legal ones come."""

    __slots__ = ()

    # Requests

    def admit_at_once(self, ticket: int) -> bool:
        """The short form of RequestArrived where that would lead to Admit and nothing else; False where it would not.

        Nearly every request comes while there is room for it, and this is all that has to be done about it.
        """
        if self.phase is not READY or self.yielding or len(self.serving) >= self._seats.most:
            return False
        self._alarm += 1  # an idle alarm that is still set no longer counts
        self._due = False
        self.serving.add(ticket)
        return True

    def leave_at_once(self, ticket: int) -> bool:
        """The short form of RequestLeft, after a whole answer, where that would lead to no command; False elsewhere.

        Nearly every request of an engine that serves several at once ends like this.
        """
        if self.phase is not READY or self.yielding or ticket not in self.serving:
            return False
        idle = len(self.serving) == 1 and self.policy.idle_after is not None
        if idle or (self._seats.most is not inf and self.waiting):
            return False
        self.serving.remove(ticket)
        self.failures.works()
        return True

    def request_arrived(self, event: e.RequestArrived) -> Commands:
        ticket = event.ticket
        if event.quiet:
            if self.phase is not READY or self.yielding or self._due:
                return [Refuse(ticket, reasons.not_awake(self.name))]
            self.quiet.add(ticket)
            return [Admit(ticket)]
        if self.admit_at_once(ticket):
            return [Admit(ticket)]
        if self.phase is FAILED and self._silent is not None:  # never told to start, it has nothing to rest for
            return self._seats.join(event, self.policy, self.name) + ([] if self._clearing else self._start())
        if self.phase is FAILED and not event.again:  # who was let in already is held until the rest is over
            return [Refuse(ticket, self.failures.cooling_down())]
        return self._joins(event)

    def _joins(self, event: e.RequestArrived) -> Commands:
        refusals = self._seats.join(event, self.policy, self.name)
        return refusals + (self._start() if self.phase is ASLEEP else self._needed_as_asked())

    def request_left(self, event: e.RequestLeft) -> Commands:
        ticket = event.ticket
        if ticket in self.serving:
            self.serving.discard(ticket)
            return self._place_is_free(event) if self.phase is READY else []
        if ticket in self.quiet:
            self.quiet.discard(ticket)
            return self._stop() if self.phase is READY and self._may_stop() else []
        self.waiting.remove(ticket)
        return self._needed_as_asked()

    def _place_is_free(self, event: e.RequestLeft) -> Commands:
        if event.served:
            self.failures.works()
        if self._seats.most is not inf and self.waiting and not self.yielding:
            return self._seats.fill()
        if self.yielding:
            return self._stop() if self._may_stop() else []
        return self._idle_alarm()

    def _may_stop(self) -> bool:
        """Whether a stop that could not begin while somebody was served may begin now."""
        return (self._due or self.yielding) and self._seats.nobody_is_served

    @property
    def at_rest(self) -> bool:
        """Whether it does not run, and nothing is done about that."""
        return self.phase in (ASLEEP, QUEUED) or (self.phase is FAILED and not self._clearing)

    # Operators, schedules and settings

    def wake_asked(self, event: e.WakeAsked) -> Commands:
        adopting = self.phase is WAKING and not self._ours
        if self.phase not in (READY, WAKING) or adopting:
            self._preload_wanted |= event.politely
            self._wake_wanted |= not event.politely
        if self.phase is ASLEEP or (self.phase is FAILED and not self._clearing):
            return self._start()
        self._due = False
        return self._idle_alarm() + self._needed_as_asked()

    def sleep_asked(self, event: e.SleepAsked) -> Commands:
        served = self.serving or (self.quiet and self.phase is not READY)
        if not event.force and (served or self.waiting):
            raise reasons.busy(self.name, self.phase.value, len(self.serving), len(self.waiting))
        refusals = self._seats.refuse_waiting(lambda: reasons.put_to_sleep(self.name))
        self._wake_wanted = self._preload_wanted = self.warm = False
        if event.force:  # what is still there is cut off, as asked
            self.serving.clear()
            self.quiet.clear()
        if self.phase is QUEUED:
            self.phase = ASLEEP
            return [*refusals, GiveUpRoom()]
        if self.phase is READY and self.quiet:
            self._due = True
        elif self.phase is READY or self.phase is WAKING:
            return [*refusals, *self._stop()]
        return refusals

    def warmth_changed(self, event: e.WarmthChanged) -> Commands:
        if event.warm == self.warm:
            return []
        self.warm = event.warm
        if self.phase is ASLEEP and self.warm:
            return self._start()
        if self.phase is READY:
            return self._idle_anew()
        return self._needed_as_asked()

    def policy_changed(self, event: e.PolicyChanged) -> Commands:
        self.policy = event.policy
        self._seats.most = event.policy.concurrency or inf
        if self.phase is QUEUED and not self.policy.budgeted:
            return [GiveUpRoom(), *self._begin()]
        if self.phase is READY and not self.yielding:
            return self._seats.fill() + self._idle_anew()
        return []

    # The budget

    def room_granted(self, _: e.RoomGranted) -> Commands:
        return self._begin()

    def room_wanted(self, event: e.RoomWanted) -> Commands:
        if self.phase is not READY and self.phase is not WAKING:
            return []  # nothing to give, or it is being given
        if event.wanted == self.yielding:
            return []
        self.yielding = event.wanted
        if self.phase is WAKING:
            return []
        if self.yielding:
            return self._stop() if self._may_stop() else []
        return self._seats.fill() + self._idle_anew()

    def _needed_as_asked(self) -> Commands:
        """Ask for room as urgently as it is needed now, if the engine waits for room and that has changed."""
        if self.phase is not QUEUED:
            return []
        politely = not self._urgent
        if politely and not (self.warm or self._preload_wanted):
            self.phase = ASLEEP
            return [GiveUpRoom()]
        if politely is self._asked_politely:
            return []
        self._asked_politely = politely
        return [AskRoom(politely)]

    # Outcomes of our own commands

    def started(self, event: e.Started) -> Commands:
        """A start that the runtime has heard of at last has all of its time from now on."""
        self.instance = event.instance
        late, self._silent = self._silent is not None, None
        return [self._probe(), self._start_alarm()] if late else [self._probe()]

    def start_failed(self, event: e.StartFailed) -> Commands:
        return self._ends_while_starting(event.reason, event.public, meant=event.meant)

    def runtime_silent(self, event: e.RuntimeSilent) -> Commands:
        if self.phase is FAILED:
            return []
        self._silent = event.reason
        return [self._set_alarm(self.policy.start_timeout, AlarmKind.START)] if self.phase is STOPPING else []

    def stopped(self, _: e.Stopped) -> Commands:
        self.instance = None
        if self.phase is FAILED:
            return self._rest()
        if self._was_ready:
            self.failures.works()
        return self._ends()

    def stop_failed(self, _: e.StopFailed) -> Commands:
        return self._rest() if self.phase is FAILED else self._adopt()

    # What the world shows

    def seen_running(self, event: e.SeenRunning) -> Commands:
        known, self.instance = self.instance, event.instance
        if self.phase is WAKING:
            self._silent = None
        if self.phase is QUEUED:
            return [GiveUpRoom(), *self._adopt()]
        if self.phase is ASLEEP or (self.phase is FAILED and not self._clearing):
            return self._adopt()
        if self.phase is READY and known != event.instance:
            self._was_ready = False
            return self._adopt()  # leases stay out: who came since the restart is served by the new run
        if self.phase is WAKING and known != event.instance:
            self._was_ready = False
            return [self._probe()]
        return []

    def seen_stopped(self, event: e.SeenStopped) -> Commands:
        if self.phase is not READY and self.phase is not WAKING:
            return []
        self.instance = None  # leases stay out: requests to a dead program break and leave, those to a paused one wait
        if self.phase is WAKING and self._ours:
            return self._ends_while_starting(event.reason, event.reason, meant=event.meant)
        return self._crashed(event) if self._was_ready and self._counts(event) else self._ends()

    def _counts(self, event: e.SeenStopped) -> bool:
        """Whether this end counts as a failure. One that would only be followed by the next start, and end, does."""
        too_often = event.meant and not event.crashed and self.failures.ended_well(steady=event.steady)
        return event.crashed or too_often or (self.warm and not event.steady and not self._urgent)

    def _crashed(self, event: e.SeenStopped) -> Commands:
        """The first time it is started again at once for who waits. An engine that does so again and again rests.

        Nobody is refused: who waits was let in before. Nothing is stopped: somebody may have started it already.
        """
        self.failures.crashed(event.reason, steady=event.steady)
        if self.failures.count == 1:
            return self._ends()
        self._ends_run(FAILED)
        return self._rest()

    def became_ready(self, _: e.BecameReady) -> Commands:
        self.phase = READY
        self.failures.reason = self._silent = None
        self._was_ready = True
        self._alarm += 1
        self._wake_wanted = self._preload_wanted = False
        if self.yielding:
            return self._stop() if self._may_stop() else []
        return self._seats.fill() + self._idle_alarm()

    def lost_contact(self, _: e.LostContact) -> Commands:
        return self._adopt()

    def alarm_rang(self, _: e.AlarmRang) -> Commands:
        if self.phase is READY:
            self._due = True
            return self._stop() if self._may_stop() else []
        if self.phase is STOPPING or (self.phase is FAILED and self._clearing):
            return self._stop_takes_long()
        return self._ends() if self.phase is FAILED else self._start_timed_out()

    def _stop_takes_long(self) -> Commands:
        """The runtime is silent. Who waits for the start after the stop, or will, has the time of a start for that."""
        return [*self._seats.refuse_waiting(self.failures.start_unheard), self._start_alarm()]

    def _start_timed_out(self) -> Commands:
        seconds = self.policy.start_timeout
        if self._silent is not None:
            return self._start_unheard(self._silent)
        if not self._seats.nobody_is_served:  # contact was lost, yet a lease is out: no stop meanwhile
            refusals = self._seats.refuse_waiting(lambda: self.failures.start_late(seconds))
            return [*refusals, self._start_alarm()]
        late = f"was not ready after {seconds:g} s"
        return self._fail(late, late, lambda: self.failures.start_late(seconds))

    def _start_unheard(self, reason: str) -> Commands:
        """The runtime was silent. Who came since the alarm was set has as long again, and the start is tried on."""
        refusals = self._seats.refuse_overdue(self.failures.start_unheard)
        if self.waiting or not self._seats.nobody_is_served:
            return [*refusals, self._start_alarm()]
        return [*refusals, *self._fail_unheard(reason)]
