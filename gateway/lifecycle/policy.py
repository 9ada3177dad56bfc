"""The numbers behind the rules: how long an engine idles and may take to start, and how many it serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Times are in seconds. `idle_after` None means that the engine is never stopped for idling.

    concurrency: requests that are let in at once, None for any number. queue_limit, queue_bytes: how many may wait, and
    how large their bodies may be together. budgeted: a start needs room in the budget.
    """

    idle_after: float | None = 15 * 60
    start_timeout: float = 60
    concurrency: int | None = None
    queue_limit: int = 1024
    queue_bytes: int | None = None
    budgeted: bool = False
