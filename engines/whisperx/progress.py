"""How far requests are, for those who ask: by GET /progress/{request_id}, or as events of a streamed answer.

Belongs on the event loop, except where threads are named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

KEPT_S = 600.0
"""How long a finished request can still be asked about."""
MOST = 10_000
"""Requests that are remembered; beyond it the oldest finished ones are forgotten earlier."""


class Stage(StrEnum):
    DECODE = "decode"
    TRANSCRIBE = "transcribe"
    ALIGN = "align"
    DIARIZE = "diarize"


class State(StrEnum):
    QUEUED = "queued"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


class Watch:
    """One request's progress.

    on_progress: called on the event loop with a report each time there is something new: a stage begins, or a whole
    percent of it is done.
    """

    def __init__(self, request_id: str, on_progress: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self.request_id = request_id
        self.state = State.QUEUED
        self.on_progress = on_progress
        self.ended: float | None = None
        self._stages: dict[Stage, float] = {}
        self._stage: Stage | None = None
        self._begun: set[Stage] = set()

    def expect(self, *stages: Stage) -> None:
        """What this request consists of."""
        self._stages = dict.fromkeys(stages, 0.0)

    def wait(self) -> None:
        """Others come first."""
        self.state = State.QUEUED
        self.on_progress(self.report())

    def reach(self, stage: Stage, fraction: float) -> None:
        """fraction: of this stage, 0 to 1. Only ever grows."""
        before = self._stages.get(stage, 0.0)
        fraction = min(max(fraction, before), 1.0)
        begins = stage not in self._begun or self.state is State.QUEUED
        self._begun.add(stage)
        self.state = State.WORKING
        self._stages[stage] = fraction
        self._stage = stage
        if begins or int(fraction * 100) > int(before * 100):
            self.on_progress(self.report())

    def report(self) -> dict[str, Any]:
        """state; stage: the one that was heard of last; fraction: of the whole; stages: each with its own fraction."""
        fractions = list(self._stages.values())
        whole = sum(fractions) / len(fractions) if fractions else 0.0
        return {
            "request_id": self.request_id,
            "state": self.state.value,
            "stage": None if self._stage is None else self._stage.value,
            "fraction": 1.0 if self.state is State.DONE else round(whole, 4),
            "stages": {stage.value: round(fraction, 4) for stage, fraction in self._stages.items()},
        }


class Watches:
    """All requests that are under way, or ended a while ago."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, Watch] = {}

    @contextmanager
    def begin(self, request_id: str, on_progress: Callable[[dict[str, Any]], None] = lambda _: None) -> Iterator[Watch]:
        """Of two requests with the same id the later one is reported."""
        self._forget()
        watch = Watch(request_id, on_progress)
        self._known.pop(request_id, None)
        self._known[request_id] = watch
        try:
            yield watch
        except BaseException:
            watch.state = State.FAILED
            raise
        else:
            watch.state = State.DONE
        finally:
            watch.ended = self._clock()

    def report(self, request_id: str) -> dict[str, Any] | None:
        """None if there is no such request, or it ended too long ago."""
        self._forget()
        watch = self._known.get(request_id)
        return None if watch is None else watch.report()

    def _forget(self) -> None:
        """Oldest first, as they were begun."""
        now, over = self._clock(), len(self._known) - MOST
        for request_id, watch in list(self._known.items()):
            if watch.ended is None:
                continue
            if over > 0 or now - watch.ended > KEPT_S:
                del self._known[request_id]
                over -= 1
