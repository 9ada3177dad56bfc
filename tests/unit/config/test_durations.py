from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.durations import LONGEST, format_duration, parse_duration, parse_idle


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1d2h3m4s5ms", 93_784.005),
        ("1.5h", 5400),
        ("0.1s", 0.1),
        ("90", 90),
        ("0.5", 0.5),
        (90, 90),
        (0.25, 0.25),
        (1e-6, 1e-6),
        ("3650d", LONGEST),
    ],
)
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ("5 mins", '"5 mins" is not a duration (try "5m")'),
        ("5M", '"5M" is not a duration (try "5m")'),
        ("5 m", '"5 m" is not a duration (try "5m")'),
        ("30m1h", '"30m1h" is not a duration (try "1h30m")'),
        ("1 hour and 30 minutes", '"1 hour and 30 minutes" is not a duration (try "1h30m")'),
        ("-5m", '"-5m" is not a duration (try "5m")'),
        ("200 milliseconds", '"200 milliseconds" is not a duration (try "200ms")'),
        ("90m30m", '"90m30m" is not a duration (try "2h")'),
        ("1:30", '"1:30" is not a duration (try "15m")'),
        ("5 months", '"5 months" is not a duration (try "15m")'),
        ("soon", '"soon" is not a duration (try "15m")'),
        ("", '"" is not a duration (try "15m")'),
        ("1e3", '"1e3" is not a duration (try "15m")'),
        ("\u0665m", '"\u0665m" is not a duration (try "15m")'),
        ("5m\n", '"5m\\n" is not a duration (try "5m")'),
        ("never", '"never" is not a duration (try "15m")'),
        (math.nan, '"nan" is not a duration (try "15m")'),
        (math.inf, '"inf" is not a duration (try "15m")'),
        (-1, '"-1" is not a duration (try "15m")'),
        (0, '"0" is too short (it must be longer than zero)'),
        ("0s", '"0s" is too short (it must be longer than zero)'),
        ("3651d", '"3651d" is too long (at most "3650d")'),
        (1e300, "is not a duration"),
        (None, 'a duration is missing (try "15m")'),
        (True, 'a duration is missing (try "15m")'),
        ([5], 'a duration is expected, not a list (try "15m")'),
        ({"m": 5}, 'a duration is expected, not settings (try "15m")'),
    ],
)
def test_what_is_no_duration_is_refused_with_a_remedy(wrong: object, remedy: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_duration(wrong)
    assert remedy in str(refusal.value)


def test_idle_time_may_be_never() -> None:
    assert parse_idle("never") is None
    assert parse_idle("15m") == 900


@pytest.mark.parametrize("word", ["Never", "off", "forever", "none", "false", " never "])
def test_other_words_for_never_are_led_to_it(word: str) -> None:
    with pytest.raises(ValueError, match=r'is not a duration \(try "never"\)'):
        parse_idle(word)


def test_nothing_is_not_never() -> None:
    with pytest.raises(ValueError, match="a duration is missing"):
        parse_idle(None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (900, "15m"),
        (5400, "1h30m"),
        (0.25, "250ms"),
        (90_061.5, "1d1h1m1s500ms"),
        (0, "0s"),
        (0.0001, "0.1ms"),
        (-90, "-1m30s"),
        (None, "never"),
    ],
)
def test_a_duration_is_printed_the_short_way(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=1, max_value=int(LONGEST) * 1000))
def test_what_is_printed_reads_as_the_same_time(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


def refusal_of(value: object) -> tuple[str, float]:
    try:
        return "", parse_duration(value)
    except ValueError as refusal:
        return str(refusal), 0


@given(st.one_of(st.text(), st.text("0123456789.dhms -"), st.floats(), st.integers(), st.lists(st.text()), st.none()))
def test_anything_is_a_usable_time_or_a_value_error(value: object) -> None:
    said, seconds = refusal_of(value)
    assert said.isprintable()
    assert said or 0 < seconds <= LONGEST


@given(st.text("0123456789.dhmsincour -,", max_size=20))
def test_a_suggestion_is_itself_a_duration(text: str) -> None:
    said, _ = refusal_of(text)
    if "try" in said:
        assert parse_duration(said.rpartition('(try "')[2].removesuffix('")')) > 0
