"""Counting without a library's locks, shown as the library's own would be."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from gateway.metrics.instruments import Metric
from gateway.metrics.tallies import Counts, Spread

LOST = Metric("lost", "counter", "Lost.", ("engine", "why"))
TOOK = Metric("took_seconds", "histogram", "Took.", ("engine",), (0.5, 1, 10))


def shown(counts: Counts) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in counts.family().samples}


def test_a_count_is_kept_for_each_combination_of_labels() -> None:
    lost = Counts(LOST)
    lost.add("a", "x")
    lost.add("a", "x")
    lost.add("b", "x")
    assert shown(lost) == {("a", "x"): 2, ("b", "x"): 1}


def test_what_has_not_happened_can_be_shown_as_zero_and_is_not_reset_by_it() -> None:
    lost = Counts(LOST)
    lost.begin("a", "x")
    assert shown(lost) == {("a", "x"): 0}
    lost.add("a", "x")
    lost.begin("a", "x")
    assert shown(lost) == {("a", "x"): 1}


def test_what_an_engine_left_behind_is_forgotten() -> None:
    lost, took = Counts(LOST), Spread(TOOK.buckets)
    for engine in ("a", "b"):
        lost.add(engine, "x")
        took.add((engine, 200), 1)
    lost.forget_all_but({"b"})
    took.forget_all_but({"b"})
    assert shown(lost) == {("b", "x"): 1}
    assert took.counts() == {("b", 200): 1}


def test_keys_with_the_same_labels_are_one_histogram() -> None:
    took = Spread(TOOK.buckets)
    took.add(("a", 200), 0.1)
    took.add(("a", 500), 0.7)
    took.begin(("b", 200))
    by_name = {(sample.name, *sample.labels.values()): sample.value for sample in took.family(TOOK).samples}
    name = TOOK.name
    assert [by_name[f"{name}_bucket", "a", le] for le in ("0.5", "1.0", "10.0", "+Inf")] == [1, 2, 2, 2]
    assert math.isclose(by_name[f"{name}_sum", "a"], 0.8)
    assert (by_name[f"{name}_count", "a"], by_name[f"{name}_count", "b"]) == (2, 0)


@given(st.lists(st.floats(0, 1e6)))
def test_a_histogram_is_what_the_library_would_make_of_the_same_values(values: list[float]) -> None:
    theirs = Histogram(
        "whisper_gateway_took_seconds", "Took.", ["engine"], buckets=TOOK.buckets, registry=CollectorRegistry()
    )
    ours = Spread(TOOK.buckets)
    ours.begin(("a",))
    theirs.labels("a")
    for value in values:
        ours.add(("a",), value)
        theirs.labels("a").observe(value)
    (family,) = theirs.collect()
    expected = {
        (sample.name, *sample.labels.items()): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    found = {(sample.name, *sample.labels.items()): sample.value for sample in ours.family(TOOK).samples}
    assert found == expected
