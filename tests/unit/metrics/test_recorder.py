"""Each fact moves its metric, and only that."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import announcements as a
from gateway.announcements import Announcements
from gateway.errors import GatewayError
from gateway.metrics.recorder import OVERFLOWS, REFUSALS, Recorder

ENGINES = ("whisper", "other")


class Told:
    """A recorder, what it is told, and the samples that are above 0 since."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.announce = Announcements()
        self.recorder = Recorder(self.announce, wall=lambda: self.now)

    def tell(self, *facts: Any) -> dict[tuple[str, ...], float]:
        for fact in facts:
            self.announce.tell(fact)
        return self.shown()

    def shown(self, engines: tuple[str, ...] = ENGINES) -> dict[tuple[str, ...], float]:
        """Counts, and of histograms how many values there were."""
        return {
            (sample.name.removeprefix("whisper_gateway_"), *sample.labels.values()): sample.value
            for family in self.recorder.families(engines)
            for sample in family.samples
            if sample.value and not sample.name.endswith(("_bucket", "_sum"))
        }


@pytest.fixture
def told() -> Told:
    return Told()


def ended(engine: str | None = "whisper", status: int | None = 200, error: str | None = None, **more: Any) -> Any:
    return a.RequestEnded(engine, status, error, more.get("waited"), 0.1, more.get("first_byte"))


def test_a_request_counts_by_engine_and_status(told: Told) -> None:
    assert told.tell(ended(), ended(status=404)) == {
        ("requests_total", "whisper", "200"): 1,
        ("requests_total", "whisper", "404"): 1,
        ("request_seconds_count", "whisper"): 2,
    }


def test_a_request_that_never_had_an_engine_has_none(told: Told) -> None:
    assert told.tell(ended(None, 404, "unknown_host"), ended(None, 401, "key_missing")) == {
        ("requests_total", "", "404"): 1,
        ("requests_total", "", "401"): 1,
        ("refusals_total", "", "unknown_host"): 1,
        ("refusals_total", "", "key_missing"): 1,
    }


def test_a_client_that_leaves_is_no_refusal(told: Told) -> None:
    assert told.tell(ended(status=None, error="client_gone")) == {
        ("requests_total", "whisper", "none"): 1,
        ("request_seconds_count", "whisper"): 1,
        ("clients_gone_total", "whisper"): 1,
    }


def test_an_answer_that_was_cut_is_no_refusal(told: Told) -> None:
    assert told.tell(ended(error="answer_cut")) == {
        ("requests_total", "whisper", "200"): 1,
        ("request_seconds_count", "whisper"): 1,
        ("upstream_errors_total", "whisper", "answer_cut"): 1,
    }


def test_a_death_that_is_made_up_for_is_an_error_of_the_engine_all_the_same(told: Told) -> None:
    assert told.tell(a.Replayed("whisper", "died")) == {
        ("replays_total", "whisper"): 1,
        ("upstream_errors_total", "whisper", "engine_broke"): 1,
    }


def test_an_engine_that_fails_a_request_is_counted_as_what_its_client_is_told(told: Told) -> None:
    shown = told.tell(ended(status=504, error="engine_answer_timeout"), ended(status=503, error="engine_cooling_down"))
    assert shown[("upstream_errors_total", "whisper", "engine_answer_timeout")] == 1
    assert shown[("refusals_total", "whisper", "engine_answer_timeout")] == 1
    assert ("upstream_errors_total", "whisper", "engine_cooling_down") not in shown, "it was given no request"


def test_statuses_that_mean_nothing_are_one_for_each_hundred(told: Told) -> None:
    shown = told.tell(*(ended(status=status) for status in range(100, 1000)))
    statuses = {labels[2] for labels in shown if labels[0] == "requests_total"}
    assert {"200", "2xx", "418", "9xx"} <= statuses
    assert "299" not in statuses
    assert len(statuses) < 80
    assert sum(value for labels, value in shown.items() if labels[0] == "requests_total") == 900


def test_a_wait_is_counted(told: Told) -> None:
    assert told.tell(ended(waited=2.0))[("queue_wait_seconds_count", "whisper")] == 1


