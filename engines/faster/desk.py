"""From an upload to a transcript.

An upload is looked at as soon as it is there, so that rubbish is refused at once, even while the model loads or others
are served. Then it is decoded and listened to, in a thread of its own, beside others that share the model's batches.
Decoded recordings are large (230 MB per hour), so places are limited: many for short ones, few for long ones. Whoever
finds no place waits with the upload still as it came, in a spooled file.
"""

from __future__ import annotations

import logging
import math
import time
from asyncio import CancelledError
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

import anyio
from anyio import CapacityLimiter, Semaphore, from_thread, to_thread

from engines.faster.company import Company, Visit
from engines.faster.options import ListeningOptions
from engines.transcription.beside import beside
from engines.transcription.errors import OutOfMemory, RecordingTooLong
from engines.transcription.quiet import Quiet
from engines.transcription.transcript import LanguageGuess, Segment, Transcript

if TYPE_CHECKING:
    from engines.faster.transcriber import Transcriber
    from engines.transcription.tape import Samples

log = logging.getLogger(__name__)

SHORT = 60.0
"""Seconds up to which a recording counts as short."""
SHORT_PLACES = 32
LONG_PLACES = 2
"""One is listened to while the next is decoded."""
LOOKS = 4
"""Uploads that are looked at at a time: milliseconds each, but hostile ones can take hundreds of megabytes."""

Result = TypeVar("Result")
Work = Callable[["Transcriber", "Samples", Visit], Result]


class Lender(Protocol):
    """Who has the models, by id."""

    def begin_loading(self, model: str) -> None: ...
    def borrowed(self, model: str) -> AbstractAsyncContextManager[Transcriber]: ...


class Desk:
    """`longest` is the longest recording accepted, in seconds."""

    def __init__(self, models: Lender, longest: float) -> None:
        self._models = models
        self._longest = longest
        self._companies: defaultdict[str, Company] = defaultdict(Company)
        self._short = Semaphore(SHORT_PLACES)
        self._long = Semaphore(LONG_PLACES)
        self._quiet = Quiet()
        self._looks = CapacityLimiter(LOOKS)
        self._threads = CapacityLimiter(SHORT_PLACES + LONG_PLACES)

    async def transcribe(
        self,
        upload: BinaryIO,
        model: str,
        options: ListeningOptions,
        on_segment: Callable[[Segment], None] | None = None,
    ) -> Transcript:
        """The transcript. `on_segment` is called, on the event loop, for each segment as soon as it is there.

        Raises EngineError. When cancelled, the computation ends at the next window or batch, and only then does this.
        """
        arrived = time.monotonic()
        if on_segment is not None:
            options = replace(options, soon=True)
        transcript = await self._serve(upload, model, partial(_listen, options=options, on_segment=on_segment))
        log.info("transcription.done audio=%.1fs after=%.2fs", transcript.duration, time.monotonic() - arrived)
        return transcript

    async def detect(self, upload: BinaryIO, model: str) -> LanguageGuess:
        """The language in which the recording begins. Raises EngineError."""
        return await self._serve(upload, model, _detect, enough=SHORT / 2)

    async def _serve(self, upload: BinaryIO, model: str, work: Work[Result], enough: float = math.inf) -> Result:
        """enough: seconds of the recording that the work needs."""
        try:
            return await self._served(upload, model, work, enough)
        except MemoryError:
            pass
        raise OutOfMemory

    async def _served(self, upload: BinaryIO, model: str, work: Work[Result], enough: float) -> Result:
        with self._quiet.busy(), self._companies[model] as company:
            claimed = await to_thread.run_sync(_check, upload, limiter=self._looks)
            self._models.begin_loading(model)
            if min(claimed, enough) <= SHORT:
                async with self._short:
                    samples = await to_thread.run_sync(_decode_short, upload, min(SHORT, self._longest), enough)
                    if samples is not None:
                        return await self._work(model, work, samples, Visit(company))
            async with self._long:
                samples = await to_thread.run_sync(_decode, upload, self._longest, enough)
                return await self._work(model, work, samples, Visit(company))

    async def _work(self, model: str, work: Work[Result], samples: Samples, visit: Visit) -> Result:
        async with self._models.borrowed(model) as transcriber:
            listen = partial(to_thread.run_sync, work, transcriber, samples, visit, limiter=self._threads)
            return await beside(partial(_leave_at_the_end, visit), listen)


async def _leave_at_the_end(visit: Visit, _: anyio.CancelScope) -> None:
    """The thread cannot see the request's end while it waits for its turn; it must be told."""
    try:
        await anyio.sleep_forever()
    finally:
        visit.leave()


def _check(upload: BinaryIO) -> float:
    """How many seconds the file says that it holds; 0 if it does not say."""
    from engines.transcription import audio  # noqa: PLC0415  imports numpy and PyAV: here we are in a worker thread

    return audio.check(upload, checkpoint=from_thread.check_cancelled) or 0.0


def _decode(upload: BinaryIO, limit: float, enough: float) -> Samples:
    from engines.transcription import audio  # noqa: PLC0415  as above

    return audio.decode(upload, limit=limit, enough=enough, checkpoint=from_thread.check_cancelled)


def _decode_short(upload: BinaryIO, limit: float, enough: float) -> Samples | None:
    """None if it holds more than it said."""
    try:
        return _decode(upload, limit, enough)
    except RecordingTooLong:
        return None


def _listen(
    transcriber: Transcriber,
    samples: Samples,
    visit: Visit,
    *,
    options: ListeningOptions,
    on_segment: Callable[[Segment], None] | None,
) -> Transcript:
    reached = 0.0

    def heard(segment: Segment) -> None:
        nonlocal reached
        reached = segment.end
        if on_segment is not None:
            from_thread.run_sync(on_segment, segment)

    log.debug("transcription.begun")
    try:
        return transcriber.listen(samples, options, visit, heard)
    except CancelledError:
        log.info("transcription.abandoned at=%.1fs of=%.1fs", reached, len(samples) / 16_000)
        raise


def _detect(transcriber: Transcriber, samples: Samples, visit: Visit) -> LanguageGuess:
    return transcriber.detect(samples, visit)
