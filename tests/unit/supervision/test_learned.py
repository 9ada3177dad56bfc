"""What is learned of wakes and services, and when somebody is told to come again."""

from __future__ import annotations

import pytest

from gateway.supervision.learned import LONGEST, UNKNOWN, Learned, Times


def test_nothing_is_known_at_first() -> None:
    times = Times()
    assert (times.mean, times.p90) == (None, None)


def test_the_average_follows_what_is_new() -> None:
    times = Times()
    for seconds in [10.0] * 5 + [2.0] * 30:
        times.add(seconds)
    assert times.mean == pytest.approx(2, abs=0.1)


def test_nine_in_ten_of_the_last_hundred_do_not_exceed_the_p90() -> None:
    times = Times()
    for seconds in range(1000):
        times.add(float(seconds))
    assert times.p90 == 989
    assert sum(seconds <= 989 for seconds in range(900, 1000)) == 90


def test_one_time_is_all_times() -> None:
    times = Times()
    times.add(3.0)
    assert (times.mean, times.p90) == (3.0, 3.0)


def learned(wake: float | None = None, service: float | None = None) -> Learned:
    known = Learned()
    if wake is not None:
        known.wakes.add(wake)
    if service is not None:
        known.services.add(service)
    return known


def test_who_comes_again_finds_the_wake_over_and_the_rounds_before_him() -> None:
    known = learned(wake=20, service=3)
    assert known.come_again(4, awake=False, waking_for=0) == 32
    assert known.come_again(4, awake=False, waking_for=15) == 17
    assert known.come_again(4, awake=False, waking_for=100) == 12
    assert known.come_again(4, awake=True, waking_for=0) == 12
    assert known.come_again(4, awake=False, waking_for=0, rest=10) == 42


def test_as_long_as_nothing_is_known_it_is_a_guess() -> None:
    assert learned().come_again(4, awake=False, waking_for=0) == UNKNOWN
    assert learned(service=3).come_again(4, awake=False, waking_for=0) == UNKNOWN + 12
    assert learned(wake=20).come_again(4, awake=False, waking_for=0) == 20
    assert learned(wake=20).come_again(4, awake=True, waking_for=0) == UNKNOWN


def test_it_is_never_at_once_and_never_out_of_sight() -> None:
    assert learned(service=0.001).come_again(1, awake=True, waking_for=0) == 1
    assert learned(service=60).come_again(500, awake=True, waking_for=0) == LONGEST
