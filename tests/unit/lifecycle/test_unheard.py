"""A runtime that does not answer: its silence is not the engine's fault."""

from __future__ import annotations

import pytest

from gateway.lifecycle.commands import Admit, StartEngine, StopEngine
from gateway.lifecycle.events import Event, RuntimeSilent, SeenRunning, Started, StopFailed, Stopped
from tests.unit.lifecycle.story import Alarm, Probe, Refused, out_of_reach, starting, unheard

SILENT = RuntimeSilent("is run by Docker, which does not answer")


def test_a_start_that_the_runtime_never_heard_of_is_no_slow_engine() -> None:
    engine = starting(1)
    assert engine.tell(SILENT) == []
    assert engine.rings()[0] == Refused(1, "engine_start_failed")
    assert "cannot be reached" in engine.errors[1].message
    assert "Docker" not in engine.errors[1].message
    assert engine.machine.failures.reason == "is run by Docker, which does not answer"


def test_after_a_start_that_the_runtime_never_heard_of_nobody_has_to_wait_for_a_rest() -> None:
    """However long Docker was away: the next request is tried for as long as the first."""
    engine = starting(1)
    for ticket in range(2, 6):
        engine.tell(SILENT)
        engine.rings()
        assert engine.errors[ticket - 1].retry_after == 1
        assert engine.tell(Stopped()) == [Alarm(1)]
        assert engine.arrives(ticket) == [StartEngine(), Alarm(60)]
    assert engine.machine.failures.count == 1


@pytest.mark.parametrize("outcome", [Stopped(), StopFailed("is run by Docker, which does not answer")])
def test_who_comes_while_that_start_is_given_up_waits_for_the_next_one(outcome: Event) -> None:
    engine = unheard()
    assert engine.arrives(2) == []
    assert engine.tell(outcome) == [StartEngine(), Alarm(60)]


def test_but_not_for_ever() -> None:
    """Docker may take the stop, and not answer."""
    engine = unheard()
    engine.arrives(2)
    assert engine.rings() == [Refused(2, "engine_start_failed"), Alarm(60)]
    assert engine.phase == "FAILED"


def test_who_comes_while_a_start_is_tried_has_as_long_as_the_first() -> None:
    engine = starting(1)
    engine.tell(SILENT)
    engine.arrives(2)
    assert engine.rings() == [Refused(1, "engine_start_failed"), Alarm(60)]
    engine.arrives(3)
    assert engine.phase == "WAKING"
    assert engine.rings() == [Refused(2, "engine_start_failed"), Alarm(60)]
    assert engine.tell(Started("run-1")) == [Probe(), Alarm(60)], "it has all of its time from when it was heard of"
    assert engine.answers() == [Admit(3)]


def test_an_engine_that_somebody_else_has_started_does_not_fail_while_nobody_can_be_asked_about_it() -> None:
    engine = out_of_reach()
    engine.arrives(1)
    engine.tell(SILENT)
    assert engine.rings() == [Alarm(60)]
    engine.tell(SeenRunning("run-1"))
    assert engine.rings() == [Refused(1, "engine_start_timeout"), StopEngine()], "the runtime answers again"
    assert engine.machine.failures.count == 1


def test_once_it_has_answered_the_engine_is_slow() -> None:
    engine = starting(1)
    engine.tell(SILENT)
    engine.tell(Started("run-1"))
    assert engine.rings()[0] == Refused(1, "engine_start_timeout")
