"""An engine that crashes again and again."""

from __future__ import annotations

from gateway.lifecycle.commands import Admit, StartEngine
from gateway.lifecycle.events import LostContact, RequestLeft, SeenStopped, Started, Stopped, WakeAsked
from tests.unit.lifecycle.story import Alarm, Refused, Story, crashed_once, flapping, serving

CRASH = SeenStopped("exited with code 137", crashed=True, steady=False)
LATE_CRASH = SeenStopped("exited with code 137", crashed=True)


def ready_again(engine: Story, run: str) -> None:
    engine.tell(Started(run))
    engine.answers()


def test_the_first_time_it_is_started_again_at_once_for_who_waits() -> None:
    engine = serving(1)
    engine.tell(LostContact("run-1"))
    engine.leaves(1)
    engine.arrives(2, again=True)
    assert engine.tell(CRASH) == [StartEngine(), Alarm(60)]
    assert (engine.machine.failures.count, engine.machine.failures.reason) == (1, "exited with code 137")


def test_if_it_crashes_again_before_it_has_served_anybody_it_rests() -> None:
    engine = crashed_once()
    assert engine.tell(CRASH) == [Alarm(2)]
    assert engine.phase == "FAILED"
    assert engine.rings() == []
    assert engine.phase == "ASLEEP"


def test_meanwhile_new_requests_are_refused_and_who_was_in_service_is_held() -> None:
    engine = flapping()
    assert engine.arrives(5) == [Refused(5, "engine_cooling_down")]
    assert engine.arrives(6, again=True) == []
    assert engine.rings() == [StartEngine(), Alarm(60)]
    engine.tell(Started("run-3"))
    assert engine.answers() == [Admit(6)]


def test_each_crash_makes_the_rest_longer_and_the_next_start_is_the_one_try() -> None:
    engine = flapping(1)
    rests = []
    for run in range(3, 7):
        engine.rings()
        ready_again(engine, f"run-{run}")
        (alarm,) = engine.tell(CRASH)
        assert isinstance(alarm, Alarm)
        rests.append(alarm.seconds)
        engine.arrives(run, again=True)
    assert rests == [4, 8, 16, 32]


def test_an_engine_that_has_served_somebody_works() -> None:
    engine = crashed_once()
    engine.arrives(1)
    engine.leaves(1)
    engine.arrives(2)
    assert engine.tell(CRASH) == []
    assert (engine.phase, engine.machine.failures.count) == ("ASLEEP", 1)


def test_an_engine_that_dies_in_the_middle_of_each_answer_does_not() -> None:
    engine = crashed_once()
    engine.arrives(1)
    engine.tell(RequestLeft(1, served=False))
    assert engine.tell(CRASH) == [Alarm(2)]
    assert (engine.phase, engine.machine.failures.count) == ("FAILED", 2)


def test_an_engine_that_has_been_ready_for_long_worked() -> None:
    engine = crashed_once()
    assert engine.tell(LATE_CRASH) == []
    assert (engine.phase, engine.machine.failures.count) == ("ASLEEP", 1)


def test_an_end_in_good_order_is_no_crash() -> None:
    engine = crashed_once()
    assert engine.tell(SeenStopped("exited with code 0", steady=False)) == []
    assert engine.phase == "ASLEEP"
    engine = crashed_once()
    engine.rings()
    engine.tell(Stopped())
    assert engine.machine.failures.count == 0


def test_a_wake_of_an_operator_need_not_wait_for_the_rest() -> None:
    assert flapping().tell(WakeAsked()) == [StartEngine(), Alarm(60)]
