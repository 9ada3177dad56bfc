"""From the first request to a ready engine."""

from __future__ import annotations

import pytest

from gateway.lifecycle.commands import Admit, StartEngine, StopEngine
from gateway.lifecycle.events import (
    AlarmRang,
    BecameReady,
    LostContact,
    SeenRunning,
    SeenStopped,
    Started,
    StartFailed,
    Stopped,
)
from tests.unit.lifecycle.story import (
    Alarm,
    Begin,
    Probe,
    Refused,
    adopting,
    asleep,
    out_of_reach,
    probing,
    serving,
    starting,
)


def test_the_first_request_starts_the_engine_and_is_let_in_when_it_answers() -> None:
    engine = asleep()
    assert engine.arrives(1) == [StartEngine(), Alarm(60)]
    assert engine.tell(Started("run-1")) == [Probe()]
    assert engine.answers() == [Admit(1)]
    assert engine.phase == "READY"


def test_any_number_of_requests_cause_one_start_and_are_let_in_as_they_came() -> None:
    engine = starting(1)
    for ticket in range(2, 201):
        assert engine.arrives(ticket) == []
    engine.tell(Started("run-1"))
    assert engine.answers() == [Admit(ticket) for ticket in range(1, 201)]


def test_who_leaves_while_waiting_is_not_let_in() -> None:
    engine = probing(1, 2, 3)
    assert engine.leaves(2) == []
    assert engine.answers() == [Admit(1), Admit(3)]
    assert not engine.machine.waiting


def test_a_wake_that_nobody_waits_for_any_more_goes_on_and_ends_with_an_idle_engine() -> None:
    engine = probing(1)
    assert engine.leaves(1) == []
    assert engine.answers() == [Alarm(900)]


def test_a_request_to_a_ready_engine_is_let_in_at_once() -> None:
    engine = serving()
    assert engine.arrives(1) == [Admit(1)]
    assert engine.arrives(2) == [Admit(2)]


# Starts that fail


def test_a_failed_start_refuses_everybody_with_the_reason_and_clears_away_what_remains() -> None:
    engine = starting(1, 2)
    failure = engine.tell(StartFailed("has no image", "does not exist yet"))
    assert failure == [Refused(1, "engine_start_failed"), Refused(2, "engine_start_failed"), StopEngine()]
    assert engine.errors[1].message == "whisper could not be started: it does not exist yet", (
        "insides are for operators"
    )
    assert engine.errors[1].retry_after == 1
    assert engine.errors[1] is not engine.errors[2]
    assert engine.phase == "FAILED"
    assert engine.machine.failures.reason == "has no image"


@pytest.mark.parametrize("begin", [starting, probing])
def test_an_engine_that_exits_while_starting_fails_its_waiters_at_once(begin: Begin) -> None:
    engine = begin(1)
    assert engine.tell(SeenStopped("exited with code 7")) == [Refused(1, "engine_start_failed"), StopEngine()]
    assert "exited with code 7" in engine.errors[1].message


@pytest.mark.parametrize("begin", [starting, probing, adopting])
def test_who_waits_longer_than_the_start_timeout_is_refused_and_the_engine_stopped(begin: Begin) -> None:
    engine = begin(1)
    assert engine.rings() == [Refused(1, "engine_start_timeout"), StopEngine()]
    assert engine.errors[1].message == "whisper was not ready after 60 s"
    assert engine.machine.failures.reason == "was not ready after 60 s"
    assert engine.phase == "FAILED"


def test_the_start_timeout_is_counted_from_the_start_and_not_from_the_probe() -> None:
    engine = starting()
    alarm = engine.alarm
    engine.tell(Started("run-1"))
    assert engine.alarm == alarm
    engine.tell(SeenRunning("run-2"))
    assert engine.alarm == alarm


def test_the_alarm_of_a_start_that_succeeded_is_old_news() -> None:
    engine = probing(1)
    alarm = engine.alarm
    engine.answers()
    assert engine.ignores(AlarmRang(alarm))


# Engines that run without our doing


