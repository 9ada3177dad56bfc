"""A world for one engine to live in: its program, a performer that keeps the supervisor's rules, requests, alarms.

Nothing happens by itself: `ordinary` and `surprises` tell what may happen next. Each happening checks on its way that
no command breaks a promise (`stagehand.py`), and `check` what must hold between them (`promises.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.errors import EngineBusy
from gateway.lifecycle import events as e
from gateway.lifecycle.phases import FAILED, READY, STOPPING, WAKING
from gateway.lifecycle.policy import Policy
from tests.unit.lifecycle.promises import check
from tests.unit.lifecycle.stagehand import Stagehand, Ticket
from tests.unit.lifecycle.story import state


class World(Stagehand):
    """All that can happen."""

    def __init__(self, policy: Policy, *, runs_already: bool) -> None:
        super().__init__(policy)
        if runs_already:
            self.program_begins()

    # Requests and operators

    def request_arrives(self, party: str = "", *, again: bool = False, quiet: bool = False) -> None:
        ticket = Ticket(len(self.tickets), party, again, quiet)
        self.tickets.append(ticket)
        if not quiet and not again and ticket.number % 2 and self.machine.admit_at_once(ticket.number):
            self._decide(ticket.number, "admitted")
            return
        self.tell(e.RequestArrived(ticket.number, party, 1, again, quiet))
        assert not (quiet and ticket.fate == "waits"), "a quiet request waits"
        if ticket.fate == "waits" and not again:
            own = [other for other in self.waiting() if other.party == party and not other.again]
            self.turns.joined(party, alone=own == [ticket])
        self._refused_leave()

    def _refused_leave(self) -> None:
        for ticket in self.tickets:
            if ticket.fate == "refused" and not ticket.left:
                self.request_leaves(ticket)

    def request_comes_again(self, ticket: Ticket) -> None:
        """The engine died under it."""
        self.request_leaves(ticket)
        self.request_arrives(ticket.party, again=True)

    def request_leaves(self, ticket: Ticket) -> None:
        ticket.left = True
        if ticket.number % 3 and self.machine.leave_at_once(ticket.number):
            return
        self.tell(e.RequestLeft(ticket.number))

    def connection_refused(self, ticket: Ticket) -> None:
        self.tell(e.LostContact(ticket.instance))
        self.look_wanted = True

    def wake_asked(self, *, politely: bool = False) -> None:
        self.wake_wanted |= self.machine.phase is not READY and not politely
        self.preload_wanted |= self.machine.phase is not READY and politely
        self.tell(e.WakeAsked(politely))

    def warmth_changes(self) -> None:
        self.tell(e.WarmthChanged(not self.machine.warm))

    def policy_changes(self, which: int) -> None:
        old = self.machine.policy
        concurrency = [None, 1, 2][which % 3]
        self.tell(e.PolicyChanged(replace(old, concurrency=concurrency, budgeted=old.budgeted ^ (which > 3))))

    def room_is_granted(self) -> None:
        self.asked, self.room = None, True
        self.tell(e.RoomGranted())

    def sleep_asked(self, *, force: bool) -> None:
        before = state(self.machine)
        quiet_cut = self.machine.quiet and self.machine.phase is not READY
        needed = bool(before["serving"] or before["waiting"] or quiet_cut)
        self.forced = force
        try:
            self.tell(e.SleepAsked(force))
            assert force or not needed, "put to sleep while it was needed"
            assert not self.machine.serving
            assert not self.machine.waiting
            self.wake_wanted = self.preload_wanted = False
        except EngineBusy:
            assert needed
            assert not force
            assert state(self.machine) == before
        self.forced = False
        if force:
            self._nobody_is_served()

    def _nobody_is_served(self) -> None:
        for ticket in self.admitted():
            ticket.run = None

    # The program, by itself and by other hands

    def program_begins(self, *, answers: bool = False) -> None:
        self.runs += 1
        self.run, self.answers = self.runs, answers
        self.look_wanted = True

    def program_ends(self, *, crashed: bool = False, meant: bool = False) -> None:
        self.run, self.answers, self.crashed, self.meant = None, False, crashed, meant
        self.look_wanted = True

    def time_passes(self) -> None:
        """So much that an engine which has been ready till now is a steady one."""
        self.steady = True

    def program_answers(self) -> None:
        self.answers = True

    def program_is_mute(self) -> None:
        self.answers = False

    # The performer. It does one thing at a time: while it looks, a start or stop must wait.

    @property
    def can_start(self) -> bool:
        return self.starting and self.look is None

    @property
    def can_stop(self) -> bool:
        return self.stopping and self.look is None

    @property
    def can_look(self) -> bool:
        return self.look_wanted and self.look is None and not self.starting and not self.stopping

    def start_returns(self) -> None:
        if self.run is None:
            self.program_begins()
        self.starting, self.noted = False, self.run
        self.tell(e.Started(f"run-{self.run}"))

    def start_fails(self, *, meant: bool = False) -> None:
        """Never if the program runs already: then a start changes nothing."""
        self.starting = False
        self.tell(e.StartFailed("has no image", "does not exist yet", meant))

    def stop_returns(self) -> None:
        if self.run is not None:
            self.program_ends()
        self.stopping = False
        self.tell(e.Stopped())

    def stop_fails(self) -> None:
        self.stopping = False
        self.look_wanted = True
        self.tell(e.StopFailed("does not end"))

    def look_begins(self) -> None:
        self.look_wanted = False
        self.look = (self.orders, self.run)

    def look_ends(self) -> None:
        assert self.look is not None
        (orders, run), self.look = self.look, None
        if orders != self.orders:
            self.look_wanted = True
        elif run is not None:
            self.noted = run
            self.tell(e.SeenRunning(f"run-{run}"))
        else:
            self.tell(e.SeenStopped("exited with code 1", self.crashed, self.steady, self.meant))

    def look_fails(self) -> None:
        self.look = None
        self.look_wanted = True  # tried again later

    @property
    def can_answer(self) -> bool:
        """Every run has an address of its own: only the one that is probed can answer the probe."""
        return self.answers and self.probe is not None and self.probe[1] == self.run

    def probe_answers(self) -> None:
        assert self.probe is not None
        attempt, self.probe = self.probe[0], None
        self.tell(e.BecameReady(attempt))

    def alarm_rings(self) -> None:
        assert self.alarm is not None
        timeout = self.armed and self.machine.phase in (WAKING, STOPPING)
        token, self.alarm = self.alarm, None
        late = set(self.alarmed) if self.machine._silent else {ticket.number for ticket in self.waiting()}
        self.tell(e.AlarmRang(token))
        assert not (timeout and late & set(self.machine.waiting)), "somebody waits longer than the start timeout"

    # What happens if nothing surprising does

    def ordinary(self, *, kind: bool = True) -> list[Callable[[], None]]:
        """What may happen next. In an unkind world starts fail and no program answers."""
        possible = [
            (self.look is not None, self.look_ends),
            (self.can_start, self.start_returns if kind or self.served() else self.start_fails),
            (self.can_stop, self.stop_returns),
            (self.can_look, self.look_begins),
            (kind and self.run is not None and not self.answers, self.program_answers),
            (self.can_answer, self.probe_answers),
            (self.asked is not None, self.room_is_granted),
        ]
        return [step for may, step in possible if may]

    def surprises(self, which: int) -> dict[str, Callable[[], None]]:
        """What else may happen; `which` chooses among the requests and among late news."""
        present, admitted = self.present(), self.admitted()
        lost = [ticket for ticket in admitted if ticket.run != self.run and not ticket.again and not ticket.quiet]
        possible: dict[str, tuple[object, Callable[[], None]]] = {
            "request arrives": (True, lambda: self.request_arrives("abc"[which % 3])),
            "quiet request arrives": (True, lambda: self.request_arrives(quiet=True)),
            "request comes again": (lost, lambda: self.request_comes_again(_one(lost, which))),
            "request leaves": (present, lambda: self.request_leaves(_one(present, which))),
            "connection is refused": (admitted, lambda: self.connection_refused(_one(admitted, which))),
            "alarm rings": (self.alarm is not None, self.alarm_rings),
            "operator wakes": (True, self.wake_asked),
            "gateway preloads": (True, lambda: self.wake_asked(politely=True)),
            "warm hours begin or end": (True, self.warmth_changes),
            "settings change": (True, lambda: self.policy_changes(which)),
            "others wait for room": (True, lambda: self.tell(e.RoomWanted(wanted=True))),
            "others wait no longer": (True, lambda: self.tell(e.RoomWanted(wanted=False))),
            "time passes": (True, self.time_passes),
            "runtime does not answer": (self.can_start, lambda: self.tell(e.RuntimeSilent("does not answer"))),
            "stop has no answer": (self.can_stop, lambda: self.tell(e.RuntimeSilent("does not answer"))),
            "operator puts to sleep": (True, lambda: self.sleep_asked(force=False)),
            "operator puts to sleep by force": (True, lambda: self.sleep_asked(force=True)),
            "program is started or restarted": (True, self.program_begins),
            "program is restarted and answers": (self.run is not None, lambda: self.program_begins(answers=True)),
            "program ends": (self.run is not None, self.program_ends),
            "program ends in good order": (self.run is not None, lambda: self.program_ends(meant=True)),
            "program is killed": (self.run is not None, lambda: self.program_ends(crashed=True, meant=True)),
            "program crashes": (self.run is not None, lambda: self.program_ends(crashed=True)),
            "program no longer answers": (self.answers, self.program_is_mute),
            "start fails": (self.can_start and not self.served(), self.start_fails),
            "start ends at once": (self.can_start and not self.served(), lambda: self.start_fails(meant=True)),
            "stop fails": (self.can_stop, self.stop_fails),
            "look fails, or events had a gap": (True, self.look_fails),
            "late news": (self.late_news, lambda: self.tell(_one(self.late_news, which))),
        }
        return {name: happening for name, (may, happening) in possible.items() if may}

    def settle(self, *, kind: bool) -> None:
        """Only what is ordinary happens, until nothing does: who is served leaves in the end, for those who wait."""
        for _ in range(400):
            if steps := self.ordinary(kind=kind):
                steps[0]()
            elif not self.waiting():
                return
            elif self.machine.phase is READY:
                self.request_leaves(self.admitted()[0])
            else:
                assert not kind or self.machine.phase is FAILED, "only the alarm ends the waiting, though all is well"
                self.alarm_rings()
            self._refused_leave()
        raise AssertionError(f"{self.machine!r} never comes to rest")

    def check(self) -> None:
        check(self)


def _one(things: list[Any], which: int) -> Any:
    return things[-1 - which % len(things)]
