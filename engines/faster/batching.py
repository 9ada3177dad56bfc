"""Makes one call of several: requests that are at the model at the same time share its batches.

faster-whisper's algorithm for one recording stays as it is, in a thread for each request. What it asks of the model
(encode a window, write a text, tell the language, align words) comes here, and what comes together, of the same kind
and with the same options, is computed together. A batch gives each member what it would have been given alone, bit for
bit (CTranslate2 computes rows of a batch independently; a test holds it).

There is no thread of its own: the thread whose call is the oldest takes the next batch along. Alone it does so at once.
In company it waits while others are on their way, but only for milliseconds. While the device computes, calls gather by
themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from engines.faster.company import Company, Visit
from engines.transcription import memory
from engines.transcription.errors import OutOfMemory

PATIENCE = 0.005
"""Seconds to wait for the next of those who are on their way."""
MOST_PATIENCE = 0.025
"""Seconds that the first of a batch waits at most, however many are on their way."""

Things = list[tuple[Any, ...]]
"""What is asked for, for each row of a batch."""
Do = Callable[[Things, dict[str, Any]], Sequence[Any]]
"""Computes a whole batch: what was asked for each row → the result of each row."""

_ALONE = Visit(Company(), checkpoint=lambda: None)
log = logging.getLogger(__name__)


class Encoded:
    """What the encoder made of some windows: for each a batch's output, and which row of that it is.

    The windows of one call may be in several outputs: a batch for which there is no memory is halved.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: list[tuple[_Whole, int]]) -> None:
        self.rows = rows

    @property
    def count(self) -> int:
        return len(self.rows)


class _Whole:
    """The output of one call of the encoder, on its device; on the host as soon as a part of it is needed there."""

    __slots__ = ("_host", "rows", "view")

    def __init__(self, view: ctranslate2.StorageView, rows: int) -> None:
        self.view = view
        self.rows = rows
        self._host: NDArray[Any] | None = None

    def host(self) -> NDArray[Any]:
        if self._host is None:
            view = self.view
            if view.device != "cpu":
                view = view.to_device(ctranslate2.Device.cpu)
            if view.dtype == ctranslate2.DataType.bfloat16:  # numpy does not know it
                view = view.to(ctranslate2.DataType.float32)
            self._host = np.asarray(view)
        return self._host


_NOTHING = _Whole(ctranslate2.StorageView.from_array(np.zeros(1, dtype=np.float32)), 1)
"""What the encoder made of a window that nobody waits for any more."""


class _Call:
    """One thread's call, from its arrival until its results are there."""

    __slots__ = ("arrived", "do", "error", "key", "options", "results", "rows", "taken", "things", "visit")

    def __init__(self, do: Do, things: Things, options: dict[str, Any], visit: Visit, shape: Any) -> None:
        self.do: Callable[[Things, dict[str, Any]], Sequence[Any]] = do
        self.things = things  # one for each row of the batch
        self.options = options
        self.key = (do.__name__, shape, *sorted((name, _hashable(value)) for name, value in options.items()))
        self.visit = visit
        self.rows = len(things)
        self.arrived = time.monotonic()
        self.taken = False
        self.results: list[Any] | None = None
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.results is not None or self.error is not None


