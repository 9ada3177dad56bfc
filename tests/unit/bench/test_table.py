from __future__ import annotations

import pytest

from bench.table import Row, Target


def test_a_row_shows_its_median_its_range_and_its_target_with_the_unit() -> None:
    row = Row("start", [0.5, 0.25, 12.0], "s", "process start", Target("at most", 0.85))
    assert row.cells() == ("start", "0.500 s", "3 (0.250 - 12.0)", "process start", "≤ 0.85 s", "met")


def test_where_the_worst_counts_one_round_can_miss_the_target() -> None:
    assert Row("words", [0, 0, 2], "", "94 words", Target("at most", 0), worst=True).cells()[1:] == (
        "2",
        "3 (0 - 2)",
        "94 words",
        "≤ 0",
        "MISSED",
    )


def test_where_more_is_better_the_worst_is_the_smallest() -> None:
    row = Row("words", [1.0, 0.5, 1.0], "", "2 dialogues", Target("at least", 0.95), worst=True)
    assert row.cells()[1:] == ("0.500", "3 (0.500 - 1.00)", "2 dialogues", "≥ 0.95", "MISSED")


@pytest.mark.parametrize("unit", ["", "MB"])
def test_without_a_target_a_row_is_information(unit: str) -> None:
    assert Row("peak", [1.5], unit, "-").cells()[4:] == ("-", "information")
