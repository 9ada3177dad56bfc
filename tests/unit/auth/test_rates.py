"""Rates as people write them, and the bucket that holds requests to one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.rates import MOST, Bucket, Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "count", "per"), [("60/m", 60, 60), ("1/s", 1, 1), ("007/h", 7, 3600), (f"{MOST}/d", MOST, 86_400)]
)
def test_a_rate_is_a_number_and_a_unit(text: str, count: int, per: float) -> None:
    rate = parse_rate(text)
    assert (rate.count, rate.per) == (count, per)
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("60 per minute", "60/m"), ("5 requests/hour", "5/h"), ("10/Sec", "10/s"), ("1 a day", "1/d"), ("60", "60/m"),
        ("", "60/m"), ("-1/m", "60/m"), ("1.5/s", "60/m"), ("60/w", "60/m"), ("٣/m", "60/m"), ("60/m\n", "60/m"),
        ("9" * 5000 + "/m", "60/m"),
    ],
)  # fmt: skip
def test_what_is_none_is_told_with_a_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f'is not a rate (try "{remedy}"')) as raised:
        parse_rate(text)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["0/s", f"{MOST + 1}/s"])
def test_a_rate_must_let_something_through_and_limit_something(text: str) -> None:
    with pytest.raises(ValueError, match="not a usable rate"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "words"), [("60/m", "60 requests a minute"), ("1/h", "1 request an hour")])
def test_a_rate_can_be_said(text: str, words: str) -> None:
    assert parse_rate(text).in_words == words


def test_all_may_come_at_once_and_then_one_by_one() -> None:
    bucket = Bucket(Rate(60, "m"))
    assert [bucket.take(5000.0) for _ in range(60)] == [0.0] * 60
    assert bucket.take(5000.0) == pytest.approx(1, abs=0.02)
    assert bucket.take(5001.0) == 0
    assert bucket.take(5001.0) > 0


def test_a_refusal_takes_nothing() -> None:
    bucket = Bucket(Rate(1, "m"))
    bucket.take(0.0)
    first = bucket.take(0.0)
    assert [bucket.take(0.0) for _ in range(1000)] == [first] * 1000
    assert bucket.wait(0.0) == first


def test_looking_takes_nothing() -> None:
    bucket = Bucket(Rate(1, "m"))
    assert [bucket.wait(0.0), bucket.wait(0.0), bucket.take(0.0)] == [0, 0, 0]


RATES = st.builds(Rate, st.integers(1, 2000), st.sampled_from("smhd"))


@pytest.mark.parametrize("now", [0.0, 1e5, 1e7, 33554432.0, 3.2e7, 1e9])
@pytest.mark.parametrize("rate", [Rate(1819, "s"), Rate(100_000, "s"), Rate(100_000, "d")])
def test_the_count_is_exact_after_years_of_uptime(rate: Rate, now: float) -> None:
    bucket = Bucket(rate)
    assert sum(bucket.take(now) == 0 for _ in range(rate.count + 100)) == rate.count


@given(RATES, st.floats(0, 1e9))
def test_exactly_as_many_as_the_rate_says_may_come_at_once(rate: Rate, now: float) -> None:
    bucket = Bucket(rate)
    taken = sum(bucket.take(now) == 0 for _ in range(rate.count + 10))
    assert taken == rate.count


@given(RATES, st.lists(st.floats(0, 10), max_size=200))
def test_no_patience_gets_more_than_the_rate(rate: Rate, gaps: list[float]) -> None:
    bucket, now, taken = Bucket(rate), 1e6, 0
    interval = rate.per / rate.count
    for gap in gaps:
        now += gap * interval
        taken += bucket.take(now) == 0
    assert taken <= rate.count + (now - 1e6) / interval + 1


@given(RATES, st.floats(0, 1e6))
def test_whoever_waits_as_long_as_told_is_let_through(rate: Rate, now: float) -> None:
    bucket = Bucket(rate)
    while not (wait := bucket.take(now)):
        pass
    assert wait <= rate.per
    assert bucket.take(now + wait + 1e-6) == 0
