"""Requests that neither wake an engine nor keep it awake."""

from __future__ import annotations

import pytest

from gateway.lifecycle.commands import Admit, StopEngine
from gateway.lifecycle.events import AlarmRang, SleepAsked, Stopped, WakeAsked
from tests.unit.lifecycle.story import (
    Alarm,
    Begin,
    Refused,
    asleep,
    cooling,
    full,
    probing,
    queued,
    serving,
    serving_quietly,
    stopping,
    yielding,
)


@pytest.mark.parametrize("begin", [asleep, queued, probing, stopping, cooling, lambda: yielding(1)])
def test_where_it_would_have_to_wait_it_is_refused_and_changes_nothing(begin: Begin) -> None:
    engine = begin()
    phase = engine.phase
    assert engine.arrives(50, quiet=True) == [Refused(50, "not_awake")]
    assert engine.leaves(50) == []
    assert engine.phase == phase


def test_a_ready_engine_serves_it_whatever_else_it_does() -> None:
    engine = full(2)
    assert engine.arrives(3, quiet=True) == [Admit(3)]
    assert engine.leaves(3) == []
    assert list(engine.machine.waiting) == [2]


def test_the_idle_time_goes_on() -> None:
    engine = serving()
    alarm = engine.alarm
    engine.arrives(1, quiet=True)
    assert engine.leaves(1) == []
    assert engine.tell(AlarmRang(alarm)) == [StopEngine()]


def test_an_engine_whose_idle_time_is_over_stops_with_the_last_of_them() -> None:
    engine = serving_quietly(1, 2)
    assert engine.rings() == []
    assert engine.arrives(3, quiet=True) == [Refused(3, "not_awake")], "else they would keep it awake together"
    assert engine.leaves(1) == []
    assert engine.leaves(2) == [StopEngine()]


def test_an_ordinary_request_keeps_it_awake_after_all() -> None:
    engine = serving_quietly(1)
    engine.rings()
    assert engine.arrives(2) == [Admit(2)]
    assert engine.arrives(3, quiet=True) == [Admit(3)]
    assert engine.leaves(1) == []
    assert engine.leaves(2) == [Alarm(900)]


def test_so_does_an_operators_wake() -> None:
    engine = serving_quietly(1)
    engine.rings()
    assert engine.tell(WakeAsked()) == [Alarm(900)]
    assert engine.leaves(1) == []


def test_a_sleep_lets_it_finish_and_by_force_does_not() -> None:
    engine = serving_quietly(1)
    assert engine.tell(SleepAsked()) == []
    assert engine.leaves(1) == [StopEngine()]
    assert serving_quietly(1).tell(SleepAsked(force=True)) == [StopEngine()]


def test_it_does_not_prove_that_an_engine_works() -> None:
    engine = serving_quietly(1)
    engine.machine.failures.count = 3
    engine.leaves(1)
    assert engine.machine.failures.count == 3
    engine.rings()
    engine.tell(Stopped())
    assert engine.machine.failures.count == 0, "an end in good order does"
