"""Awake by the clock."""

from __future__ import annotations

from gateway.lifecycle.commands import StartEngine, StopEngine
from gateway.lifecycle.events import SeenStopped, SleepAsked, StartFailed, Stopped, WakeAsked, WarmthChanged
from tests.unit.lifecycle.story import Alarm, Story, asleep, serving, starting

WARM, COLD = WarmthChanged(warm=True), WarmthChanged(warm=False)


def warm(*tickets: int) -> Story:
    story = serving(*tickets)
    story.tell(WARM)
    return story


def test_warm_hours_wake_an_engine() -> None:
    assert asleep().tell(WARM) == [StartEngine(), Alarm(60)]
    assert starting().tell(WARM) == []


def test_in_them_there_is_no_idle_time() -> None:
    engine = warm(1)
    assert engine.leaves(1) == []
    assert engine.tell(WakeAsked()) == []
    engine = serving()
    engine.tell(WARM)
    assert engine.rings() == [], "what was set before does not count"


def test_after_them_the_idle_time_begins() -> None:
    assert warm().tell(COLD) == [Alarm(900)]
    assert warm(1).tell(COLD) == []


def test_to_be_told_twice_changes_nothing() -> None:
    assert warm().ignores(WARM)
    assert serving().ignores(COLD)


def test_an_operators_sleep_ends_them_until_they_begin_again() -> None:
    engine = warm()
    assert engine.tell(SleepAsked()) == [StopEngine()]
    assert engine.tell(Stopped()) == []
    assert engine.ignores(COLD)
    assert engine.tell(WARM) == [StartEngine(), Alarm(60)]


def test_an_engine_that_ends_in_them_is_started_again() -> None:
    assert warm().tell(SeenStopped("exited with code 0")) == [StartEngine(), Alarm(60)]


def test_after_a_failed_start_it_is_tried_again_when_the_rest_is_over() -> None:
    engine = asleep()
    engine.tell(WARM)
    engine.tell(StartFailed("has no image", "does not exist yet"))
    assert engine.tell(Stopped()) == [Alarm(1)]
    assert engine.rings() == [StartEngine(), Alarm(60)]


def test_an_engine_that_ends_as_soon_as_it_is_ready_rests_before_it_is_started_for_nobody_again() -> None:
    engine = warm()
    assert engine.tell(SeenStopped("exited with code 0", steady=False)) == [StartEngine(), Alarm(60)]
    engine.tell(SeenStopped("exited with code 0"))
    engine.tell(Stopped())
    assert engine.phase == "FAILED"
