"""A world for one engine to live in: its program, a performer that keeps the supervisor's rules, requests, alarms.

Nothing happens by itself: `ordinary` and `surprises` tell what may happen next. Each happening checks on its way that
no command breaks a promise, and `check` what must hold between them.

The performer is `gateway/supervision/performer.py` without time: it does one thing at a time (start, stop or look),
gives up a start or probe when told to stop, and drops the outcome of whatever is older than its newest order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.errors import EngineBusy
from gateway.lifecycle import events as e
from gateway.lifecycle.commands import Admit, Command, ProbeEngine, Refuse, SetAlarm, StartEngine, StopEngine
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.phases import FAILED, NEXT, READY, STOPPING, WAKING, Phase
from gateway.lifecycle.policy import Policy
from tests.unit.lifecycle.story import state


@dataclass
class Ticket:
    """One request. run: the run of the program that serves it; None while it serves nobody."""

    number: int
    fate: str = "waits"  # or "admitted" or "refused"
    left: bool = False
    instance: str = ""
    run: int | None = None


class World:
    """`run` is the run of the program that is alive; `answers` whether it accepts connections."""

    def __init__(self, idle_after: float | None, *, runs_already: bool) -> None:
        self.machine = EngineMachine("whisper", Policy(idle_after, 60))
        self.tickets: list[Ticket] = []
        self.runs = 0
        self.run: int | None = None
        self.answers = False
        self.starting = self.stopping = False
        self.probe: tuple[int, int | None] | None = None
        self.alarm: int | None = None
        self.late_news: list[e.Event] = []
        self.orders = 0
        self.look_wanted = True
        self.look: tuple[int, int | None] | None = None
        self.noted: int | None = None
        self.wake_wanted = False
        self.forced = False
        if runs_already:
            self.program_begins()

    # Events in, commands out

    def tell(self, event: e.Event) -> None:
        machine, before = self.machine, self.machine.phase
        commands = machine.handle(event)
        if machine.phase is not before:
            assert machine.phase in NEXT[before, type(event)]
            self.wake_wanted = self.wake_wanted and machine.phase not in (READY, FAILED)
        for command in commands:
            self._perform(command)

    def _perform(self, command: Command) -> None:
        match command:
            case StartEngine():
                assert not self.starting, "a second start while one is under way"
                assert not self.stopping, "a start while a stop is under way"
                assert self.waiting() or self.wake_wanted, "a start that nobody has asked for"
                self.orders += 1
                self.starting, self.wake_wanted = True, False
            case StopEngine():
                assert not self.stopping, "a second stop while one is under way"
                assert self.forced or not self.served(), "a stop while the engine serves"
                self.orders += 1
                self.stopping, self.starting = True, False
                self._give_up_probe()
            case ProbeEngine(attempt):
                self._give_up_probe()
                assert self.noted is not None, "a probe of nobody knows what"
                self.probe = (attempt, self.noted)
            case SetAlarm(token):
                if self.alarm is not None:
                    self.late_news.append(e.AlarmRang(self.alarm))
                self.alarm = token
            case Admit(number):
                self._decide(number, "admitted")
            case Refuse(number):
                self._decide(number, "refused")
            case _:
                raise AssertionError(f"unknown command {command}")

    def _give_up_probe(self) -> None:
        if self.probe is not None:
            self.late_news.append(e.BecameReady(self.probe[0]))
        self.probe = None

    def _decide(self, number: int, fate: str) -> None:
        ticket = self.tickets[number]
        assert ticket.fate == "waits", f"request {number} was {ticket.fate} and is {fate} again"
        assert not ticket.left, f"request {number} is {fate} though it has left"
        ticket.fate = fate
        if fate == "admitted":
            assert self.machine.instance is not None, "let in to a program that nobody has seen"
            ticket.instance = self.machine.instance
            ticket.run = self.run if self.answers else None  # the connection is made at once, or refused

    # Requests and operators

    def waiting(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.fate == "waits" and not ticket.left]

    def admitted(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.fate == "admitted" and not ticket.left]

    def present(self) -> list[Ticket]:
        return self.waiting() + self.admitted()

    def served(self) -> list[Ticket]:
        """Who is connected to the program that runs now."""
        return [ticket for ticket in self.admitted() if ticket.run is not None and ticket.run == self.run]

    def request_arrives(self) -> None:
        ticket = Ticket(len(self.tickets))
        self.tickets.append(ticket)
        self.tell(e.RequestArrived(ticket.number))
        if ticket.fate == "refused":
            self.request_leaves(ticket)

    def request_leaves(self, ticket: Ticket) -> None:
        ticket.left = True
        self.tell(e.RequestLeft(ticket.number))

    def connection_refused(self, ticket: Ticket) -> None:
        self.tell(e.LostContact(ticket.instance))
        self.look_wanted = True

    def wake_asked(self) -> None:
        self.wake_wanted = self.machine.phase is not READY
        self.tell(e.WakeAsked())

    def sleep_asked(self, *, force: bool) -> None:
        before = state(self.machine)
        needed = bool(before["serving"] or before["waiting"])
        self.forced = force
        try:
            self.tell(e.SleepAsked(force))
            assert force or not needed, "put to sleep while it was needed"
            assert not self.machine.serving
            assert not self.machine.waiting
            self.wake_wanted = False
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

    def program_ends(self) -> None:
        self.run, self.answers = None, False
        self.look_wanted = True

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

    def start_fails(self) -> None:
        self.starting = False
        self.tell(e.StartFailed("has no image", "does not exist yet"))

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
            self.tell(e.SeenStopped("exited with code 1"))

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
        timeout = self.armed and self.machine.phase is WAKING
        token, self.alarm = self.alarm, None
        self.tell(e.AlarmRang(token))
        assert not (timeout and self.waiting()), "somebody waits longer than the start timeout"

    # What happens if nothing surprising does

    def ordinary(self, *, kind: bool = True) -> list[Callable[[], None]]:
        """What may happen next. In an unkind world starts fail and no program answers."""
        possible = [
            (self.look is not None, self.look_ends),
            (self.can_start, self.start_returns if kind else self.start_fails),
            (self.can_stop, self.stop_returns),
            (self.can_look, self.look_begins),
            (kind and self.run is not None and not self.answers, self.program_answers),
            (self.can_answer, self.probe_answers),
        ]
        return [step for may, step in possible if may]

    def surprises(self, which: int) -> dict[str, Callable[[], None]]:
        """What else may happen; `which` chooses among the requests and among late news."""
        present, admitted = self.present(), self.admitted()
        possible: dict[str, tuple[object, Callable[[], None]]] = {
            "request arrives": (True, self.request_arrives),
            "request leaves": (present, lambda: self.request_leaves(_one(present, which))),
            "connection is refused": (admitted, lambda: self.connection_refused(_one(admitted, which))),
            "alarm rings": (self.alarm is not None, self.alarm_rings),
            "operator wakes": (True, self.wake_asked),
            "operator puts to sleep": (True, lambda: self.sleep_asked(force=False)),
            "operator puts to sleep by force": (True, lambda: self.sleep_asked(force=True)),
            "program is started or restarted": (True, self.program_begins),
            "program is restarted and answers": (self.run is not None, lambda: self.program_begins(answers=True)),
            "program ends": (self.run is not None, self.program_ends),
            "program no longer answers": (self.answers, self.program_is_mute),
            "start fails": (self.can_start, self.start_fails),
            "stop fails": (self.can_stop, self.stop_fails),
            "look fails, or events had a gap": (True, self.look_fails),
            "late news": (self.late_news, lambda: self.tell(_one(self.late_news, which))),
        }
        return {name: happening for name, (may, happening) in possible.items() if may}

    def settle(self, *, kind: bool) -> None:
        """Only what is ordinary happens, until nothing does; and alarms for those who still wait."""
        for _ in range(100):
            if steps := self.ordinary(kind=kind):
                steps[0]()
            elif self.waiting():
                assert not kind, "only the alarm ends the waiting, though all is well"
                self.alarm_rings()
            else:
                return
        raise AssertionError(f"{self.machine!r} never comes to rest")

    # What must always hold

    @property
    def armed(self) -> bool:
        """Whether the alarm that is set is the one that counts."""
        return self.alarm is not None and self.alarm == self.machine._alarm

    def check(self) -> None:
        self._check_ways_out()
        self._check_requests()

    def _check_ways_out(self) -> None:
        machine = self.machine
        match machine.phase:
            case Phase.READY:
                idle_for_ever = machine.policy.idle_after is None
                assert self.armed or machine.serving or idle_for_ever, "an idle engine without an alarm"
                assert machine.instance is not None, "ready, but nobody has seen it"
            case Phase.WAKING:
                assert self.armed, "a wake without an alarm"
            case Phase.FAILED:
                assert self.armed or self.stopping, "a failed engine without an alarm"
            case Phase.STOPPING:
                assert self.stopping, "stopping without a stop"

    def _check_requests(self) -> None:
        machine = self.machine
        assert list(machine.waiting) == [ticket.number for ticket in self.waiting()]
        assert machine.serving <= {ticket.number for ticket in self.admitted()}
        assert machine.serving >= {ticket.number for ticket in self.served()}, "served without a lease"
        if machine.waiting:
            assert machine.phase in (WAKING, STOPPING), "waiting, but nothing is being done about it"
            probing = self.probe is not None
            looking = self.look is not None or self.look_wanted
            assert self.starting or self.stopping or probing or looking, "waiting for nothing"


def _one(things: list[Any], which: int) -> Any:
    return things[-1 - which % len(things)]
