"""Room in the budget: asking for it, and making it."""

from __future__ import annotations

from gateway.lifecycle.commands import Admit, AskRoom, GiveUpRoom, StartEngine, StopEngine
from gateway.lifecycle.events import (
    LostContact,
    PolicyChanged,
    RoomGranted,
    RoomWanted,
    SeenRunning,
    SeenStopped,
    SleepAsked,
    Stopped,
    WakeAsked,
    WarmthChanged,
)
from gateway.lifecycle.policy import Policy
from tests.unit.lifecycle.story import (
    Alarm,
    Probe,
    Refused,
    Story,
    adopting,
    queued,
    queued_politely,
    serving,
    serving_quietly,
    stopping,
    yielding,
)

WANTED, WANTED_NO_MORE = RoomWanted(wanted=True), RoomWanted(wanted=False)


def test_a_start_waits_for_room() -> None:
    engine = Story(budgeted=True)
    assert engine.arrives(1) == [AskRoom(politely=False)]
    assert engine.arrives(2) == []
    assert engine.phase == "QUEUED"
    assert engine.tell(RoomGranted()) == [StartEngine(), Alarm(60)]
    assert engine.phase == "WAKING"


def test_the_ask_is_withdrawn_when_nobody_waits_any_more() -> None:
    engine = queued(1, 2)
    assert engine.leaves(1) == []
    assert engine.leaves(2) == [GiveUpRoom()]
    assert engine.phase == "ASLEEP"


def test_an_operators_wake_waits_for_room_without_a_request() -> None:
    engine = Story(budgeted=True)
    assert engine.tell(WakeAsked()) == [AskRoom(politely=False)]
    engine.arrives(1)
    assert engine.leaves(1) == []
    assert engine.tell(SleepAsked()) == [GiveUpRoom()]


def test_a_sleep_by_force_refuses_who_waits_for_room() -> None:
    assert queued().tell(SleepAsked(force=True)) == [Refused(1, "engine_put_to_sleep"), GiveUpRoom()]


def test_warmth_and_preloading_ask_politely_and_a_request_does_not() -> None:
    engine = Story(budgeted=True)
    assert engine.tell(WakeAsked(politely=True)) == [AskRoom(politely=True)]
    assert engine.arrives(1) == [AskRoom(politely=False)]
    assert engine.leaves(1) == [AskRoom(politely=True)]
    assert engine.tell(WarmthChanged(warm=True)) == []
    assert engine.tell(WakeAsked()) == [AskRoom(politely=False)]


def test_the_end_of_the_warm_hours_withdraws_the_ask() -> None:
    engine = queued_politely()
    assert engine.tell(WarmthChanged(warm=False)) == [GiveUpRoom()]
    assert engine.phase == "ASLEEP"


def test_an_engine_that_somebody_started_meanwhile_is_adopted() -> None:
    assert queued().tell(SeenRunning("run-1")) == [GiveUpRoom(), Probe(), Alarm(60)]


def test_an_engine_that_needs_no_room_any_more_starts() -> None:
    assert queued().tell(PolicyChanged(Policy())) == [GiveUpRoom(), StartEngine(), Alarm(60)]
    assert queued().tell(PolicyChanged(Policy(budgeted=True))) == []


# Making room


def test_an_idle_engine_makes_room_at_once() -> None:
    engine = serving(budgeted=True)
    assert engine.tell(WANTED) == [StopEngine()]
    assert engine.phase == "STOPPING"


def test_a_busy_one_lets_nobody_in_and_stops_with_its_last_lease() -> None:
    engine = yielding(1, 2)
    assert engine.phase == "READY"
    assert engine.arrives(3) == []
    assert engine.arrives(4, again=True) == []
    assert engine.leaves(1) == []
    assert engine.leaves(2) == [StopEngine()]
    assert engine.tell(Stopped()) == [AskRoom(politely=False)]
    engine.tell(RoomGranted())


def test_quiet_requests_are_not_cut_off_either() -> None:
    engine = serving_quietly(1)
    assert engine.tell(WANTED) == []
    assert engine.leaves(1) == [StopEngine()]


def test_who_waits_is_let_in_when_the_others_have_gone() -> None:
    engine = yielding(1)
    engine.arrives(2)
    assert engine.tell(WANTED_NO_MORE) == [Admit(2)]
    assert engine.leaves(1) == []
    assert engine.leaves(2) == [Alarm(900)]


def test_to_be_told_twice_changes_nothing() -> None:
    engine = yielding(1)
    assert engine.ignores(WANTED)
    assert serving(budgeted=True).ignores(WANTED_NO_MORE)


def test_an_engine_that_has_nothing_to_give_ignores_it() -> None:
    for engine in (queued(), stopping(budgeted=True), Story(budgeted=True)):
        assert engine.ignores(WANTED)


def test_it_is_remembered_while_contact_is_lost() -> None:
    engine = yielding(1)
    engine.tell(LostContact("run-1"))
    engine.arrives(2)
    engine.leaves(1)
    assert engine.answers() == [StopEngine()]
    assert engine.tell(Stopped()) == [AskRoom(politely=False)]


def test_but_not_beyond_the_run() -> None:
    engine = yielding(1)
    engine.tell(SeenStopped("exited with code 0"))
    assert not engine.machine.yielding
    engine = adopting()
    engine.tell(WANTED)
    engine.tell(WANTED_NO_MORE)
    assert engine.answers() == [Alarm(900)]


def test_a_warm_engine_makes_room_too_and_asks_politely_to_come_back() -> None:
    engine = serving(budgeted=True)
    engine.tell(WarmthChanged(warm=True))
    assert engine.tell(WANTED) == [StopEngine()]
    assert engine.tell(Stopped()) == [AskRoom(politely=True)]
