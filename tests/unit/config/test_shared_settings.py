"""Defaults that are merged into engines, the budget that engines share, and the spool's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.config import Config
from gateway.config.schema import Budget, EngineDefaults, QueueSettings, SpoolSettings

Load = Callable[[str], Config]
Problems = Callable[[str], list[str]]

ENGINES = """\
engines:
  a: {hosts: [a], port: 1, docker: {container: a}, needs: {memory: 1g}, queue: {limit: 5}}
  b: {hosts: [b], port: 1, docker: {container: b}, needs: {memory: 3g, gpu_memory: 6g}}
"""


def test_an_engine_says_what_it_wants_of_the_queue_and_takes_the_rest_from_the_defaults(load: Load) -> None:
    config = load(f"defaults: {{queue: {{limit: 9, max_wait: 1m}}, concurrency: 2, replay: false}}\n{ENGINES}")
    a, b = config.engines.values()
    assert (a.queue.limit, a.queue.max_wait, a.queue.bytes) == (5, 60, None)
    assert (b.queue.limit, b.queue.max_wait, b.queue.bytes) == (9, 60, None)
    assert (a.concurrency, a.replay, a.min_awake) == (2, False, 0)


def test_a_configuration_made_by_hand_merges_the_same_way() -> None:
    engine = {"hosts": ["a"], "port": 1, "docker": {"container": "a"}, "queue": QueueSettings(limit=5)}
    defaults = EngineDefaults(queue=QueueSettings(max_wait=60, limit=9))
    config = Config.model_validate({"defaults": defaults, "engines": {"a": engine}})
    assert config.engines["a"].queue == QueueSettings(limit=5, max_wait=60)


def test_a_wrong_default_of_the_queue_is_told_once(problems: Problems) -> None:
    assert problems(f"defaults:\n  queue:\n    limit: 0\n{ENGINES}") == [
        'config.yaml:3 defaults.queue.limit: "0" is too small (at least 1)'
    ]


def test_without_a_budget_needs_are_only_words(load: Load) -> None:
    assert load(ENGINES).budget is None


def test_a_budget_counts_in_turns(load: Load) -> None:
    assert load(f"budget: {{memory: 3g}}\n{ENGINES}").budget == Budget(memory=3 * 1024**3, gpu_memory=None, turn=30)


def test_an_engine_must_fit_into_the_budget(problems: Problems) -> None:
    assert problems(f"budget: {{memory: 2g, gpu_memory: 5g}}\n{ENGINES}") == [
        "config.yaml:4 engines.b.needs.gpu_memory: this is more than the budget has, 5g",
        "config.yaml:4 engines.b.needs.memory: this is more than the budget has, 2g",
    ]


def test_a_budget_that_no_engine_takes_from_does_nothing(problems: Problems) -> None:
    text = f"budget:\n  memory: 4g\n  gpu_memory: 8g\n{ENGINES.replace(', gpu_memory: 6g', '')}"
    assert problems(text) == [
        "config.yaml:3 budget.gpu_memory: no engine says what it needs of it (add `needs: {gpu_memory: ...}` to each)"
    ]


def test_an_unreadable_need_is_told_alone(problems: Problems) -> None:
    text = f"budget: {{memory: 4g}}\n{ENGINES.replace('1g', 'much').replace('memory: 3g, ', '')}"
    assert problems(text) == ['config.yaml:3 engines.a.needs.memory: "much" is not a size (try "4g")']


def test_contradictions_of_a_budget_made_by_hand_are_refused() -> None:
    engine = {"hosts": ["a"], "port": 1, "docker": {"container": "a"}, "needs": {"memory": "5g"}}
    with pytest.raises(ValidationError, match="more than the budget has, 4g"):
        Config.model_validate({"budget": {"memory": "4g"}, "engines": {"a": engine}})


def test_the_spool_lies_in_the_state_folder_unless_it_says_where(load: Load, tmp_path: Path) -> None:
    assert load(ENGINES).gateway.spool_folder == tmp_path / "state" / "spool"
    assert load(f"gateway: {{spool: {{dir: ./bodies}}}}\n{ENGINES}").gateway.spool_folder == tmp_path / "bodies"
    assert load(f"gateway: {{state_dir: /var/x}}\n{ENGINES}").gateway.spool_folder == Path("/var/x/spool")


def test_one_request_cannot_keep_more_than_all(problems: Problems) -> None:
    spool = "gateway:\n  spool:\n    per_request: 8g\n    total: 1g\n"
    assert problems(spool + ENGINES) == [
        "config.yaml:3 gateway.spool.per_request: one request cannot keep more than `total`, 1g"
    ]
    assert problems("gateway: {spool: {total: 512m}}\n" + ENGINES) == []  # the default of the other gives way
    with pytest.raises(ValidationError, match="cannot keep more"):
        SpoolSettings(per_request=2, total=1)
