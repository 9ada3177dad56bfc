from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.models.lists import parse_aliases, parse_names, parse_preload, parse_ttl

PARSERS = [parse_names, parse_preload, parse_aliases, parse_ttl]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("small", ("small",)),
        (" small, Systran/x ,/models/a b,", ("small", "Systran/x", "/models/a b")),
        ("a,b,a", ("a", "b")),
        ('["small", " large-v3 "]', ("small", "large-v3")),
        ("[]", ()),
        (",", ()),
    ],
)
def test_names_are_read_with_commas_and_as_json(text: str, names: tuple[str, ...]) -> None:
    assert parse_names(text) == names


@pytest.mark.parametrize(("text", "problem"), [("[small]", "nor valid JSON"), ('["a", 1]', "no name"), ("[", "JSON")])
def test_what_is_no_list_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_names(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [("none", ()), ("default", ("default",)), ("small,default", ("small", "default")), ("[]", ())],
)
def test_none_and_default_are_words(text: str, names: tuple[str, ...]) -> None:
    assert parse_preload(text) == names


def test_none_goes_with_no_other_name() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        parse_preload("none,small")


def test_aliases_are_pairs() -> None:
    assert parse_aliases("a=small, b = /models/x=y ") == {"a": "small", "b": "/models/x=y"}


@pytest.mark.parametrize("text", ["a", "a=", "=small", "a=small,b"])
def test_what_is_no_alias_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match='try "meetings=large-v3"'):
        parse_aliases(text)


def test_an_alias_stands_for_one_model() -> None:
    with pytest.raises(ValueError, match="both 'small' and 'large-v3'"):
        parse_aliases("a=small,a=large-v3")


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("never", {"": None}),
        ("-1", {"": None}),
        ("0", {"": 0}),
        ("5m", {"": 300}),
        ("Never,large-v3=60", {"": None, "large-v3": 60}),
        ("large-v3=1h30m,small=never", {"": None, "large-v3": 5400, "small": None}),
        ("300,/models/a=b=0", {"": 300, "/models/a=b": 0}),
    ],
)
def test_idle_times_are_for_all_models_and_for_single_ones(text: str, limits: dict[str, float | None]) -> None:
    assert parse_ttl(text) == limits


@pytest.mark.parametrize("text", ["soon", "-2", "small=", "5m,small=later"])
def test_what_is_no_idle_time_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match='try "300" or "5m"'):
        parse_ttl(text)


@pytest.mark.parametrize(("text", "whom"), [("5m,10m", "all models"), ("a=1,a=2", "a already")])
def test_a_model_has_one_idle_time(text: str, whom: str) -> None:
    with pytest.raises(ValueError, match=whom):
        parse_ttl(text)


@given(st.text())
@pytest.mark.parametrize("parse", PARSERS)
def test_any_text_is_read_or_refused(parse: Callable[[str], object], text: str) -> None:
    with suppress(ValueError):
        parse(text)
