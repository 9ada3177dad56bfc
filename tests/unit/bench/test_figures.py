from __future__ import annotations

from pathlib import Path

import pytest

import bench
from bench.figures import FIGURES, GROUPS, USUAL, named

README = (Path(bench.__file__).parent / "README.md").read_text()


def test_a_group_is_its_figures_and_the_order_is_their_own() -> None:
    assert named("engine") == GROUPS["engine"]
    assert named("engine-long,warm,engine-short") == ["warm", "engine-short", "engine-long"]
    assert named("whisperx,engine,engine-long,gateway") == USUAL


def test_groups_hold_every_usual_figure_once() -> None:
    assert sorted(name for group in GROUPS.values() for name in group) == sorted(USUAL)


def test_a_slow_figure_is_measured_only_where_it_is_asked_for_by_name() -> None:
    slow = [name for name, figure in FIGURES.items() if figure.slow]
    assert slow
    assert not set(slow) & set(USUAL)
    assert named(f"whisperx,{slow[0]}") == [*GROUPS["whisperx"], slow[0]]


@pytest.mark.parametrize("text", ["engines", "", "warm,"])
def test_an_unknown_name_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="is not one of gateway, engine, whisperx, cold"):
        named(text)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_documented(name: str) -> None:
    assert f"`{name}`" in README
