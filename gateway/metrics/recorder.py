"""Hears what is announced, and counts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from http import HTTPStatus

from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import Metric as Family

from gateway import announcements as a
from gateway.errors import EngineBroke, GatewayError
from gateway.metrics import instruments as i
from gateway.metrics.tallies import Counts, Spread

NO_ENGINE = ""
"""To Prometheus an empty label is none."""
OUTCOMES = ("ready", "failed", "timed_out", "called_off", "adopted")
UPSTREAM_CODES = ("engine_unreachable", "engine_broke", "engine_answer_timeout", "answer_cut")
OVERFLOWS = ("queue_full", "queue_timeout", "spool_full")


def _codes(error: type[GatewayError] = GatewayError) -> Iterator[str]:
    yield error.code
    for kind in error.__subclasses__():
        yield from _codes(kind)


REFUSALS = frozenset(_codes())


class Recorder:
    """All that is counted.

    reloaded_ok, reloaded_at: how the last reload went, and when (Unix time) the configuration that counts was read.
    """

    def __init__(self, announce: a.Announcements, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._requests = Spread(i.REQUEST_SECONDS)  # by engine and status: one step for two metrics
        self._strangers = Counts(i.REQUESTS)  # those that never had an engine
        self._stages = Spread(i.WAKE_SECONDS)
        self._waits = Spread(i.WAKE_SECONDS)
        self._counts = {
            metric: Counts(metric) for metric in i.ALL if metric.kind == "counter" and metric is not i.REQUESTS
        }
        self._first_awaited: set[str] = set()  # engines that woke, and have answered none of those who waited
        self.reloaded_ok, self.reloaded_at = True, wall()
        self._listen(announce)

    def _listen(self, announce: a.Announcements) -> None:
        announce.listen(a.RequestEnded, self._request_ended)
        announce.listen(a.WakeEnded, self._wake_ended)
        announce.listen(a.PhaseChanged, lambda fact: self._add(i.PHASE_CHANGES, fact.engine, fact.after, fact.cause))
        announce.listen(a.Replayed, self._replayed)
        announce.listen(a.Evicted, lambda fact: self._add(i.EVICTIONS, fact.engine))
        announce.listen(a.NeedsExceeded, lambda fact: self._add(i.NEEDS_EXCEEDED, fact.engine, fact.resource))
        announce.listen(a.Reloaded, self._reloaded)

    def _add(self, metric: i.Metric, *labels: str) -> None:
        self._counts[metric].add(*labels)

    def _request_ended(self, fact: a.RequestEnded) -> None:
        """Each request comes by here; a warm one has left after one step."""
        engine, status, error, waited, took, first_byte = fact  # faster than by their names
        if engine is not None:
            self._requests.add((engine, status), took)
            if waited is not None:
                self._waited(engine, waited, first_byte)
        else:
            self._strangers.add(NO_ENGINE, _status(status))
        if error is not None:
            self._ended_badly(engine or NO_ENGINE, error)

    def _ended_badly(self, engine: str, error: str) -> None:
        if error == "client_gone":
            self._add(i.CLIENTS_GONE, engine)
        if error in UPSTREAM_CODES:
            self._add(i.UPSTREAM_ERRORS, engine, error)
        if error in REFUSALS:
            self._add(i.REFUSALS, engine, error)

    def _replayed(self, fact: a.Replayed) -> None:
        self._add(i.REPLAYS, fact.engine)
        self._add(i.UPSTREAM_ERRORS, fact.engine, EngineBroke.code)  # as its client would have been told

    def _waited(self, engine: str, seconds: float, first_byte: float | None) -> None:
        self._waits.add((engine,), seconds)
        if first_byte is not None and engine in self._first_awaited:
            self._first_awaited.discard(engine)
            self._stages.add((engine, "first_byte"), first_byte)

    def _wake_ended(self, fact: a.WakeEnded) -> None:
        self._add(i.WAKES, fact.engine, fact.outcome)
        if fact.outcome == "ready":
            self._first_awaited.add(fact.engine)
        for stage, seconds in (("queue", fact.queued), ("start", fact.started), ("ready", fact.ready)):
            if seconds is not None:
                self._stages.add((fact.engine, stage), seconds)

    def _reloaded(self, fact: a.Reloaded) -> None:
        self._add(i.RELOADS, "true" if fact.ok else "false")
        self.reloaded_ok = fact.ok
        if fact.ok:
            self.reloaded_at = self._wall()

    def families(self, engines: Collection[str]) -> Iterator[Family]:
        """What was counted, as it is shown; of engines, for those that there are."""
        self._know(engines)
        yield self._requests_by_status()
        yield self._requests.family(i.REQUEST_TIME)
        yield self._stages.family(i.WAKE_STAGES)
        yield self._waits.family(i.QUEUE_WAIT)
        for counts in self._counts.values():
            yield counts.family()

    def _know(self, engines: Collection[str]) -> None:
        """Show what has not happened yet as 0, and drop what engines have left behind that are no more."""
        for tally in (self._requests, self._stages, self._waits):
            tally.forget_all_but(engines)
        for metric, counts in self._counts.items():
            if "engine" in metric.labels:
                counts.forget_all_but((*engines, NO_ENGINE))
        for engine in engines:
            self._waits.begin((engine,))
            for metric in (i.CLIENTS_GONE, i.REPLAYS, i.EVICTIONS):
                self._counts[metric].begin(engine)
            for outcome in OUTCOMES:
                self._counts[i.WAKES].begin(engine, outcome)
            for code in UPSTREAM_CODES:
                self._counts[i.UPSTREAM_ERRORS].begin(engine, code)
            for code in OVERFLOWS:
                self._counts[i.REFUSALS].begin(engine, code)
        for ok in ("true", "false"):
            self._counts[i.RELOADS].begin(ok)

    def _requests_by_status(self) -> CounterMetricFamily:
        shown = self._strangers.family()
        merged: dict[tuple[str, str], int] = {}
        for (engine, status), count in self._requests.counts().items():
            labels = engine, _status(status)
            merged[labels] = merged.get(labels, 0) + count
        for labels, count in merged.items():
            shown.add_metric(labels, count)
        return shown


def _status(status: int | None) -> str:
    """An engine may answer with any number; those that mean nothing to anybody are one for each hundred."""
    if status is None:
        return "none"
    return str(status) if status in _MEANINGFUL else f"{status // 100}xx"


_MEANINGFUL = frozenset(int(status) for status in HTTPStatus)