def test_an_engine_that_runs_already_is_adopted_asked_whether_it_answers_and_not_started() -> None:
    engine = asleep()
    assert engine.tell(SeenRunning("run-1")) == [Probe(), Alarm(60)]
    assert engine.arrives(1) == []
    assert engine.answers() == [Admit(1)]


def test_an_adopted_engine_that_nobody_needs_has_an_idle_alarm() -> None:
    assert adopting().answers() == [Alarm(900)]


def test_an_adopted_engine_that_stops_before_it_is_ready_is_started_for_those_who_wait() -> None:
    engine = adopting(1)
    assert engine.tell(SeenStopped("exited with code 0")) == [StartEngine(), Alarm(60)]
    engine.tell(Started("run-2"))
    assert engine.answers() == [Admit(1)]


def test_an_adopted_engine_that_stops_before_it_is_ready_sleeps_when_nobody_waits() -> None:
    engine = adopting()
    alarm = engine.alarm
    assert engine.tell(SeenStopped("exited with code 0")) == []
    assert engine.phase == "ASLEEP"
    assert engine.machine.failures.count == 0
    assert engine.ignores(AlarmRang(alarm))


def test_seeing_what_we_started_ourselves_changes_nothing() -> None:
    engine = probing(1)
    assert engine.ignores(SeenRunning("run-1"))


def test_a_restart_by_hand_while_waking_is_followed_to_the_new_run() -> None:
    engine = probing(1)
    first = engine.probe
    assert engine.tell(SeenRunning("run-2")) == [Probe()]
    assert engine.ignores(BecameReady(first))
    assert engine.answers() == [Admit(1)]
    assert engine.machine.instance == "run-2"


# The engine was ready, and refused a connection


def test_an_engine_that_lost_contact_is_probed_and_new_requests_are_held() -> None:
    engine = out_of_reach(1)
    assert engine.phase == "WAKING"
    assert engine.arrives(2) == []
    assert engine.answers() == [Admit(2)]
    assert engine.machine.serving == {1, 2}


def test_a_start_timeout_with_leases_out_refuses_who_waits_but_does_not_stop_the_engine() -> None:
    engine = out_of_reach(1)
    engine.arrives(2)
    assert engine.rings() == [Refused(2, "engine_start_timeout"), Alarm(60)]
    assert engine.phase == "WAKING"
    assert engine.leaves(1) == []
    assert engine.rings() == [StopEngine()]
    assert engine.phase == "FAILED"


def test_an_engine_found_stopped_after_lost_contact_is_started_for_those_who_wait() -> None:
    engine = out_of_reach(1)
    engine.arrives(2)
    assert engine.tell(SeenStopped("exited with code 137")) == [StartEngine(), Alarm(60)]
    assert engine.tell(StartFailed("has no image", "does not exist yet")) == [
        Refused(2, "engine_start_failed"),
        StopEngine(),
    ]


def test_an_engine_of_our_own_that_is_found_stopped_after_lost_contact_did_not_fail_to_start() -> None:
    engine = probing(1)
    engine.answers()
    engine.tell(LostContact("run-1"))
    engine.arrives(2)
    assert engine.tell(SeenStopped("exited with code 137")) == [StartEngine(), Alarm(60)]


def test_who_keeps_the_engine_busy_through_lost_contact_sets_the_idle_alarm_on_leaving() -> None:
    engine = out_of_reach(1)
    assert engine.answers() == []
    assert engine.leaves(1) == [Alarm(900)]


def test_an_answer_after_the_wake_was_given_up_is_old_news() -> None:
    engine = probing(1)
    engine.rings()
    assert engine.ignores(BecameReady(engine.probe))
    engine.tell(Stopped())
    assert engine.ignores(BecameReady(engine.probe))


def test_the_answer_of_an_earlier_run_does_not_make_a_start_ready() -> None:
    """The probe of an adopted engine that went away may still be answered, by whatever listens there now."""
    engine = adopting(1)
    engine.tell(SeenStopped("exited with code 0"))
    assert engine.phase == "WAKING"
    assert engine.ignores(BecameReady(engine.probe))
    assert engine.tell(Started("run-2")) == [Probe()]
    assert engine.answers() == [Admit(1)]
