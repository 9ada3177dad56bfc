"""From the last lease to a sleeping engine, and who comes meanwhile."""

from __future__ import annotations

from gateway.lifecycle.commands import Admit, StartEngine, StopEngine
from gateway.lifecycle.events import (
    AlarmRang,
    RuntimeSilent,
    SeenRunning,
    SeenStopped,
    SleepAsked,
    Started,
    StopFailed,
    Stopped,
    WakeAsked,
)
from tests.unit.lifecycle.story import Alarm, Probe, Refused, Story, probing, serving, starting, stopping


def test_the_last_lease_to_return_sets_the_idle_alarm() -> None:
    engine = serving(1, 2)
    assert engine.leaves(1) == []
    assert engine.leaves(2) == [Alarm(900)]


def test_an_idle_engine_is_stopped_when_its_alarm_rings() -> None:
    engine = serving()
    assert engine.rings() == [StopEngine()]
    assert engine.phase == "STOPPING"
    assert engine.tell(Stopped()) == []
    assert engine.phase == "ASLEEP"


def test_a_request_makes_the_idle_alarm_old_news() -> None:
    engine = serving()
    alarm = engine.alarm
    engine.arrives(1)
    assert engine.ignores(AlarmRang(alarm))
    engine.leaves(1)
    assert engine.ignores(AlarmRang(alarm))
    assert engine.rings() == [StopEngine()]


def test_the_alarm_of_an_engine_that_stopped_is_old_news_in_every_later_phase() -> None:
    engine = serving()
    alarm = engine.alarm
    engine.tell(SeenStopped("exited with code 0"))
    assert engine.ignores(AlarmRang(alarm))
    engine.arrives(1)
    assert engine.ignores(AlarmRang(alarm))
    engine.tell(Started("run-2"))
    assert engine.ignores(AlarmRang(alarm))


def test_an_engine_that_shall_never_idle_away_has_no_alarm() -> None:
    engine = serving(1, idle_after=None)
    assert engine.leaves(1) == []
    engine = serving(idle_after=None)
    assert engine.ignores(AlarmRang(engine.alarm))


def test_leaving_twice_or_without_having_come_changes_nothing() -> None:
    engine = serving(1)
    engine.leaves(1)
    alarm = engine.alarm
    assert engine.leaves(1) == []
    assert engine.leaves(99) == []
    assert engine.alarm == alarm


def test_a_request_during_the_stop_is_served_by_the_next_start() -> None:
    engine = stopping()
    assert engine.arrives(1) == []
    assert engine.tell(Stopped()) == [StartEngine(), Alarm(60)]
    engine.tell(Started("run-2"))
    assert engine.answers() == [Admit(1)]


def test_a_request_that_leaves_during_the_stop_wakes_nothing() -> None:
    engine = stopping(1)
    engine.leaves(1)
    assert engine.tell(Stopped()) == []


def test_what_is_seen_during_the_stop_is_left_to_the_stop() -> None:
    engine = stopping(1)
    assert engine.tell(SeenStopped("exited with code 0")) == []
    assert engine.tell(SeenRunning("run-1")) == []
    assert engine.phase == "STOPPING"


def test_a_stop_that_fails_leaves_an_engine_that_is_asked_whether_it_answers_and_stopped_later() -> None:
    engine = stopping(1)
    assert engine.tell(StopFailed("is run by a runtime that does not answer")) == [Probe(), Alarm(60)]
    assert engine.answers() == [Admit(1)]
    assert engine.leaves(1) == [Alarm(900)]
    assert engine.rings() == [StopEngine()]


def test_after_a_failed_stop_a_program_that_nobody_has_seen_is_not_probed_until_somebody_sees_it() -> None:
    """A start that was given up may have begun the program or not, and its address is unknown."""
    engine = starting()
    engine.tell(SleepAsked(force=True))
    engine.arrives(2)
    assert engine.tell(StopFailed("does not end")) == [Alarm(60)]
    assert engine.tell(SeenRunning("run-1")) == [Probe()]
    assert engine.answers() == [Admit(2)]


def test_after_a_failed_stop_a_start_that_was_given_up_is_not_mistaken_for_an_earlier_run() -> None:
    engine = clearing_what_ran()
    engine.tell(StopFailed("does not end"))
    engine.tell(WakeAsked())
    engine.tell(SleepAsked())
    assert engine.tell(StopFailed("does not end")) == [Alarm(60)]


