"""Every metric, declared once. docs/metrics.md is made from this, and what is in `packaging/` is checked against it.

A label's value is always one of ours: an engine's name, a phase, a code, a number of a status. Nothing that a stranger
sends becomes one, else strangers could fill the memory of whoever collects them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "whisper_gateway"

WAKE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
"""From a process that is there at once to a model that is fetched first."""
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""From a health check to a long recording."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. labels: their names. buckets: upper bounds of a histogram's."""

    short: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """As Prometheus shows it; a histogram's series have endings of their own."""
        return f"{NAMESPACE}_{self.short}" + ("_total" if self.kind == "counter" else "")

    @property
    def series(self) -> tuple[str, ...]:
        """The names that queries use."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{ending}" for ending in ("bucket", "count", "sum"))
        return (self.name,)


# Counted when they are told of

WAKES = Metric(
    "wakes", "counter",
    "Wakes that are over. `outcome`: `ready`, `failed`, `timed_out`, `called_off` (nobody waited any more, or an "
    "operator decided so), `adopted` (found running).",
    ("engine", "outcome"),
)  # fmt: skip
WAKE_STAGES = Metric(
    "wake_seconds", "histogram",
    "How long the stages of a wake took. `stage`: `queue` (until the budget had room), `start` (until its program "
    "ran), `ready` (until it answered), `first_byte` (from there until the first answer to a request that had waited "
    "began).",
    ("engine", "stage"), WAKE_SECONDS,
)  # fmt: skip
PHASE_CHANGES = Metric(
    "engine_phase_changes", "counter",
    "How often an engine came into a phase. `cause`: the event, as in the log; by `SeenStopped` it ended by itself, or "
    "was stopped by somebody else.",
    ("engine", "phase", "cause"),
)  # fmt: skip
REQUESTS = Metric(
    "requests", "counter",
    "Requests to engines' hostnames that are over. `status`: of the answer; `none` if there was none, because the "
    "client left. `engine` is empty for what never got to one: unknown hostnames, strangers (at the portal, too), "
    "rubbish.",
    ("engine", "status"),
)  # fmt: skip
REQUEST_TIME = Metric(
    "request_seconds", "histogram",
    "From a request's head to the end of its answer, waiting included; WebSockets and event streams, too.",
    ("engine",), REQUEST_SECONDS,
)  # fmt: skip
QUEUE_WAIT = Metric(
    "queue_wait_seconds", "histogram",
    "How long requests were held before they were let in, for a wake or for their turn. Those that were let in at once "
    "are not counted.",
    ("engine",), WAKE_SECONDS,
)  # fmt: skip
CLIENTS_GONE = Metric("clients_gone", "counter", "Requests whose client left before the answer's end.", ("engine",))
REPLAYS = Metric("replays", "counter", "Requests sent once more, because their engine died under them.", ("engine",))
EVICTIONS = Metric("evictions", "counter", "How often an engine had to make room for another.", ("engine",))
UPSTREAM_ERRORS = Metric(
    "upstream_errors", "counter",
    "How often an engine failed a request that it had been given, replayed or not. `error`: the code that clients are "
    "told, or `answer_cut` if its answer, or a WebSocket, had begun.",
    ("engine", "error"),
)  # fmt: skip
REFUSALS = Metric(
    "refusals", "counter",
    "Requests that the gateway refused. `code`: as in the answer. `engine` is empty if it was not known yet.",
    ("engine", "code"),
)  # fmt: skip
NEEDS_EXCEEDED = Metric(
    "needs_exceeded", "counter", "How often an engine was found to take more than its `needs`.", ("engine", "resource")
)
RELOADS = Metric(
    "config_reloads", "counter",
    "Times that the configuration was read again. `ok`: `true`, or `false` if it was invalid and changed nothing.",
    ("ok",),
)  # fmt: skip

# Read when they are asked for

PHASE = Metric("engine_phase", "gauge", "1 for the phase that the engine is in, 0 for all others.", ("engine", "phase"))
LEASES = Metric("leases", "gauge", "Requests that are with the engine now.", ("engine",))
QUEUED = Metric("queue_requests", "gauge", "Requests that are held now.", ("engine",))
QUEUE_LIMIT = Metric("queue_limit_requests", "gauge", "`queue.limit`: more than these are refused.", ("engine",))
QUEUE_BYTES = Metric(
    "queue_bytes", "gauge", "Bytes of bodies that requests which are held now have announced.", ("engine",)
)
MEMORY = Metric(
    "engine_memory_bytes", "gauge",
    "Memory that the engine took when it was last measured, 0 while it does not run. Engines under a `budget` only.",
    ("engine",),
)  # fmt: skip
MEMORY_PEAK = Metric(
    "engine_memory_peak_bytes", "gauge", "The most memory that the engine's present or last run took.", ("engine",)
)
NEEDS = Metric("engine_needs_bytes", "gauge", "What the engine's `needs` say.", ("engine", "resource"))
BUDGET = Metric("budget_bytes", "gauge", "What the `budget` says.", ("resource",))
SPOOL = Metric("spool_bytes", "gauge", "Bytes of request bodies on disk.")
SPOOL_LIMIT = Metric("spool_limit_bytes", "gauge", "`gateway.spool.total`: the most there may be.")
RELOAD_OK = Metric(
    "config_last_reload_successful", "gauge", "1 if the configuration's file was valid when it was last read, else 0."
)
RELOAD_TIME = Metric(
    "config_last_reload_success_timestamp_seconds", "gauge", "When the configuration that counts was read, Unix time."
)
BUILD = Metric("build_info", "gauge", "Always 1; the labels say what runs.", ("version", "python"))

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
