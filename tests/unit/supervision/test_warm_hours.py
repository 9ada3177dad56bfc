"""When the hours of an engine begin and end, whatever the clocks do in its time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.warm_hours import ALWAYS, WarmHours, parse_warm_hours
from gateway.supervision.warmth import is_warm, next_change

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = parse_warm_hours("Mon-Fri 08:00-18:00")


def local(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def changes(begin: str, *hours: WarmHours, zone: ZoneInfo = BERLIN, count: int = 4) -> list[str]:
    """The next changes in local time, with its distance from UTC."""
    found, now = [], local(begin, zone).astimezone(UTC)
    for _ in range(count):
        change = next_change(now, hours, zone)
        assert change is not None
        found.append(change.astimezone(zone).strftime("%m-%d %H:%M %z"))
        now = change
    return found


def test_hours_begin_and_end_in_local_time() -> None:
    """2026-11-20 is a Friday."""
    assert changes("2026-11-20 07:00", OFFICE) == [
        "11-20 08:00 +0100",
        "11-20 18:00 +0100",
        "11-23 08:00 +0100",
        "11-23 18:00 +0100",
    ]
    assert is_warm(local("2026-11-20 17:59"), [OFFICE], BERLIN)
    assert not is_warm(local("2026-11-20 18:00"), [OFFICE], BERLIN)
    assert not is_warm(local("2026-11-21 12:00"), [OFFICE], BERLIN)


def test_hours_past_midnight_belong_to_the_day_they_begin_on() -> None:
    night = parse_warm_hours("Fri 22:00-02:00")
    assert changes("2026-11-20 12:00", night, count=2) == ["11-20 22:00 +0100", "11-21 02:00 +0100"]
    assert not is_warm(local("2026-11-20 01:00"), [night], BERLIN)


def test_hours_that_touch_or_overlap_are_one() -> None:
    hours = (
        parse_warm_hours("daily 08:00-12:00"),
        parse_warm_hours("daily 12:00-14:00"),
        parse_warm_hours("daily 13:00-15:00"),
    )
    assert changes("2026-11-20 09:00", *hours, count=2) == ["11-20 15:00 +0100", "11-21 08:00 +0100"]


@pytest.mark.parametrize(
    "hours",
    [
        [],
        [ALWAYS],
        [parse_warm_hours("daily 00:00-24:00")],
        [parse_warm_hours("daily 06:00-18:00"), parse_warm_hours("daily 18:00-06:00")],
    ],
)
def test_what_never_changes_has_no_next_change(hours: list[WarmHours]) -> None:
    for month in range(1, 13):
        assert next_change(datetime(2026, month, 28, tzinfo=UTC), hours, BERLIN) is None


def test_an_hour_that_the_clock_leaves_out_in_spring_is_not_missed() -> None:
    """On 2026-03-29 it goes from 02:00 to 03:00 in Berlin."""
    assert changes("2026-03-29 00:00", parse_warm_hours("Sun 02:30-04:00"), count=2) == [
        "03-29 01:30 +0100",
        "03-29 04:00 +0200",
    ]
    assert changes("2026-03-29 00:00", parse_warm_hours("Sun 01:00-02:30"), count=2) == [
        "03-29 01:00 +0100",
        "03-29 03:30 +0200",
    ]
    assert changes("2026-03-28 12:00", parse_warm_hours("daily 08:00-09:00"), count=2) == [
        "03-29 08:00 +0200",
        "03-29 09:00 +0200",
    ]


def test_an_hour_that_the_clock_shows_twice_in_autumn_is_kept_both_times() -> None:
    """On 2026-10-25 it goes from 03:00 back to 02:00 in Berlin."""
    assert changes("2026-10-25 00:00", parse_warm_hours("Sun 02:00-02:30"), count=2) == [
        "10-25 02:00 +0200",
        "10-25 02:30 +0100",
    ]
    assert changes("2026-10-25 00:00", parse_warm_hours("Sun 01:00-04:00"), count=2) == [
        "10-25 01:00 +0200",
        "10-25 04:00 +0100",
    ]


def test_the_week_in_which_clocks_are_put_back_is_no_week_without_a_change() -> None:
    """168 hours after Sunday 02:59 it is Sunday 01:59."""
    hours = parse_warm_hours("Sun 02:00-02:30")
    now = local("2026-10-18 02:30").astimezone(UTC)
    change = next_change(now, [hours], BERLIN)
    assert change == local("2026-10-25 02:00").astimezone(UTC)
    late = parse_warm_hours("Sun 03:00-03:30")
    assert next_change(local("2026-10-18 03:30").astimezone(UTC), [late], BERLIN) == local(
        "2026-10-25 03:00"
    ).astimezone(UTC)


spans = st.builds(
    lambda days, start, length: WarmHours(frozenset(days), start, start + length),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
NAMES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
zones = st.sampled_from(NAMES).map(ZoneInfo)
moments = st.floats(0, 15 * 365).map(lambda days: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days))


def counted(wall: datetime, hours: list[WarmHours]) -> bool:
    """As a person reads the clock on the wall."""
    minutes = wall.hour * 60 + wall.minute + wall.second / 60 + wall.microsecond / 6e7
    return any(
        (wall.weekday() in span.days and span.start <= minutes < span.end)
        or ((wall.weekday() - 1) % 7 in span.days and minutes + 1440 < span.end)
        for span in hours
    )


@settings(max_examples=100, deadline=None)
@given(now=moments, hours=st.lists(spans, min_size=1, max_size=3), zone=zones)
def test_an_engine_is_warm_whenever_the_clock_on_the_wall_says_so(
    now: datetime, hours: list[WarmHours], zone: ZoneInfo
) -> None:
    """And, where no clock is changed within a day, only then."""
    wall = now.astimezone(zone)
    warm = is_warm(now, hours, zone)
    assert warm or not counted(wall, hours)
    calm = {(now + timedelta(hours=hour)).astimezone(zone).utcoffset() for hour in range(-26, 27)}
    if len(calm) == 1:
        assert warm == counted(wall, hours)


@settings(max_examples=60, deadline=None)
@given(now=moments, hours=st.lists(spans, max_size=3), zone=zones)
def test_nothing_changes_before_the_next_change_and_something_does_then(
    now: datetime, hours: list[WarmHours], zone: ZoneInfo
) -> None:
    warm, change = is_warm(now, hours, zone), next_change(now, hours, zone)
    end = change or now + timedelta(days=7)
    step = (end - now) / 20
    for number in range(20):
        assert is_warm(now + number * step, hours, zone) is warm
    assert change is None or is_warm(change, hours, zone) is not warm