def clearing_what_ran() -> Story:
    engine = probing()
    engine.rings()
    return engine


def test_after_a_failed_stop_an_engine_that_does_not_run_is_started_for_those_who_wait() -> None:
    engine = stopping(1)
    engine.tell(StopFailed("does not end"))
    assert engine.tell(SeenStopped("exited with code 0")) == [StartEngine(), Alarm(60)]


# The engine changes behind our back while it is ready


def test_an_engine_that_was_stopped_by_somebody_else_is_asleep() -> None:
    engine = serving()
    assert engine.tell(SeenStopped("exited with code 0")) == []
    assert engine.phase == "ASLEEP"
    assert engine.arrives(1) == [StartEngine(), Alarm(60)]


def test_leases_outlive_the_program_and_come_back_when_their_requests_have_noticed() -> None:
    engine = serving(1, 2)
    engine.tell(SeenStopped("exited with code 137"))
    assert engine.machine.instance is None
    assert engine.leaves(1) == []
    assert engine.arrives(3) == [StartEngine(), Alarm(60)]
    assert engine.leaves(2) == []
    assert engine.machine.serving == set()


def test_a_paused_engine_goes_on_with_its_requests_and_is_not_idle_when_it_is_unpaused() -> None:
    """`docker commit` pauses for a moment, and so do backups: a lease must survive that."""
    engine = serving(1)
    engine.tell(SeenStopped("is paused"))
    engine.tell(SeenRunning("run-1"))
    assert engine.answers() == [], "no idle alarm while a lease is out"
    assert engine.leaves(1) == [Alarm(900)]


def test_a_crash_while_serving_is_no_failed_start_and_needs_no_cool_down() -> None:
    engine = serving(1)
    engine.tell(SeenStopped("exited with code 137"))
    assert engine.machine.failures.count == 0
    assert engine.machine.failures.reason is None


def test_an_engine_that_was_restarted_behind_our_back_is_probed_again() -> None:
    engine = serving()
    assert engine.tell(SeenRunning("run-2")) == [Probe(), Alarm(60)]
    assert engine.arrives(1) == []
    assert engine.answers() == [Admit(1)]


def test_a_lease_may_be_younger_than_a_restart_that_is_noticed_late_and_keeps_the_engine_busy() -> None:
    """Who came between the restart and our seeing it is served by the new run; nobody can tell them apart."""
    engine = serving(1)
    engine.tell(SeenRunning("run-2"))
    assert engine.answers() == [], "no idle alarm while a lease is out"
    assert engine.leaves(1) == [Alarm(900)]


def test_seeing_a_ready_engine_run_changes_nothing() -> None:
    engine = serving(1)
    assert engine.ignores(SeenRunning("run-1"))


# A stop that the runtime does not answer


def silent(*tickets: int) -> Story:
    """The stop was given, and is without an answer; these requests came since."""
    engine = stopping(*tickets)
    assert engine.tell(RuntimeSilent("does not answer")) == [Alarm(60)]
    return engine


def test_who_comes_meanwhile_waits_for_the_answer_and_is_served_by_the_next_start() -> None:
    engine = silent(1)
    assert engine.arrives(2) == []
    alarm = engine.alarm
    assert engine.tell(Stopped()) == [StartEngine(), Alarm(60)]
    assert engine.ignores(AlarmRang(alarm))


def test_but_not_longer_than_a_start_may_take() -> None:
    engine = silent(1)
    for ticket in (1, 2, 3):
        assert engine.rings() == [Refused(ticket, "engine_start_failed"), Alarm(60)]
        assert "cannot be reached" in engine.errors[ticket].message
        assert engine.phase == "STOPPING", "and nothing is started before the answer"
        engine.arrives(ticket + 1)
    assert engine.tell(Stopped()) == [StartEngine(), Alarm(60)]


def test_if_nobody_came_the_engine_sleeps_in_the_end() -> None:
    engine = silent()
    alarm = engine.alarm
    assert engine.tell(Stopped()) == []
    assert (engine.phase, engine.ignores(AlarmRang(alarm))) == ("ASLEEP", True)
