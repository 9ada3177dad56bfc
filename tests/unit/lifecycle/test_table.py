"""The table and the machine agree: what it lists happens, what it does not list changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from gateway.errors import IllegalEvent
from gateway.lifecycle import events as e
from gateway.lifecycle.commands import Admit
from gateway.lifecycle.phases import ASLEEP, FAILED, NEXT, QUEUED, READY, STOPPING, WAKING, Phase
from gateway.lifecycle.policy import Policy
from tests.unit.lifecycle import story
from tests.unit.lifecycle.story import Story, state

SITUATIONS: dict[Phase, list[Callable[[], Story]]] = {
    ASLEEP: [story.asleep, lambda: Story(budgeted=True)],
    QUEUED: [story.queued, lambda: told(story.queued(), e.WakeAsked()), story.queued_politely],
    WAKING: [
        story.starting,
        lambda: story.probing(1, 2),
        story.adopting,
        lambda: story.adopting(1),
        lambda: story.out_of_reach(1),
        lambda: told(story.adopting(), e.RoomWanted(wanted=True)),
        lambda: told(story.queued(), e.SeenRunning("run-1")),
    ],
    READY: [
        story.serving,
        lambda: story.serving(1),
        lambda: story.serving(idle_after=None),
        lambda: story.full(2),
        lambda: story.serving_quietly(1),
        lambda: told(story.serving_quietly(1), e.SleepAsked()),
        lambda: story.yielding(1),
        lambda: told(story.yielding(1), e.RequestArrived(2)),
        story.crashed_once,
    ],
    STOPPING: [
        story.stopping,
        lambda: story.stopping(1),
        lambda: told(story.stopping(), e.WakeAsked()),
        lambda: story.stopping(1, budgeted=True),
        lambda: told(story.stopping(1), e.RuntimeSilent("does not answer")),
    ],
    FAILED: [
        story.clearing,
        story.cooling,
        lambda: told(story.clearing(), e.WakeAsked()),
        lambda: told(story.clearing(budgeted=True), e.WakeAsked()),
        story.flapping,
        lambda: story.flapping(1),
        lambda: story.flapping(1, budgeted=True),
        story.unheard,
        lambda: told(story.unheard(), e.Stopped()),
        lambda: told(story.unheard(budgeted=True), e.Stopped()),
    ],
}
EVENTS: dict[type[e.Event], Callable[[Story], list[e.Event]]] = {
    e.RequestArrived: lambda _: [e.RequestArrived(50), e.RequestArrived(50, quiet=True)],
    e.RequestLeft: lambda _: [e.RequestLeft(1)],
    e.WakeAsked: lambda _: [e.WakeAsked()],
    e.SleepAsked: lambda engine: [e.SleepAsked(force=True), *[e.SleepAsked()] * (not needed(engine))],
    e.Started: lambda _: [e.Started("run-9")],
    e.StartFailed: lambda _: [e.StartFailed("exited", "exited", meant=meant) for meant in (True, False)],
    e.Stopped: lambda _: [e.Stopped()],
    e.StopFailed: lambda _: [e.StopFailed("does not end")],
    e.SeenRunning: lambda _: [e.SeenRunning("run-1"), e.SeenRunning("run-9")],
    e.SeenStopped: lambda _: [
        e.SeenStopped("exited with code 0", meant=True),
        e.SeenStopped("is paused"),
        e.SeenStopped("exited with code 1", crashed=True, steady=False),
    ],
    e.PolicyChanged: lambda _: [e.PolicyChanged(Policy(budgeted=budgeted)) for budgeted in (True, False)],
    e.RuntimeSilent: lambda _: [e.RuntimeSilent("does not answer")],
    e.RoomGranted: lambda _: [e.RoomGranted()],
    e.RoomWanted: lambda _: [e.RoomWanted(wanted=True), e.RoomWanted(wanted=False)],
    e.WarmthChanged: lambda _: [e.WarmthChanged(warm=True), e.WarmthChanged(warm=False)],
    e.BecameReady: lambda engine: [e.BecameReady(engine.machine._attempt)],
    e.LostContact: lambda engine: [e.LostContact(engine.machine.instance or "run-1")],
    e.AlarmRang: lambda engine: [e.AlarmRang(engine.machine._alarm)],
}
NEVER_ILLEGAL = (e.BecameReady, e.LostContact)
"""Where the table does not list them they are old news, and dropped before it is asked."""


def needed(engine: Story) -> bool:
    machine = engine.machine
    return bool(machine.serving or machine.waiting or (machine.quiet and machine.phase is not READY))


def told(engine: Story, event: e.Event) -> Story:
    engine.tell(event)
    return engine


def tries(phase: Phase, kind: type[e.Event]) -> Iterator[tuple[Story, e.Event]]:
    """Every situation in this phase, with every event of this kind; an engine of its own for each."""
    for situation in SITUATIONS[phase]:
        for number in range(len(EVENTS[kind](situation()))):
            engine = situation()
            yield engine, EVENTS[kind](engine)[number]


PAIRS = [(phase, kind) for phase in Phase for kind in EVENTS]


def test_every_event_and_every_phase_is_tried() -> None:
    assert set(EVENTS) == {kind for kind in vars(e).values() if isinstance(kind, type) and kind.__base__ is e.Event}
    assert set(SITUATIONS) == set(Phase)
    for phase, situations in SITUATIONS.items():
        assert {situation().machine.phase for situation in situations} == {phase}


@pytest.mark.parametrize(("phase", "kind"), PAIRS, ids=lambda value: getattr(value, "__name__", None) or value.name)
def test_an_event_leads_where_the_table_says_or_changes_nothing(phase: Phase, kind: type[e.Event]) -> None:
    for engine, event in tries(phase, kind):
        if (phase, kind) in NEXT:
            engine.tell(event)
            assert engine.machine.phase in NEXT[phase, kind]
        elif kind in NEVER_ILLEGAL:
            assert engine.ignores(event)
        else:
            error = engine.declines(event, IllegalEvent)
            assert error.message == f"{kind.__name__} cannot happen to an engine that is {phase.value}"


def test_every_move_in_the_table_can_happen() -> None:
    moves = set()
    for phase, kind in NEXT:
        for engine, event in tries(phase, kind):
            engine.tell(event)
            moves.add((phase, kind, engine.machine.phase))
    assert moves == {(phase, kind, after) for (phase, kind), targets in NEXT.items() for after in targets}


def test_every_phase_can_be_reached_and_left() -> None:
    moves = {(phase, after) for (phase, _), targets in NEXT.items() for after in targets if after is not phase}
    assert {before for before, _ in moves} == set(Phase)
    assert {after for _, after in moves} == set(Phase)


@pytest.mark.parametrize("phase", list(Phase))
def test_stale_alarms_probes_and_lost_contacts_change_nothing(phase: Phase) -> None:
    for situation in SITUATIONS[phase]:
        engine = situation()
        stale = (engine.machine._alarm - 1, engine.machine._attempt - 1)
        assert engine.ignores(e.AlarmRang(stale[0]))
        assert engine.ignores(e.BecameReady(stale[1]))
        assert engine.ignores(e.LostContact("run-0"))


@pytest.mark.parametrize("phase", list(Phase))
def test_every_request_may_leave_in_every_phase(phase: Phase) -> None:
    for situation in SITUATIONS[phase]:
        engine = situation()
        machine = engine.machine
        for ticket in [*machine.waiting, *machine.serving, *machine.quiet, 99]:
            engine.leaves(ticket)
        assert not machine.waiting
        assert not machine.serving
        assert not machine.quiet


@pytest.mark.parametrize("phase", list(Phase))
def test_the_short_form_of_an_arrival_does_what_the_long_one_would_or_nothing(phase: Phase) -> None:
    for situation in SITUATIONS[phase]:
        short, long = situation(), situation()
        before = state(short.machine)
        if short.machine.admit_at_once(50):
            assert long.arrives(50) == [Admit(50)]
            assert state(short.machine) == state(long.machine)
        else:
            assert state(short.machine) == before
            assert Admit(50) not in long.arrives(50)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("idle_after", [None, 60.0])
@pytest.mark.parametrize("warm", [False, True])
def test_the_short_form_of_a_departure_does_what_the_long_one_would_or_nothing(
    phase: Phase, idle_after: float | None, *, warm: bool
) -> None:
    for situation in SITUATIONS[phase]:
        tickets = [*situation().machine.waiting, *situation().machine.serving, *situation().machine.quiet, 99]
        for ticket in tickets:
            short, long = situation(), situation()
            for engine in (short, long):
                engine.machine.policy = dataclasses.replace(engine.machine.policy, idle_after=idle_after)
                engine.machine.warm = warm
                engine.machine.failures.count = 1
            before = state(short.machine)
            if short.machine.leave_at_once(ticket):
                assert long.leaves(ticket) == []
                assert state(short.machine) == state(long.machine)
            else:
                assert state(short.machine) == before


def test_a_story_remembers_all_that_a_machine_remembers() -> None:
    """`declines` and `ignores` compare everything but what never changes."""
    engine = story.serving(1)
    before = state(engine.machine)
    engine.leaves(1)
    assert {name for name, value in state(engine.machine).items() if value != before[name]} == {"serving", "_alarm"}


def test_an_engine_says_how_it_is_in_one_line() -> None:
    assert repr(story.probing(1, 2)) == "<Engine whisper WAKING serving=0 waiting=2>"
    assert repr(story.serving(1)) == "<Engine whisper READY serving=1 waiting=0>"
