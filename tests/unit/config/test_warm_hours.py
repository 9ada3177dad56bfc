from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.warm_hours import ALWAYS, DAY, WarmHours, parse_warm_hours

WEEK = range(7)
HOUR = 60


@pytest.mark.parametrize(
    ("text", "days", "start", "end"),
    [
        ("Mon-Fri 08:00-18:00", [0, 1, 2, 3, 4], 8 * HOUR, 18 * HOUR),
        ("Sat,Sun 10:00-12:30", [5, 6], 10 * HOUR, 12 * HOUR + 30),
        ("daily 22:00-02:00", WEEK, 22 * HOUR, 26 * HOUR),
        ("Fri 23:30-00:00", [4], 23 * HOUR + 30, DAY),
        ("Sun 00:00-24:00", [6], 0, DAY),
        ("Sat-Mon 1:05-2:00", [5, 6, 0], HOUR + 5, 2 * HOUR),
        ("mon,WED-thu 08:00-09:00", [0, 2, 3], 8 * HOUR, 9 * HOUR),
        ("Mon-Sun 00:00-24:00", WEEK, 0, DAY),
        ("Tue-Tue 08:00-07:59", [1], 8 * HOUR, DAY + 8 * HOUR - 1),
        ("always", WEEK, 0, DAY),
    ],
)
def test_hours_of_the_week_are_read(text: str, days: list[int], start: int, end: int) -> None:
    assert parse_warm_hours(text) == WarmHours(frozenset(days), start, end)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("weekdays 8am-6pm", '"weekdays 8am-6pm" are no hours of the week (try "Mon-Fri 08:00-18:00")'),
        ("Monday to Friday, 8 - 18", '"Monday to Friday, 8 - 18" are no hours of the week (try "Mon-Fri 08:00-18:00")'),
        ("weekend 10:00-14:00", '"weekend" is not a day (try "Sat,Sun")'),
        ("Sat and Sun 10.30-12", '"Sat and Sun 10.30-12" are no hours of the week (try "Sat,Sun 10:30-12:00")'),
        (
            "every day 22:00 until 2:00",
            '"every day 22:00 until 2:00" are no hours of the week (try "daily 22:00-02:00")',
        ),
        ("08:00-18:00", '"08:00-18:00" are no hours of the week (try "daily 08:00-18:00")'),
        ("8-18 Mon-Fri", '"8-18 Mon-Fri" are no hours of the week (try "Mon-Fri 08:00-18:00")'),
        ("Mon\u2013Fri 8:00\u201318:00", '(try "Mon-Fri 08:00-18:00")'),
        ("24/7", '"24/7" are no hours of the week (try "always")'),
        ("true", '"true" are no hours of the week (try "always")'),
        ("", '"" are no hours of the week (try "Mon-Fri 08:00-18:00")'),
        ("Monday 08:00-18:00", '"Monday" is not a day (try "Mon")'),
        ("Mno 08:00-18:00", '"Mno" is not a day (did you mean "Mon"?)'),
        ("xyz 08:00-18:00", '"xyz" is not a day (try Mon-Fri, or daily)'),
        ("Mon- 08:00-18:00", '"" is not a day (try Mon-Fri, or daily)'),
        ("Mon 25:00-26:00", '"25:00" is no time of day (00:00 to 24:00)'),
        ("Mon 24:01-08:00", '"24:01" is no time of day (00:00 to 24:00)'),
        ("Mon 08:60-09:00", '"08:60" is no time of day (00:00 to 24:00)'),
        ("Mon 24:00-08:00", '"Mon 24:00-08:00" begins at the end of a day'),
        ("Mon 08:00-08:00", '"Mon 08:00-08:00" begins and ends at the same time (00:00-24:00 is the whole day)'),
        ("Mon 00:00-00:00\n", "are no hours of the week"),
        (["Mon"], "hours of the week are expected, not a list"),
        (None, "hours of the week are expected"),
    ],
)
def test_what_is_no_hours_is_told_with_a_remedy(wrong: object, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_warm_hours(wrong)


hours = st.builds(
    lambda days, start, length: WarmHours(days, start, start + length),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, DAY - 1),
    st.integers(1, DAY - 1),
)


@given(hours)
def test_hours_are_written_as_they_are_read(one: WarmHours) -> None:
    assert parse_warm_hours(str(one)) == one


def test_hours_are_written_short() -> None:
    texts = ["Mon-Fri 08:00-18:00", "Sat,Sun 10:00-12:30", "daily 22:00-02:00", "always", "Tue 00:00-24:00"]
    assert [str(parse_warm_hours(text)) for text in texts] == texts
    assert parse_warm_hours("daily 00:00-24:00") == ALWAYS
    assert str(parse_warm_hours("Mon,Wed,Thu,Fri,Sun 1:00-2:00")) == "Wed-Fri,Sun,Mon 01:00-02:00"


WORDS = [
    "Mon",
    "monday",
    "Fri",
    "weekdays",
    "daily",
    "-",
    ",",
    " ",
    " to ",
    "8",
    "18:00",
    "8am",
    "24:00",
    "99",
    "x",
    "\n",
]


@given(st.lists(st.sampled_from(WORDS), max_size=8).map("".join) | st.text(max_size=20))
def test_each_suggestion_is_right(text: str) -> None:
    try:
        parse_warm_hours(text)
    except ValueError as exc:
        said = re.search(r'no hours of the week \(try "(.*)"\)$', str(exc))
        assert said is None or parse_warm_hours(said[1])