class SharedModel:
    """Stands where faster-whisper expects CTranslate2's Whisper; everything else is passed on to it.

    most: rows in a batch. workers: batches that may be computed at once.
    """

    def __init__(self, model: ctranslate2.models.Whisper, *, most: int, workers: int = 1) -> None:
        self._model = model
        self.most = most
        self._free = workers
        self._computing = 0  # calls that are in a batch now
        self._waiting: list[_Call] = []  # in the order of their arrival
        self._changed = threading.Condition()
        self._here = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @contextmanager
    def visited_by(self, visit: Visit) -> Iterator[None]:
        """What this thread asks for inside the block is for this visit."""
        self._here.visit = visit
        visit.when_gone = self._look_again
        try:
            yield
        finally:
            visit.when_gone = None
            del self._here.visit

    def _look_again(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # What faster-whisper asks for; see ctranslate2.models.Whisper

    def encode(self, features: NDArray[np.float32]) -> Encoded:
        """features: (windows, bands, columns)."""
        visit = self._visit
        return Encoded(self._share(self._encode, [(window, visit) for window in features], {}, features.shape[1:]))

    def generate(self, encoded: Encoded, prompts: list[list[int]], **options: Any) -> list[Any]:
        """Together with those whose prompts are as long: CTranslate2 wants the text to begin at the same position."""
        things = [(encoded, row, prompt) for row, prompt in enumerate(prompts)]
        return self._share(self._generate, things, options, len(prompts[0]))

    def detect_language(self, encoded: Encoded) -> list[list[tuple[str, float]]]:
        things = [(encoded, row) for row in range(encoded.count)]
        return self._share(self._detect_language, things, {}, None)

    def align(
        self,
        encoded: Encoded,
        start: Sequence[int],
        texts: list[list[int]],
        frames: int | list[int],
        **options: Any,
    ) -> list[Any]:
        """Together with texts of the same length: shorter ones would be padded, and differ in the seventh digit."""
        each = [frames] * len(texts) if isinstance(frames, int) else frames
        things = [(encoded, row, text, count) for row, (text, count) in enumerate(zip(texts, each, strict=True))]
        return self._share(self._align, things, {"start": tuple(start), **options}, tuple(map(len, texts)))

    # The same, for a whole batch

    def _encode(self, things: Things, _: dict[str, Any]) -> list[tuple[_Whole, int]]:
        """All at once on a GPU. On a CPU one alone fills cores and caches: eight together would take a third longer.

        There, windows for which nobody waits any more are left out; `_share` does not return to whoever left.
        """
        windows = [window for window, _ in things]
        if self._model.device != "cpu":
            whole = self._encoded(windows)
            return [(whole, row) for row in range(len(windows))]
        return [(_NOTHING if visit.gone else self._encoded([window]), 0) for window, visit in things]

    def _encoded(self, windows: list[NDArray[np.float32]]) -> _Whole:
        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(np.stack(windows)))
        return _Whole(self._model.encode(view), len(windows))

    def _generate(self, things: Things, options: dict[str, Any]) -> list[Any]:
        results: list[Any] = self._model.generate(_joined(things), [thing[2] for thing in things], **options)
        return results

    def _detect_language(self, things: Things, _: dict[str, Any]) -> list[Any]:
        results: list[Any] = self._model.detect_language(_joined(things))
        return results

    def _align(self, things: Things, options: dict[str, Any]) -> list[Any]:
        start = list(options["start"])
        rest = {name: value for name, value in options.items() if name != "start"}
        texts, frames = [thing[2] for thing in things], [thing[3] for thing in things]
        results: list[Any] = self._model.align(_joined(things), start, texts, frames, **rest)
        return results

    # Who computes what, when

    @property
    def _visit(self) -> Visit:
        """For which this thread works."""
        visit: Visit = getattr(self._here, "visit", _ALONE)
        return visit

    def _share(self, do: Do, things: Things, options: dict[str, Any], shape: Any) -> list[Any]:
        call = _Call(do, things, options, self._visit, shape)
        with self._changed:
            self._waiting.append(call)
            self._changed.notify_all()  # whoever waits for us to come need not wait any longer
        while not call.done:
            batch = self._wait(call)
            if batch:
                self._compute(batch)
        if call.error is not None:
            try:
                raise call.error
            finally:
                call.error = None  # it refers to this frame by its traceback, and by that to a whole recording
        _stop_if_gone(call.visit)
        assert call.results is not None
        return call.results

    def _wait(self, call: _Call) -> list[_Call]:
        """Until the call is done, or is the one to take a batch along; returns that batch. Raises if its visit ends."""
        with self._changed:
            while not call.done:
                if not call.taken and call.visit.gone:
                    self._waiting.remove(call)
                    self._changed.notify_all()
                    _stop_if_gone(call.visit)
                patience: float | None = None
                if self._free and self._waiting and self._waiting[0] is call:
                    batch = self._next()
                    patience = self._patience(batch)
                    if patience <= 0:
                        self._take(batch)
                        return batch
                self._changed.wait(patience)
            return []

    def _next(self) -> list[_Call]:
        """The oldest call, and what goes with it."""
        first = self._waiting[0]
        batch: list[_Call] = []
        rows = 0
        for call in self._waiting:
            if call.key == first.key and (not batch or rows + call.rows <= self.most):
                batch.append(call)
                rows += call.rows
        return batch

    def _patience(self, batch: list[_Call]) -> float:
        """Seconds for which somebody may still come who would go with this batch."""
        company = batch[0].visit.company.present
        if sum(call.rows for call in batch) >= self.most or company <= len(self._waiting) + self._computing:
            return 0.0
        until = min(batch[-1].arrived + PATIENCE, batch[0].arrived + MOST_PATIENCE)
        return until - time.monotonic()

    def _take(self, batch: list[_Call]) -> None:
        for call in batch:
            call.taken = True
        self._waiting = [call for call in self._waiting if not call.taken]
        self._free -= 1
        self._computing += len(batch)
        self._changed.notify_all()  # somebody else is the oldest now

    def _compute(self, batch: list[_Call]) -> None:
        try:
            _answer(batch)
        finally:
            with self._changed:
                self._free += 1
                self._computing -= len(batch)
                self._changed.notify_all()


def _stop_if_gone(visit: Visit) -> None:
    if visit.gone:
        visit.checkpoint()
        raise RuntimeError("a visit that is gone has nothing more to ask")


def _answer(batch: list[_Call]) -> None:
    """Fill in the results or the error of each call. Never raises what a call can be told."""
    rows = sum(call.rows for call in batch)
    log.debug("batch.begun what=%s calls=%d rows=%d", batch[0].key[0], len(batch), rows)
    try:
        results = _done(batch[0], [thing for call in batch for thing in call.things])
    except Exception as error:  # whatever a library raises: each thread must hear of it, none may wait for ever
        if len(batch) == 1:
            batch[0].error = error
        else:  # one may have spoilt it for all
            for call in batch:
                _answer([call])
        return
    position = 0
    for call in batch:
        call.results = list(results[position : position + call.rows])
        position += call.rows


def _done(call: _Call, things: Things) -> Sequence[Any]:
    """One computation, or two of half the size if the device has not enough memory for it. Raises OutOfMemory."""
    try:
        return call.do(things, call.options)
    except (RuntimeError, MemoryError) as error:
        if not memory.is_wanting(error):
            raise
        log.warning("batch.out_of_memory what=%s rows=%d", call.key[0], len(things))
        half = len(things) // 2
        if not half:
            raise OutOfMemory from error
    try:
        return [*call.do(things[:half], call.options), *call.do(things[half:], call.options)]
    except (RuntimeError, MemoryError) as error:
        if memory.is_wanting(error):
            raise OutOfMemory from error
        raise


def _joined(things: Things) -> ctranslate2.StorageView:
    """The encoder's output for these rows, as one. Without copying if they are a batch just as it was encoded."""
    rows: list[tuple[_Whole, int]] = [encoded.rows[row] for encoded, row, *_ in things]
    whole = rows[0][0]
    if [(whole, number) for number in range(whole.rows)] == rows:
        return whole.view
    return ctranslate2.StorageView.from_array(np.concatenate([one.host()[row : row + 1] for one, row in rows]))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
