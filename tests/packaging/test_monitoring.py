"""Dashboard and alerts ask for metrics that there are, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client.core import Metric as Family

from gateway.announcements import Announcements, WakeOutcome
from gateway.lifecycle.phases import Phase
from gateway.metrics import instruments
from gateway.metrics.collector import RESOURCES
from gateway.metrics.page import Metrics
from gateway.metrics.recorder import REFUSALS, UPSTREAM_CODES
from gateway.spool.quota import Quota
from gateway.supervision.fleet import Fleet

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
RULES = [
    rule
    for group in yaml.safe_load((PACKAGING / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((PACKAGING / "grafana" / "whisper-gateway.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
TARGETS = [target for panel in PANELS for target in panel["targets"]]
VALUES = {
    "phase": {phase.value for phase in Phase},
    "outcome": set(get_args(WakeOutcome)),
    "stage": {"queue", "start", "ready", "first_byte"},
    "error": set(UPSTREAM_CODES),
    "code": set(REFUSALS),
    "resource": set(RESOURCES),
    "ok": {"true", "false"},
}
"""Of those labels whose values are known beforehand."""
COMMON = {"job", "instance"}
"""What Prometheus adds."""

SELECTOR = re.compile(r"\b((?:whisper_gateway|process)_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|=|!=|!~)\s*"([^"]*)"')


def labels_of() -> dict[str, set[str]]:
    """The labels of each series that queries may ask for."""
    registry = Metrics(Announcements(), Fleet({}), lambda: None, Quota(0)).registry
    families: list[Family] = list(registry.collect())
    found: dict[str, set[str]] = {"up": set()}
    for family in families:
        ending = "_total" if family.type == "counter" else ""
        found[family.name + ending] = set()
    for metric in instruments.ALL:
        assert found.pop(metric.name) == set()
        for series in metric.series:
            found[series] = set(metric.labels) | ({"le"} if series.endswith("_bucket") else set())
    return found


LABELS = labels_of()


def queries() -> Iterator[Any]:
    for rule in RULES:
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in PANELS:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for annotation in DASHBOARD["annotations"]["list"]:
        yield pytest.param(annotation["expr"], id=annotation["name"])
    page = (PACKAGING.parent / "docs" / "metrics.md").read_text()
    for query in re.findall(r"`([^`]*whisper_gateway_[^`]*[({>][^`]*)`", page):
        yield pytest.param(query, id=query[:60])


def selected(query: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The series that the query asks for, each with the labels it is asked by and their values."""
    for name, matchers in SELECTOR.findall(query):
        found = MATCHER.findall(matchers)
        assert re.sub(r"[\s,]", "", MATCHER.sub("", matchers)) == "", f"not understood: {matchers}"
        yield name, [(label, value) for label, _, value in found]


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_asks_for_what_there_is(query: str) -> None:
    asked = list(selected(query))
    assert asked
    there: set[str] = set()
    for name, matchers in asked:
        assert name in LABELS, name
        there |= LABELS[name] | COMMON
        for label, value in matchers:
            assert label in LABELS[name] | COMMON, f"{name} has no label {label}"
            if label in VALUES and not value.startswith("$") and "." not in value:
                assert set(value.split("|")) <= VALUES[label], f"{label} is never {value}"
    for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query):
        assert set(re.split(r",\s*", labels)) <= there
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert re.fullmatch(r"WhisperGateway([A-Z][a-z]+)+", rule["alert"])
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
    kept = re.findall(r"^sum by \(([^)]*)\)", rule["expr"])
    labels = (
        set(re.split(r",\s*", kept[0])) if kept else set().union(*(LABELS[name] for name, _ in selected(rule["expr"])))
    )
    for text in rule["annotations"].values():
        assert text.count("{{") == text.count("}}")
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels


def test_alerts_have_names_of_their_own_and_the_job_is_the_examples() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    prometheus = yaml.safe_load((PACKAGING / "prometheus" / "prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    assert prometheus["rule_files"] == ["alerts.yml"]
    asked = {
        value for rule in RULES for _, matchers in selected(rule["expr"]) for label, value in matchers if label == "job"
    }
    assert asked == {job["job_name"]}
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert job["scheme"] == "https", "a key must not travel in the clear"


def test_what_a_dashboard_shows_is_named_after_labels_that_its_query_keeps() -> None:
    for target in TARGETS:
        kept = re.findall(r"\bby \(([^)]*)\)", target["expr"])
        labels = set(re.split(r",\s*", kept[0])) if kept else {"instance"}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_a_dashboard_asks_the_source_and_the_variables_that_it_has() -> None:
    for part in (*PANELS, *TARGETS, *DASHBOARD["annotations"]["list"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(DASHBOARD)))
    assert used - {"__rate_interval", "__all"} <= set(VARIABLES)
    for variable in VARIABLES.values():
        for name, matchers in selected(variable.get("definition", "")):
            assert {label for label, _ in matchers} <= LABELS[name] | COMMON


def test_panels_have_numbers_titles_and_places_of_their_own() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert all(panel["title"] and panel["description"] for panel in PANELS)
    places = [panel["gridPos"] for panel in everything]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_the_phases_of_the_dashboard_are_all_that_there_are() -> None:
    (panel,) = (panel for panel in PANELS if panel["title"] == "Phases")
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert {option["text"] for option in mapping["options"].values()} == VALUES["phase"]
    for number, option in mapping["options"].items():
        assert re.search(
            rf"\b{number} \* max by \(instance, engine\) \([^)]*phase=\"{option['text']}\"", panel["targets"][0]["expr"]
        )


def test_every_metric_is_put_to_use_or_left_out_on_purpose() -> None:
    asked = {name for query in queries() for name, _ in selected(query.values[0])}
    unused = {metric.name for metric in instruments.ALL if not asked & set(metric.series)}
    assert unused <= {"whisper_gateway_config_reloads_total", "whisper_gateway_build_info"}
