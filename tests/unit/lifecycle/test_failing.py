"""After a failed start: refused at once, a rest that grows, and ways out of it."""

from __future__ import annotations

import pytest

from gateway.lifecycle.commands import StartEngine, StopEngine
from gateway.lifecycle.events import AlarmRang, SeenRunning, SeenStopped, Started, StartFailed, StopFailed, Stopped
from gateway.lifecycle.failures import LONGEST_REST, rest_after
from tests.unit.lifecycle.story import Alarm, Begin, Probe, Refused, Story, clearing, cooling, starting


def test_the_cool_down_begins_when_the_remains_are_cleared_away() -> None:
    engine = clearing()
    assert engine.tell(Stopped()) == [Alarm(1)]
    assert engine.phase == "FAILED"


def test_the_cool_down_begins_even_if_the_remains_cannot_be_cleared_away() -> None:
    engine = clearing()
    assert engine.tell(StopFailed("is run by a runtime that does not answer")) == [Alarm(1)]
    assert engine.phase == "FAILED"


def test_the_alarm_of_a_start_that_failed_is_old_news() -> None:
    engine = starting()
    alarm = engine.alarm
    engine.tell(StartFailed("has no image", "does not exist yet"))
    assert engine.ignores(AlarmRang(alarm))


@pytest.mark.parametrize("begin", [clearing, cooling])
def test_requests_are_refused_at_once_with_the_reason_and_when_to_come_again(begin: Begin) -> None:
    engine = begin("has no image")
    assert engine.arrives(2) == [Refused(2, "engine_cooling_down")]
    assert engine.errors[2].message == "whisper failed a moment ago, because it has no image; it is not tried again yet"
    assert engine.errors[2].retry_after == 1
    assert engine.leaves(2) == []


def test_after_the_cool_down_the_next_request_tries_again() -> None:
    engine = cooling()
    assert engine.rings() == []
    assert engine.phase == "ASLEEP"
    assert engine.arrives(2) == [StartEngine(), Alarm(60)]


def fails_again(engine: Story) -> float:
    """One more request in vain; returns the rest that follows."""
    engine.rings()
    engine.arrives(7)
    engine.tell(StartFailed("exited with code 1", "exited with code 1"))
    (alarm,) = engine.tell(Stopped())
    assert isinstance(alarm, Alarm)
    assert engine.errors[7].retry_after == alarm.seconds
    return alarm.seconds


def test_the_cool_down_doubles_with_each_failure_in_a_row_up_to_a_minute() -> None:
    engine = cooling()
    assert [fails_again(engine) for _ in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_success_makes_the_next_failure_the_first_again() -> None:
    engine = cooling()
    fails_again(engine)
    engine.rings()
    engine.arrives(1)
    engine.tell(Started("run-2"))
    engine.answers()
    assert engine.machine.failures.reason is None
    assert engine.machine.failures.count == 2, "to be ready is not to work"
    engine.leaves(1)
    assert engine.machine.failures.count == 0
    engine.rings()
    engine.tell(Stopped())
    assert fails_again_from_sleep(engine) == 1


def fails_again_from_sleep(engine: Story) -> float:
    engine.arrives(8)
    engine.tell(StartFailed("exited with code 1", "exited with code 1"))
    (alarm,) = engine.tell(Stopped())
    assert isinstance(alarm, Alarm)
    return alarm.seconds


def test_a_cool_down_is_finite_and_grows_however_long_an_engine_has_been_failing() -> None:
    rests = [rest_after(failures) for failures in range(1, 2000)]
    assert rests == sorted(rests)
    assert rests[0] == 1
    assert rests[-1] == LONGEST_REST


def test_an_engine_that_somebody_started_by_hand_is_adopted_before_the_cool_down_is_over() -> None:
    engine = cooling()
    rest = engine.alarm
    assert engine.tell(SeenRunning("run-2")) == [Probe(), Alarm(60)]
    assert engine.ignores(AlarmRang(rest))
    assert engine.answers() == [Alarm(900)]


def test_while_the_remains_are_cleared_away_a_running_engine_is_taken_for_one_of_them() -> None:
    engine = clearing()
    assert engine.tell(SeenRunning("run-1")) == []
    assert engine.phase == "FAILED"
    assert engine.tell(Stopped()) == [Alarm(1)]


def test_that_a_failed_engine_does_not_run_is_no_news() -> None:
    assert clearing().ignores(SeenStopped("exited with code 1"))
    assert cooling().ignores(SeenStopped("exited with code 1"))


def test_an_adopted_engine_that_never_answers_counts_as_a_failure_too() -> None:
    engine = cooling()
    engine.tell(SeenRunning("run-2"))
    assert engine.rings() == [StopEngine()]
    assert engine.tell(Stopped()) == [Alarm(2)]
