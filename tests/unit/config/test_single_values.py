"""Values with few rules: how many requests at once, time zones, spans of time that may be zero, quiet paths."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable

import pytest

from gateway.config import Config
from gateway.config.concurrency import parse_concurrency
from gateway.config.durations import parse_pause
from gateway.config.time_zones import parse_time_zone

ENGINE = "engines:\n  a:\n    hosts: [a]\n    port: 1\n    docker: {container: a}\n"


@pytest.mark.parametrize(("text", "number"), [("1", 1), (4, 4), ("10000", 10_000), ("unlimited", None), (None, None)])
def test_a_concurrency_is_read(text: object, number: int | None) -> None:
    assert parse_concurrency(text) == number


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("0", '"0" is too small (at least 1)'),
        ("10001", '"10001" is too large (at most 10000, or "unlimited")'),
        ("-1", '"-1" is not a number of requests (try 2, or "unlimited")'),
        ("none", '"none" is not a number of requests (try "unlimited")'),
        ("Unlimited", '"Unlimited" is not a number of requests (try "unlimited")'),
        ("2.5", '"2.5" is not a number of requests (try 2, or "unlimited")'),
        ("\u0662", "is not a number of requests"),
        ([1], 'a number is expected, not a list (try 2, or "unlimited")'),
        (True, "a number is expected"),
    ],
)
def test_what_is_no_concurrency_is_told_with_a_remedy(wrong: object, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_concurrency(wrong)


def test_a_time_zone_is_one_that_there_is() -> None:
    assert parse_time_zone("Europe/Berlin") == "Europe/Berlin"
    assert all(zoneinfo.ZoneInfo(parse_time_zone(name)) for name in ("UTC", "America/New_York", "Asia/Kolkata"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("Europe/Berln", '"Europe/Berln" is not a time zone (did you mean "Europe/Berlin"?)'),
        ("Berlin", '"Berlin" is not a time zone (did you mean "Europe/Berlin"?)'),
        ("new york", '"new york" is not a time zone (did you mean "America/New_York"?)'),
        ("utc", '"utc" is not a time zone (did you mean "UTC"?)'),
        ("+02:00", '"+02:00" is not a time zone (try "Europe/Berlin" or "UTC")'),
        ("Europe", '"Europe" is not a time zone'),
        ("../etc/passwd", '"../etc/passwd" is not a time zone'),
        ("", '"" is not a time zone'),
        (["UTC"], 'a time zone is expected, not a list (try "Europe/Berlin")'),
    ],
)
def test_what_is_no_time_zone_is_told_with_a_remedy(wrong: object, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_time_zone(wrong)


def test_a_pause_may_be_zero() -> None:
    assert [parse_pause(text) for text in ("0", "0s", "0m0s", 0, "5m")] == [0, 0, 0, 0, 300]
    with pytest.raises(ValueError, match=re.escape('"-1s" is not a duration (try "1s")')):
        parse_pause("-1s")


def test_a_quiet_path_has_no_query(problems: Callable[[str], list[str]], load: Callable[[str], Config]) -> None:
    assert problems(f"{ENGINE}    quiet_paths: ['/health?x=1']\n") == [
        'config.yaml:6 engines.a.quiet_paths[0]: "/health?x=1" is not a path without a query (try "/health")'
    ]
    assert load(f"{ENGINE}    quiet_paths: []\n").engines["a"].quiet_paths == ()
    assert "/health" in load(ENGINE).engines["a"].quiet_paths
