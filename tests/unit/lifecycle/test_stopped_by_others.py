"""Engines that are stopped, or end in good order, though nobody here has ordered it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.lifecycle.commands import Admit, StartEngine, StopEngine
from gateway.lifecycle.events import (
    BecameReady,
    RequestLeft,
    SeenRunning,
    SeenStopped,
    SleepAsked,
    Started,
    StartFailed,
    Stopped,
)
from gateway.lifecycle.failures import TOLERATED
from tests.unit.lifecycle.story import (
    Alarm,
    Begin,
    Probe,
    Refused,
    Story,
    adopting,
    asleep,
    out_of_reach,
    probing,
    starting,
)

ENDED = SeenStopped("exited with code 143", meant=True, steady=False)
ENDED_AT_ONCE = StartFailed("exited with code 0 right after its start", "exited with code 0", meant=True)


# While it starts


@pytest.mark.parametrize("begin", [starting, probing])
def test_an_engine_that_somebody_stops_while_it_starts_is_started_once_more_for_those_who_wait(begin: Begin) -> None:
    engine = begin(1, 2)
    assert engine.tell(ENDED) == [StartEngine()]
    assert engine.phase == "WAKING"
    assert engine.tell(Started("run-2")) == [Probe()]
    assert engine.answers() == [Admit(1), Admit(2)]
    assert engine.machine.failures.count == 0


def test_so_is_one_that_ends_before_its_start_has_been_confirmed() -> None:
    engine = starting(1)
    assert engine.tell(ENDED_AT_ONCE) == [StartEngine()]
    engine.tell(Started("run-2"))
    assert engine.answers() == [Admit(1)]


def test_both_starts_have_the_time_of_one() -> None:
    engine = probing(1)
    alarm = engine.alarm
    engine.tell(ENDED)
    engine.tell(Started("run-2"))
    assert engine.alarm == alarm
    assert engine.rings() == [Refused(1, "engine_start_timeout"), StopEngine()]


@pytest.mark.parametrize("again", [ENDED, ENDED_AT_ONCE])
def test_if_it_ends_again_it_cannot_be_started_and_that_is_one_failure(again: SeenStopped | StartFailed) -> None:
    engine = probing(1)
    engine.tell(ENDED)
    assert engine.tell(again) == [Refused(1, "engine_start_failed"), StopEngine()]
    assert engine.errors[1].retry_after == 1
    assert engine.machine.failures.count == 1


def test_the_next_wake_has_a_second_start_too() -> None:
    engine = probing(1)
    engine.tell(ENDED)
    engine.tell(Started("run-2"))
    engine.answers()
    engine.leaves(1)
    engine.tell(SeenStopped("exited with code 0", meant=True))
    assert engine.arrives(2) == [StartEngine(), Alarm(60)]
    assert engine.tell(ENDED) == [StartEngine()]


def test_an_engine_that_crashes_while_it_starts_is_not_started_again() -> None:
    engine = probing(1)
    crash = SeenStopped("exited with code 1", crashed=True)
    assert engine.tell(crash) == [Refused(1, "engine_start_failed"), StopEngine()]
    engine = probing(1)
    engine.tell(ENDED)
    assert engine.tell(crash) == [Refused(1, "engine_start_failed"), StopEngine()]


def test_a_wake_that_nobody_waits_for_any_more_goes_on_in_this_case_too() -> None:
    engine = probing(1)
    engine.leaves(1)
    assert engine.tell(ENDED) == [StartEngine()]


def test_a_sleep_ends_the_second_start_like_the_first() -> None:
    engine = probing(1)
    engine.leaves(1)
    engine.tell(ENDED)
    assert engine.tell(SleepAsked()) == [StopEngine()]


def test_the_answer_of_the_run_that_has_ended_is_old_news() -> None:
    engine = probing(1)
    first = engine.probe
    engine.tell(ENDED)
    assert engine.ignores(BecameReady(first))


def test_an_engine_that_somebody_starts_again_meanwhile_is_followed_to_that_run() -> None:
    engine = probing(1)
    engine.tell(ENDED)
    assert engine.tell(SeenRunning("run-2")) == [Probe()]
    assert engine.answers() == [Admit(1)]


@pytest.mark.parametrize("begin", [adopting, out_of_reach])
def test_an_adopted_engine_that_ends_has_not_had_a_start_of_ours_yet(begin: Begin) -> None:
    engine = begin(1)
    engine.arrives(2)
    assert engine.tell(ENDED) == [StartEngine(), Alarm(60)]
    engine.tell(Started("run-2"))
    assert engine.tell(ENDED) == [StartEngine()]


# Soon after it was ready


def ends_soon(engine: Story, end: SeenStopped = ENDED) -> list[object]:
    """A request, which is not answered, wakes it; it becomes ready and ends."""
    engine.arrives(1)
    engine.tell(Started("run"))
    engine.answers()
    engine.tell(RequestLeft(1, served=False))
    return engine.tell(end)


def flapping_well(times: int) -> Story:
    engine = asleep()
    for _ in range(times):
        assert ends_soon(engine) == []
        assert engine.phase == "ASLEEP"
    return engine


def test_people_may_stop_it_now_and_then() -> None:
    assert flapping_well(TOLERATED).machine.failures.count == 0


def test_an_engine_that_does_so_again_and_again_has_failed_and_rests_longer_and_longer() -> None:
    engine = flapping_well(TOLERATED + 1)
    assert engine.machine.failures.count == 1, "as the first crash: it is started again at once for who waits"
    rests = []
    for _ in range(4):
        rests += ends_soon(engine)
        assert engine.phase == "FAILED"
        engine.rings()
    assert rests == [Alarm(2), Alarm(4), Alarm(8), Alarm(16)]
    assert engine.machine.failures.reason == "exited with code 143"


def serves(engine: Story) -> None:
    engine.arrives(1)
    engine.tell(Started("run"))
    engine.answers()
    engine.leaves(1)
    engine.tell(SeenStopped("exited with code 0", meant=True, steady=False))


def is_steady(engine: Story) -> None:
    ends_soon(engine, SeenStopped("exited with code 0", meant=True))


def is_put_to_sleep(engine: Story) -> None:
    engine.arrives(1)
    engine.tell(Started("run"))
    engine.answers()
    engine.tell(RequestLeft(1, served=False))
    engine.rings()
    engine.tell(Stopped())


@pytest.mark.parametrize("works", [serves, is_steady, is_put_to_sleep])
def test_what_shows_that_it_works_sets_that_back(works: Callable[[Story], None]) -> None:
    engine = flapping_well(TOLERATED)
    works(engine)
    for _ in range(TOLERATED - 1):
        ends_soon(engine)
    assert (engine.phase, engine.machine.failures.count) == ("ASLEEP", 0)


def test_nobody_can_tell_what_a_paused_engine_did() -> None:
    engine = asleep()
    for _ in range(3 * TOLERATED):
        ends_soon(engine, SeenStopped("is paused", steady=False))
    assert engine.machine.failures.count == 0
