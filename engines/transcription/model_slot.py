"""Where a service keeps its one model: loaded once, used by one request at a time.

Loading begins at start and runs beside everything else. Whoever needs the model waits for it. If loading fails, those
who wait are refused with the reason, and the next request begins a new attempt: a service whose model hub was
unreachable heals without a restart.

The model's work happens in worker threads, so the event loop stays free; the queue for the model is first come, first
served. Work that should end when its request is cancelled calls `anyio.from_thread.check_cancelled` now and then; the
place is free again when the work has really ended, never earlier.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import StrEnum
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

from engines.transcription.errors import ModelUnavailable

Model = TypeVar("Model")
Result = TypeVar("Result")

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
"""Told to clients that met a model which could not be loaded."""


class SlotState(StrEnum):
    LOADING = "loading"
    READY = "ready"
    BROKEN = "broken"


class ModelSlot(Generic[Model]):
    """`load` is called in a thread of its own and returns the model, or raises."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._attempt: Future[Model] | None = None
        self._turn = CapacityLimiter(1)

    def __repr__(self) -> str:
        return f"<ModelSlot {self.state} working={self._turn.borrowed_tokens}>"

    @property
    def state(self) -> SlotState:
        if self._attempt is None or not self._attempt.done():
            return SlotState.LOADING
        return SlotState.READY if self._attempt.exception() is None else SlotState.BROKEN

    @property
    def reason(self) -> str | None:
        """Why the model is broken, in one line; None when it is not."""
        if self._attempt is None or not self._attempt.done():
            return None
        problem = self._attempt.exception()
        return None if problem is None else _one_line(problem)

    def begin_loading(self) -> None:
        """Begin, unless loading is under way or done."""
        self._current_attempt()

    async def run(self, work: Callable[[Model], Result]) -> Result:
        """Wait for the model and for one's turn, then do `work(model)` in a worker thread.

        Raises ModelUnavailable, and whatever `work` raises.
        """
        model = await self._loaded()
        return await to_thread.run_sync(work, model, limiter=self._turn)

    async def _loaded(self) -> Model:
        try:
            return await asyncio.wrap_future(self._current_attempt())
        except Exception as exc:
            message = f"The model could not be loaded: {_one_line(exc)}"
            raise ModelUnavailable(message, retry_after=RETRY_AFTER_S) from exc

    def _current_attempt(self) -> Future[Model]:
        """The attempt under way or done; a new one if there was none or the last one failed."""
        if self._attempt is None or self.state is SlotState.BROKEN:
            attempt = Future[Model]()
            attempt.set_running_or_notify_cancel()  # now a waiter who is cancelled cannot cancel it for the others
            # A daemon, because a download that hangs must not keep a service from ending.
            threading.Thread(target=self._settle, args=(attempt,), name="model-loading", daemon=True).start()
            self._attempt = attempt
        return self._attempt

    def _settle(self, attempt: Future[Model]) -> None:
        began = time.monotonic()
        log.info("model.loading")
        try:
            model = self._load()
        except BaseException as exc:  # whatever a library raises, waiters must learn of it
            reason, after = _one_line(exc), time.monotonic() - began
            log.error("model.broken after=%.2fs reason=%r", after, reason)  # noqa: TRY400  the reason says enough
            attempt.set_exception(exc if isinstance(exc, Exception) else RuntimeError(reason))
        else:
            log.info("model.ready after=%.2fs", time.monotonic() - began)
            attempt.set_result(model)


def _one_line(problem: BaseException) -> str:
    """The message, or the name of an exception that has none; at most 300 characters."""
    return " ".join(str(problem).split())[:300] or type(problem).__name__
