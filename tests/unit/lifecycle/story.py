"""A machine to tell stories with: says what happened, and returns what shall be done, without the serial numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.lifecycle.commands import Command, ProbeEngine, Refuse, SetAlarm
from gateway.lifecycle.events import (
    AlarmRang,
    BecameReady,
    Event,
    LostContact,
    RequestArrived,
    RequestLeft,
    RoomGranted,
    RoomWanted,
    RuntimeSilent,
    SeenRunning,
    SeenStopped,
    Started,
    StartFailed,
    Stopped,
    WarmthChanged,
)
from gateway.lifecycle.failures import Failures
from gateway.lifecycle.line import Line
from gateway.lifecycle.machine import EngineMachine
from gateway.lifecycle.policy import Policy
from gateway.lifecycle.steps import Steps

IDLE_AFTER, START_TIMEOUT = 900, 60

Begin = Callable[..., "Story"]
"""Where a story begins."""


@dataclass(frozen=True)
class Alarm:
    """A SetAlarm, whatever its token."""

    seconds: float


@dataclass(frozen=True)
class Probe:
    """A ProbeEngine, whatever its number."""


@dataclass(frozen=True)
class Refused:
    """A Refuse; the error itself is in `Story.errors`."""

    ticket: int
    code: str


class Story:
    """One engine, and the numbers of its newest alarm and probe. `settings` are a policy's."""

    def __init__(self, idle_after: float | None = IDLE_AFTER, **settings: Any) -> None:
        self.machine = EngineMachine("whisper", Policy(idle_after, **{"start_timeout": START_TIMEOUT, **settings}))
        self.alarm = 0
        self.probe = 0
        self.errors: dict[int, GatewayError] = {}

    def __repr__(self) -> str:
        return repr(self.machine)

    @property
    def phase(self) -> str:
        return self.machine.phase.name

    def tell(self, event: Event) -> list[object]:
        return [self._told(command) for command in self.machine.handle(event)]

    def _told(self, command: Command) -> object:
        match command:
            case SetAlarm(token, seconds):
                self.alarm = token
                return Alarm(seconds)
            case ProbeEngine(attempt):
                self.probe = attempt
                return Probe()
            case Refuse(ticket, error):
                self.errors[ticket] = error
                return Refused(ticket, error.code)
            case _:
                return command

    def declines(self, event: Event, error: type[GatewayError]) -> GatewayError:
        """The event is turned down with this error, and nothing has changed."""
        before = state(self.machine)
        with pytest.raises(error) as caught:
            self.machine.handle(event)
        assert state(self.machine) == before
        return caught.value

    def ignores(self, event: Event) -> bool:
        """Whether the event leads to nothing and changes nothing."""
        before = state(self.machine)
        return self.machine.handle(event) == [] and state(self.machine) == before

    # What happens most often

    def arrives(self, ticket: int, party: str = "", **facts: Any) -> list[object]:
        return self.tell(RequestArrived(ticket, party, **facts))

    def leaves(self, ticket: int) -> list[object]:
        return self.tell(RequestLeft(ticket))

    def answers(self) -> list[object]:
        """The newest probe is answered."""
        return self.tell(BecameReady(self.probe))

    def rings(self) -> list[object]:
        """The newest alarm is due."""
        return self.tell(AlarmRang(self.alarm))


def state(machine: EngineMachine) -> dict[str, Any]:
    """Everything that a machine remembers."""
    return {name: remembered(getattr(machine, name)) for name in Steps.__slots__ if name != "_seats"}


def remembered(value: Any) -> Any:
    """A copy that compares by what is in it."""
    if isinstance(value, Failures):
        return (value.count, value.reason, value.public, value._ended_well)
    if isinstance(value, Line):
        return list(value)
    return value.copy() if isinstance(value, set) else value


# Where stories begin


def asleep(idle_after: float | None = IDLE_AFTER) -> Story:
    return Story(idle_after)


def starting(*tickets: int) -> Story:
    """Our start is under way for these requests; request 1 if none is named."""
    story = Story()
    for ticket in tickets or (1,):
        story.arrives(ticket)
    return story


def probing(*tickets: int) -> Story:
    """Our start returned, and the engine is asked whether it answers."""
    story = starting(*tickets)
    story.tell(Started("run-1"))
    return story


def adopting(*tickets: int) -> Story:
    """Somebody else started the engine; these requests wait for it."""
    story = Story()
    story.tell(SeenRunning("run-1"))
    for ticket in tickets:
        story.arrives(ticket)
    return story


def serving(*tickets: int, idle_after: float | None = IDLE_AFTER, **settings: Any) -> Story:
    """READY, and these requests hold leases; idle if none is named."""
    story = Story(idle_after, **settings)
    story.tell(SeenRunning("run-1"))
    story.answers()
    for ticket in tickets:
        story.arrives(ticket)
    return story


def full(*waiting: int) -> Story:
    """READY with one place, which request 1 has, while these wait."""
    return serving(1, *waiting, concurrency=1)


def serving_quietly(*tickets: int) -> Story:
    """READY, and only these quiet requests are served."""
    story = serving()
    for ticket in tickets:
        story.arrives(ticket, quiet=True)
    return story


def yielding(*tickets: int) -> Story:
    """READY, with these leases out, and others wait for its room."""
    story = serving(*tickets, budgeted=True)
    story.tell(RoomWanted(wanted=True))
    return story


def queued(*tickets: int) -> Story:
    """These requests wait for room in the budget; request 1 if none is named."""
    story = Story(budgeted=True)
    for ticket in tickets or (1,):
        story.arrives(ticket)
    return story


def queued_politely() -> Story:
    """Room is asked for only because it is the hour to be warm."""
    story = Story(budgeted=True)
    story.tell(WarmthChanged(warm=True))
    return story


def out_of_reach(*leases: int) -> Story:
    """The engine was READY, and refused a connection while these requests held leases."""
    story = serving(*leases)
    story.tell(LostContact("run-1"))
    return story


def stopping(*tickets: int, **settings: Any) -> Story:
    """The idle alarm rang; these requests came since."""
    story = serving(**settings)
    story.rings()
    for ticket in tickets:
        story.arrives(ticket)
    return story


def crashed_once(**settings: Any) -> Story:
    """READY again after a crash that came soon, and idle."""
    story = serving(**settings)
    story.tell(SeenStopped("exited with code 1", crashed=True, steady=False))
    story.tell(SeenRunning("run-2"))
    story.answers()
    return story


def flapping(*again: int, **settings: Any) -> Story:
    """FAILED, because it has crashed a second time; these requests were in service, and are held."""
    story = crashed_once(**settings)
    story.tell(SeenStopped("exited with code 1", crashed=True, steady=False))
    for ticket in again:
        story.arrives(ticket, again=True)
    return story


def clearing(reason: str = "exited with code 1", *, budgeted: bool = False) -> Story:
    """FAILED, and what remains of the start is still being cleared away."""
    story = Story(budgeted=budgeted)
    story.arrives(1)
    if budgeted:
        story.tell(RoomGranted())
    story.tell(StartFailed(reason, reason))
    return story


def unheard(*, budgeted: bool = False) -> Story:
    """FAILED, because the runtime was silent until the alarm rang, and the start is being given up."""
    story = Story(budgeted=budgeted)
    story.arrives(1)
    if budgeted:
        story.tell(RoomGranted())
    story.tell(RuntimeSilent("does not answer"))
    story.rings()
    return story


def cooling(reason: str = "exited with code 1") -> Story:
    """FAILED, nothing remains, and the cool-down runs."""
    story = clearing(reason)
    story.tell(Stopped())
    return story