def test_a_wake_counts_by_its_outcome_and_its_stages(told: Told) -> None:
    assert told.tell(
        a.WakeEnded("whisper", "ready", 0.0, 1.0, 2.0), a.WakeEnded("other", "failed", 0.0, None, None)
    ) == {
        ("wakes_total", "whisper", "ready"): 1,
        ("wakes_total", "other", "failed"): 1,
        ("wake_seconds_count", "whisper", "queue"): 1,
        ("wake_seconds_count", "whisper", "start"): 1,
        ("wake_seconds_count", "whisper", "ready"): 1,
        ("wake_seconds_count", "other", "queue"): 1,
    }


def test_of_those_who_waited_for_a_wake_only_the_first_answer_is_its_stage(told: Told) -> None:
    wake = a.WakeEnded("whisper", "ready", 0.0, 1.0, 2.0)
    key = ("wake_seconds_count", "whisper", "first_byte")
    assert key not in told.tell(ended(waited=2.0, first_byte=0.1)), "for their turn, not for a wake"
    told.tell(wake, ended("other", waited=2.0, first_byte=0.1), ended(), ended(waited=2.0))
    assert key not in told.shown()
    assert told.tell(ended(waited=2.0, first_byte=0.1))[key] == 1
    assert told.tell(ended(waited=2.0, first_byte=0.1))[key] == 1
    assert told.tell(wake, ended(waited=2.0, first_byte=0.1))[key] == 2


@pytest.mark.parametrize(
    ("fact", "labels"),
    [
        (a.PhaseChanged("whisper", "ready", "asleep", "SeenStopped", 9.0),
         ("engine_phase_changes_total", "whisper", "asleep", "SeenStopped")),
        (a.Evicted("whisper", "other"), ("evictions_total", "whisper")),
        (a.NeedsExceeded("whisper", "memory", 1, 2), ("needs_exceeded_total", "whisper", "memory")),
        (a.Reloaded(ok=True), ("config_reloads_total", "true")),
    ],
)  # fmt: skip
def test_a_fact_moves_its_counter(told: Told, fact: a.Fact, labels: tuple[str, ...]) -> None:
    assert told.tell(fact) == {labels: 1}


def test_a_reload_that_fails_leaves_the_time_of_the_one_that_counts(told: Told) -> None:
    assert (told.recorder.reloaded_ok, told.recorder.reloaded_at) == (True, 1000)
    told.now = 2000
    told.tell(a.Reloaded(ok=False))
    assert (told.recorder.reloaded_ok, told.recorder.reloaded_at) == (False, 1000)
    told.tell(a.Reloaded(ok=True))
    assert (told.recorder.reloaded_ok, told.recorder.reloaded_at) == (True, 2000)


def test_an_engine_that_is_no_more_leaves_nothing_behind(told: Told) -> None:
    told.tell(ended(), ended("other"), a.Replayed("other", "died"), a.WakeEnded("other", "ready", 0.0, 1.0, 2.0))
    told.tell(a.Evicted("other", "whisper"), ended("other", waited=1.0), ended(None, 404, "unknown_host"))
    told.tell(ended("other", None, "client_gone"))
    names = {labels[1] for labels in told.shown(("whisper",))}
    assert names == {"whisper", ""}


def test_what_has_not_happened_is_shown_as_zero_from_the_start(told: Told) -> None:
    """Else the first time is no increase to Prometheus."""
    shown = {
        (sample.name, *sample.labels.values())
        for family in told.recorder.families(ENGINES)
        for sample in family.samples
    }
    for engine in ENGINES:
        assert ("whisper_gateway_replays_total", engine) in shown
        assert ("whisper_gateway_wakes_total", engine, "failed") in shown
        assert ("whisper_gateway_upstream_errors_total", engine, "engine_broke") in shown
    assert ("whisper_gateway_config_reloads_total", "false") in shown
    assert ("whisper_gateway_refusals_total", "whisper", "queue_full") in shown


def test_every_code_of_the_error_tree_is_a_refusal() -> None:
    assert GatewayError.code in REFUSALS
    assert set(OVERFLOWS) <= REFUSALS
    assert len(REFUSALS) > 25
    assert not {"client_gone", "answer_cut"} & set(REFUSALS)
