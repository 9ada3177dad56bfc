"""Which engines could be in each other's way."""

from __future__ import annotations

import pytest

from gateway.config.schema import DockerTarget, EngineSpec
from gateway.supervision.overlap import is_run_alike, may_overlap
from tests.unit.supervision.town_hall import commanded, contained


def composed(project: str, service: str) -> EngineSpec:
    return EngineSpec(hosts=("a.test",), docker=DockerTarget(project=project, service=service), port=8000)


def depending(container: str, *others: str) -> EngineSpec:
    return EngineSpec(hosts=("a.test",), docker=DockerTarget(container=container, depends_on=others), port=8000)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (("a", contained("x")), ("b", contained("x")), True),
        (("a", contained("x")), ("a", contained("y")), False),
        (("a", depending("x", "y")), ("b", contained("y")), True),
        (("a", contained("y")), ("b", depending("x", "y")), True),
        (("a", depending("x", "db")), ("b", depending("y", "db")), False),  # a claim keeps what is shared
        (("a", composed("p", "s")), ("b", composed("p", "s")), True),
        (("a", composed("p", "s")), ("b", composed("p", "t")), False),
        (("a", composed("p", "s")), ("b", contained("p-s-1")), True),  # who knows
        (("a", commanded(1)), ("b", commanded(1)), True),
        (("a", commanded(1)), ("b", commanded(2)), False),
        (("a", commanded(1)), ("a", commanded(2)), True),  # one record, one log
        (("a", commanded(1)), ("a", contained("x")), False),
    ],
)
def test_who_waits_for_whom(one: tuple[str, EngineSpec], other: tuple[str, EngineSpec], *, overlap: bool) -> None:
    assert may_overlap(one, other) is overlap
    assert may_overlap(other, one) is overlap


def test_what_runs_may_go_on_if_runtime_and_port_are_the_same() -> None:
    assert is_run_alike(contained("x"), contained("x", hosts=("other.test",), idle_after=1))
    assert not is_run_alike(contained("x"), contained("y"))
    assert not is_run_alike(contained("x"), contained("x").model_copy(update={"port": 9}))
    assert not is_run_alike(commanded(1), contained("x"))
