"""An engine that serves only so many at once, and lets only so many wait."""

from __future__ import annotations

from dataclasses import replace

from gateway.lifecycle.commands import Admit, StartEngine, StopEngine
from gateway.lifecycle.events import LostContact, PolicyChanged, SeenStopped, SleepAsked, Started, Stopped
from gateway.lifecycle.policy import Policy
from tests.unit.lifecycle.story import Alarm, Probe, Refused, Story, full, serving


def test_as_many_are_served_at_once_as_there_are_places() -> None:
    engine = serving(concurrency=2)
    assert engine.arrives(1) == [Admit(1)]
    assert engine.arrives(2) == [Admit(2)]
    assert engine.arrives(3) == []
    assert list(engine.machine.waiting) == [3]


def test_who_leaves_lets_the_next_one_in() -> None:
    engine = full(2, 3)
    assert engine.leaves(1) == [Admit(2)]
    assert engine.leaves(2) == [Admit(3)]
    assert engine.leaves(3) == [Alarm(900)]


def test_who_leaves_the_line_lets_nobody_in() -> None:
    engine = full(2, 3)
    assert engine.leaves(2) == []
    assert engine.leaves(1) == [Admit(3)]


def test_a_wake_lets_in_as_many_as_there_are_places_and_the_parties_take_turns() -> None:
    engine = Story(concurrency=3)
    for ticket, party in enumerate("aaaab", start=1):
        engine.arrives(ticket, party)
    engine.tell(Started("run-1"))
    assert engine.answers() == [Admit(1), Admit(5), Admit(2)]
    assert engine.leaves(5) == [Admit(3)]


def test_nobody_is_asked_to_wait_beyond_the_limit() -> None:
    engine = full(2, 3)
    engine.tell(PolicyChanged(replace(engine.machine.policy, queue_limit=2)))
    assert engine.arrives(4) == [Refused(4, "queue_full")]
    assert engine.leaves(4) == []
    assert list(engine.machine.waiting) == [2, 3]


def test_a_full_line_makes_room_for_a_party_that_has_less() -> None:
    engine = serving(1, concurrency=1, queue_limit=2)
    engine.arrives(2, "flood")
    engine.arrives(3, "flood")
    assert engine.arrives(4, "other") == [Refused(3, "queue_full")]
    assert list(engine.machine.waiting) == [2, 4]


def test_while_the_engine_wakes_the_limit_holds_too() -> None:
    engine = Story(queue_limit=1, queue_bytes=10)
    assert engine.arrives(1, size=1000) == [StartEngine(), Alarm(60)]
    assert engine.arrives(2) == [Refused(2, "queue_full")]


def test_the_limit_in_bytes_counts_what_waits_but_not_what_is_served() -> None:
    engine = serving(concurrency=1, queue_bytes=10)
    engine.arrives(1, size=1000)
    engine.arrives(2, size=10)
    assert engine.arrives(3, size=1) == [Refused(3, "queue_full")]
    engine.leaves(1)
    assert engine.arrives(4, size=1) == []


def test_who_was_served_already_comes_first_and_is_never_too_many() -> None:
    engine = serving(1, concurrency=1, queue_limit=1)
    engine.arrives(2)
    assert engine.arrives(3, again=True, size=10**12) == []
    assert engine.leaves(1) == [Admit(3)]


def test_a_lost_contact_keeps_the_line_and_its_order() -> None:
    engine = full(2, 3)
    assert engine.tell(LostContact("run-1")) == [Probe(), Alarm(60)]
    assert engine.leaves(1) == []
    assert engine.answers() == [Admit(2)]


def test_an_engine_that_stops_with_a_line_is_started_again() -> None:
    engine = full(2)
    assert engine.tell(SeenStopped("exited with code 0")) == [StartEngine(), Alarm(60)]


def test_sleep_by_force_refuses_the_line() -> None:
    engine = full(2, 3)
    assert engine.tell(SleepAsked(force=True)) == [
        Refused(2, "engine_put_to_sleep"),
        Refused(3, "engine_put_to_sleep"),
        StopEngine(),
    ]
    assert engine.tell(Stopped()) == []


# Changed settings


def test_more_places_let_in_who_waits_at_once() -> None:
    engine = full(2, 3, 4)
    assert engine.tell(PolicyChanged(Policy(concurrency=3))) == [Admit(2), Admit(3)]
    assert engine.tell(PolicyChanged(Policy())) == [Admit(4)]


def test_fewer_places_cut_nobody_off() -> None:
    engine = serving(1, 2, 3)
    assert engine.tell(PolicyChanged(Policy(concurrency=1))) == []
    assert engine.arrives(4) == []
    assert [engine.leaves(1), engine.leaves(2), engine.leaves(3)] == [[], [], [Admit(4)]]


def test_a_changed_idle_time_begins_anew() -> None:
    engine = serving()
    assert engine.tell(PolicyChanged(Policy(idle_after=5))) == [Alarm(5)]
    assert engine.tell(PolicyChanged(Policy(idle_after=None))) == []
    assert engine.rings() == []
    assert serving(1).tell(PolicyChanged(Policy(idle_after=5))) == []
