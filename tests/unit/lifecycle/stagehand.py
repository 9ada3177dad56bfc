"""Performs an engine's commands without time, and holds them against the promises on its way.

It is `gateway/supervision/performer.py` as far as the machine can tell: it does one thing at a time (start, stop or
look), gives up a start or probe when told to stop, and drops the outcome of whatever is older than its newest order.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from gateway.lifecycle.phases import ASLEEP, FAILED, NEXT, QUEUED, WAKING, Phase
from gateway.lifecycle.policy import Policy
from tests.unit.lifecycle.promises import Turns, check_turn


@dataclass
class Ticket:
    """One request. run: the run of the program that serves it; None while it serves nobody."""

    number: int
    party: str = ""
    again: bool = False
    quiet: bool = False
    fate: str = "waits"  # or "admitted" or "refused"
    left: bool = False
    instance: str = ""
    run: int | None = None


class Stagehand:
    """`run` is the run of the program that is alive; `answers` whether it accepts connections."""

    def __init__(self, policy: Policy) -> None:
        self.machine = EngineMachine("whisper", policy)
        self.tickets: list[Ticket] = []
        self.runs = 0
        self.run: int | None = None
        self.answers = False
        self.starting = self.stopping = False
        self.probe: tuple[int, int | None] | None = None
        self.alarm: int | None = None
        self.alarmed: set[int] = set()  # who waited when it was set
        self.late_news: list[e.Event] = []
        self.orders = 0
        self.look_wanted = True
        self.look: tuple[int, int | None] | None = None
        self.noted: int | None = None
        self.wake_wanted = self.preload_wanted = False
        self.forced = False
        self.asked: bool | None = None  # for room in the budget, and whether politely
        self.room = False
        self.crashed = self.meant = self.steady = False  # how the last run ended; whether it had been ready for long
        self.second_start = False  # of this wake
        self.wakes = self.failures = 0  # that have succeeded, and that have not
        self.turns = Turns()

    # Events in, commands out

    def tell(self, event: e.Event) -> None:
        machine, before = self.machine, self.machine.phase
        commands = machine.handle(event)
        self._check_second_start(event, before, commands)
        if machine.phase is not before:
            assert machine.phase in NEXT[before, type(event)]
            self._phase_changed(event)
        for command in commands:
            self._perform(command)

    def _check_second_start(self, event: e.Event, before: Phase, commands: list[Command]) -> None:
        """A start without a deadline of its own goes on with a wake, once."""
        if StartEngine() not in commands:
            return
        goes_on = len(commands) == 1
        if goes_on:
            assert before is self.machine.phase is WAKING
            assert isinstance(event, e.SeenStopped | e.StartFailed)
            assert event.meant, "a crash must be told at once"
            assert not self.second_start, "a third start in one wake"
            assert self.armed, "a wake without a deadline"
        self.second_start = goes_on

    def _phase_changed(self, event: e.Event) -> None:
        phase = self.machine.phase
        if isinstance(event, e.BecameReady):
            self.wakes, self.steady = self.wakes + 1, False
            self.wake_wanted = self.preload_wanted = False
        if phase is FAILED:
            self.failures += 1
            self.wake_wanted = False
            unheard = self.machine._silent is not None
            self.preload_wanted &= unheard or not self.machine._clearing  # else that was the one try
        if phase in (ASLEEP, QUEUED, FAILED):
            self.room = False

    def _perform(self, command: Command) -> None:
        match command:
            case AskRoom(politely):
                assert self.machine.phase is QUEUED
                assert self.waiting() or self.wake_wanted or self.warm or self.preload_wanted, "room for nobody"
                assert politely is not bool(self.waiting() or self.wake_wanted), "asked too loud, or too low"
                self.asked = politely
            case GiveUpRoom():
                assert self.asked is not None, "gives up what it has not asked for"
                self.asked = None
            case StartEngine():
                assert not self.starting, "a second start while one is under way"
                assert not self.stopping, "a start while a stop is under way"
                wanted = self.waiting() or self.wake_wanted or self.warm or self.preload_wanted
                assert wanted or self.second_start, "started for nobody"
                has_room = self.room or self.second_start  # perhaps it needed none when the wake began
                assert has_room or not self.machine.policy.budgeted, "a start without room for it"
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
                self.alarmed = {ticket.number for ticket in self.waiting()}
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
            check_turn(self, ticket)
            assert self.machine.instance is not None, "let in to a program that nobody has seen"
            ticket.instance = self.machine.instance
            ticket.run = self.run if self.answers else None  # the connection is made at once, or refused

    # What is known of it

    @property
    def armed(self) -> bool:
        """Whether the alarm that is set is the one that counts."""
        return self.alarm is not None and self.alarm == self.machine._alarm

    @property
    def warm(self) -> bool:
        return self.machine.warm

    def waiting(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.fate == "waits" and not ticket.left]

    def admitted(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.fate == "admitted" and not ticket.left]

    def present(self) -> list[Ticket]:
        return self.waiting() + self.admitted()

    def served(self) -> list[Ticket]:
        """Who is connected to the program that runs now."""
        return [ticket for ticket in self.admitted() if ticket.run is not None and ticket.run == self.run]
