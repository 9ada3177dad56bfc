from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.engine.comparison import compare
from bench.engine.setting import Heard
from bench.errors import BenchError


def way(*seconds: float, text: str = "hello") -> Iterator[Heard]:
    """The first is the one before the rounds, which does not count."""
    return iter([Heard(99, [text]), *[Heard(each, [text], cpu=each / 2) for each in seconds]])


def test_ratios_are_those_of_each_round_whatever_its_order() -> None:
    engine, library = way(2.0, 3.0), way(1.0, 2.0)
    result = compare(2, engine=engine.__next__, library=library.__next__)
    assert result.ratios("engine", "library") == [2.0, 1.5]
    assert result.ratios("library", "engine") == [0.5, pytest.approx(2 / 3)]


def test_of_several_calls_in_a_round_the_median_counts() -> None:
    engine, library = way(0.1, 5.0, 0.2), way(0.1, 0.1, 0.1)
    result = compare(1, 3, engine=engine.__next__, library=library.__next__)
    assert result.ratios("engine", "library") == [2.0]
    assert result.note() == "engine 200.0 ms, library 100.0 ms; processor time: engine 883.3 ms, library 50.0 ms"


def test_a_fast_engine_that_hears_something_else_is_no_figure() -> None:
    engine, library = way(0.1, text="hullo"), way(1.0)
    with pytest.raises(BenchError, match=r"library heard \['hello'\], and engine \['hullo'\]"):
        compare(1, engine=engine.__next__, library=library.__next__)
