"""What an operator's wake and sleep do in each phase."""

from __future__ import annotations

import pytest

from gateway.errors import EngineBusy
from gateway.lifecycle.commands import StartEngine, StopEngine
from gateway.lifecycle.events import AlarmRang, SeenStopped, SleepAsked, StartFailed, StopFailed, Stopped, WakeAsked
from tests.unit.lifecycle.story import (
    Alarm,
    Begin,
    Probe,
    Refused,
    Story,
    adopting,
    asleep,
    clearing,
    cooling,
    out_of_reach,
    probing,
    serving,
    starting,
    stopping,
)

# Wake


def test_waking_a_sleeping_engine_starts_it_and_it_is_idle_afterwards() -> None:
    engine = asleep()
    assert engine.tell(WakeAsked()) == [StartEngine(), Alarm(60)]


@pytest.mark.parametrize("begin", [starting, probing])
def test_waking_an_engine_that_starts_already_changes_nothing(begin: Begin) -> None:
    assert begin(1).ignores(WakeAsked())


def test_waking_an_idle_engine_begins_its_idle_time_anew() -> None:
    engine = serving()
    before = engine.alarm
    assert engine.tell(WakeAsked()) == [Alarm(900)]
    assert engine.ignores(AlarmRang(before))


def test_waking_a_busy_engine_changes_nothing() -> None:
    assert serving(1).ignores(WakeAsked())


def test_waking_an_engine_that_never_idles_away_sets_no_alarm() -> None:
    assert serving(idle_after=None).ignores(WakeAsked())


def test_waking_a_stopping_engine_starts_it_again_when_it_has_stopped() -> None:
    engine = stopping()
    assert engine.tell(WakeAsked()) == []
    assert engine.tell(Stopped()) == [StartEngine(), Alarm(60)]


def test_an_operator_need_not_wait_for_the_cool_down() -> None:
    engine = cooling()
    rest = engine.alarm
    assert engine.tell(WakeAsked()) == [StartEngine(), Alarm(60)]
    assert engine.ignores(AlarmRang(rest))


def test_waking_a_failed_engine_waits_until_the_remains_are_cleared_away() -> None:
    engine = clearing()
    assert engine.tell(WakeAsked()) == []
    assert engine.tell(Stopped()) == [StartEngine(), Alarm(60)]
    engine.tell(StartFailed("exited with code 1", "exited with code 1"))
    assert engine.tell(Stopped()) == [Alarm(2)], "one wake is one start"


def test_a_wake_that_fails_is_not_repeated() -> None:
    engine = asleep()
    engine.tell(WakeAsked())
    engine.tell(StartFailed("exited with code 1", "exited with code 1"))
    assert engine.tell(Stopped()) == [Alarm(1)]


# Sleep


def test_an_idle_engine_is_put_to_sleep() -> None:
    engine = serving()
    idle = engine.alarm
    assert engine.tell(SleepAsked()) == [StopEngine()]
    assert engine.ignores(AlarmRang(idle))
    assert engine.tell(Stopped()) == []
    assert engine.phase == "ASLEEP"


@pytest.mark.parametrize(
    ("engine", "leases", "waiters"),
    [
        (serving(1, 2), 2, 0),
        (starting(1), 0, 1),
        (probing(1, 2), 0, 2),
        (adopting(1), 0, 1),
        (out_of_reach(1), 1, 0),
        (stopping(1), 0, 1),
    ],
)
def test_an_engine_that_is_needed_is_not_put_to_sleep(engine: Story, leases: int, waiters: int) -> None:
    error = engine.declines(SleepAsked(), EngineBusy)
    assert f"{leases} requests in service and {waiters} waiting" in error.message


def test_a_forced_sleep_cuts_off_who_is_served() -> None:
    engine = serving(1)
    assert engine.tell(SleepAsked(force=True)) == [StopEngine()]
    assert engine.leaves(1) == []
    assert engine.tell(Stopped()) == []
    assert engine.phase == "ASLEEP"


@pytest.mark.parametrize("begin", [starting, probing, adopting])
def test_a_forced_sleep_refuses_who_waits_and_gives_up_the_start(begin: Begin) -> None:
    engine = begin(1, 2)
    refusals = [Refused(1, "engine_put_to_sleep"), Refused(2, "engine_put_to_sleep")]
    assert engine.tell(SleepAsked(force=True)) == [*refusals, StopEngine()]
    assert engine.phase == "STOPPING"


def test_a_forced_sleep_during_the_stop_refuses_who_waits_for_the_next_start() -> None:
    engine = stopping(1)
    assert engine.tell(SleepAsked(force=True)) == [Refused(1, "engine_put_to_sleep")]
    assert engine.tell(Stopped()) == []


def test_a_wake_that_nobody_waits_for_can_be_taken_back() -> None:
    engine = asleep()
    engine.tell(WakeAsked())
    assert engine.tell(SleepAsked()) == [StopEngine()]


@pytest.mark.parametrize("begin", [stopping, clearing])
def test_a_wake_that_waits_for_a_stop_can_be_taken_back(begin: Begin) -> None:
    engine = begin()
    engine.tell(WakeAsked())
    assert engine.tell(SleepAsked()) == []
    assert StartEngine() not in engine.tell(Stopped())


@pytest.mark.parametrize("begin", [asleep, clearing, cooling])
@pytest.mark.parametrize("asked", [SleepAsked(), SleepAsked(force=True)])
def test_putting_an_engine_to_sleep_that_does_not_run_changes_nothing(begin: Begin, asked: SleepAsked) -> None:
    assert begin().ignores(asked)


def test_requests_that_come_after_a_forced_sleep_are_served_by_the_next_start() -> None:
    engine = serving(1)
    engine.tell(SleepAsked(force=True))
    assert engine.arrives(2) == []
    assert engine.tell(Stopped()) == [StartEngine(), Alarm(60)]


def test_a_forced_sleep_that_fails_leaves_an_engine_that_idles_away() -> None:
    engine = serving(1)
    engine.tell(SleepAsked(force=True))
    assert engine.tell(StopFailed("does not end")) == [Probe(), Alarm(60)]
    assert engine.answers() == [Alarm(900)]


def test_a_stop_by_hand_is_no_reason_to_start_for_an_operator_whose_wake_is_over() -> None:
    engine = serving()
    engine.tell(WakeAsked())
    assert engine.tell(SeenStopped("exited with code 0")) == []


def test_a_wake_that_a_failed_stop_has_answered_is_over() -> None:
    engine = stopping()
    engine.tell(WakeAsked())
    engine.tell(StopFailed("does not end"))
    engine.answers()
    assert engine.rings() == [StopEngine()]
    assert engine.tell(Stopped()) == [], "the idle stop is not undone by a wake of long ago"


@pytest.mark.parametrize("asked", ["before", "after"])
def test_a_wake_asked_of_an_engine_that_is_found_stopped_is_a_start(asked: str) -> None:
    engine = stopping()
    if asked == "before":
        engine.tell(WakeAsked())
    engine.tell(StopFailed("does not end"))
    if asked == "after":
        assert engine.tell(WakeAsked()) == []
    assert engine.tell(SeenStopped("exited with code 0")) == [StartEngine(), Alarm(60)]


def test_a_wake_that_ran_out_of_time_is_not_repeated() -> None:
    engine = adopting()
    engine.tell(WakeAsked())
    assert engine.rings() == [StopEngine()]
    assert engine.tell(Stopped()) == [Alarm(1)]
