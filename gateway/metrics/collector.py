"""Reads what is true at the moment of asking: of engines, settings and the process itself."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family

from gateway.config.schema import Budget, Needs
from gateway.lifecycle.phases import Phase
from gateway.metrics import instruments as i
from gateway.spool.quota import Quota
from gateway.supervision.fleet import Fleet
from gateway.supervision.supervisor import Supervisor

RESOURCES = ("memory", "gpu_memory")


def engine_families(fleet: Fleet) -> Iterator[Family]:
    """The engines, each as it is now."""
    engines = fleet.all
    phases = gauge(i.PHASE)
    for engine in engines:
        for phase in Phase:
            phases.add_metric((engine.name, phase.value), engine.phase is phase)
    yield phases
    yield _summed(fleet, i.LEASES, lambda engine: engine.serving)
    yield _summed(fleet, i.QUEUED, lambda engine: engine.waiting)
    yield _summed(fleet, i.QUEUE_BYTES, lambda engine: engine.waiting_bytes)
    yield gauge(i.QUEUE_LIMIT, {(engine.name,): engine.spec.queue.limit for engine in engines})
    needs = gauge(i.NEEDS)
    for engine in engines:
        for resource, size in _sizes(engine.spec.needs):
            needs.add_metric((engine.name, resource), size)
    yield needs


def _summed(fleet: Fleet, metric: i.Metric, count: Callable[[Supervisor], int]) -> Family:
    """With those that serve on after a reload, which may have the name of one that is there."""
    values: dict[tuple[str, ...], float] = {}
    for engine in (*fleet.all, *fleet.leaving):
        values[engine.name,] = values.get((engine.name,), 0) + count(engine)
    return gauge(metric, values)


def memory_families(fleet: Fleet) -> Iterator[Family]:
    """What engines take, of those that were measured."""
    now, peak = gauge(i.MEMORY), gauge(i.MEMORY_PEAK)
    for engine in fleet.all:
        if (found := engine.measured) is not None:
            now.add_metric((engine.name,), 0 if engine.uptime is None else found.now)
            peak.add_metric((engine.name,), found.peak)
    yield now
    yield peak


def spool_families(quota: Quota) -> Iterator[Family]:
    """What is on disk of request bodies, and how much may be."""
    yield gauge(i.SPOOL, {(): quota.used})
    yield gauge(i.SPOOL_LIMIT, {(): quota.total})


def budget_family(budget: Budget | None) -> Family:
    """What all engines together may take."""
    return gauge(i.BUDGET, {(resource,): size for resource, size in _sizes(budget)})


def _sizes(sizes: Budget | Needs | None) -> Iterator[tuple[str, int]]:
    for resource in RESOURCES:
        size = getattr(sizes, resource, None)
        if size is not None:
            yield resource, size


def build_family() -> Family:
    """What runs."""
    try:
        version = importlib.metadata.version("whisper-gateway")
    except importlib.metadata.PackageNotFoundError:  # run from a folder, not installed
        version = "unknown"
    return gauge(i.BUILD, {(version, platform.python_version()): 1})


def gauge(metric: i.Metric, values: dict[tuple[str, ...], float] | None = None) -> GaugeMetricFamily:
    """The metric with these values, by their labels."""
    family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in (values or {}).items():
        family.add_metric(labels, value)
    return family
