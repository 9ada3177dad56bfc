"""The page that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from gateway.announcements import Announcements
from gateway.config.schema import Budget
from gateway.metrics import instruments as i
from gateway.metrics.collector import (
    budget_family,
    build_family,
    engine_families,
    gauge,
    memory_families,
    spool_families,
)
from gateway.metrics.recorder import Recorder
from gateway.spool.quota import Quota
from gateway.supervision.fleet import Fleet


class Metrics(Collector):
    """Everything that is shown of one gateway. Made before anything is announced.

    budget: asked at each look, because a reload may change it. spool: the bytes on disk that request bodies share.
    """

    def __init__(
        self,
        announce: Announcements,
        fleet: Fleet,
        budget: Callable[[], Budget | None],
        spool: Quota,
    ) -> None:
        self._fleet = fleet
        self._budget = budget
        self._spool = spool
        self._recorder = Recorder(announce)
        self._build = build_family()
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def page(self) -> bytes:
        """In Prometheus' text format, version 0.0.4, which everybody reads."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Family]:
        """For the registry: all but the process' own."""
        recorder = self._recorder
        engines = (*self._fleet.all, *self._fleet.leaving)
        yield from recorder.families(dict.fromkeys(engine.name for engine in engines))
        yield from engine_families(self._fleet)
        yield from memory_families(self._fleet)
        yield budget_family(self._budget())
        yield from spool_families(self._spool)
        yield gauge(i.RELOAD_OK, {(): recorder.reloaded_ok})
        yield gauge(i.RELOAD_TIME, {(): recorder.reloaded_at})
        yield self._build
