"""From an upload to a transcript.

An upload is looked at as soon as it is there, so that rubbish is refused at once, even while the model loads or others
are served. Decoded recordings are large (230 MB per hour), so there are two places: one recording is at the model and
the next one is decoded meanwhile. Whoever finds no place waits with the upload still as it came, in a spooled file.
"""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from anyio import Semaphore, from_thread, to_thread

from engines.faster.options import ListeningOptions
from engines.transcription.model_slot import ModelSlot
from engines.transcription.transcript import Segment, Transcript

if TYPE_CHECKING:
    from engines.faster.transcriber import Transcriber
    from engines.transcription.audio import Samples

log = logging.getLogger(__name__)

PLACES = 2


class Desk:
    """`longest` is the longest recording accepted, in seconds."""

    def __init__(self, slot: ModelSlot[Transcriber], longest: float) -> None:
        self._slot = slot
        self._longest = longest
        self._places = Semaphore(PLACES)

    async def transcribe(self, upload: BinaryIO, options: ListeningOptions) -> Transcript:
        """Raises EngineError. When cancelled, the computation ends within one segment, and only then does this."""
        arrived = time.monotonic()
        await to_thread.run_sync(_check, upload)
        async with self._places:
            samples = await to_thread.run_sync(_decode, upload, self._longest)
            transcript = await self._slot.run(partial(_listen, samples, options))
        log.info("transcription.done audio=%.1fs after=%.2fs", transcript.duration, time.monotonic() - arrived)
        return transcript


def _check(upload: BinaryIO) -> None:
    from engines.transcription import audio  # noqa: PLC0415  imports numpy and PyAV: here we are in a worker thread

    audio.check(upload)


def _decode(upload: BinaryIO, longest: float) -> Samples:
    from engines.transcription import audio  # noqa: PLC0415  as above

    return audio.decode(upload, limit=longest, checkpoint=from_thread.check_cancelled)


def _listen(samples: Samples, options: ListeningOptions, transcriber: Transcriber) -> Transcript:
    """In a worker thread. Ends early when the request is cancelled."""
    heard: list[Segment] = []
    log.debug("transcription.begun")
    try:
        from_thread.check_cancelled()
        transcription = transcriber.begin(samples, options)
        for segment in transcription.segments:
            heard.append(segment)
            from_thread.check_cancelled()
    except CancelledError:
        reached = heard[-1].end if heard else 0.0
        log.info("transcription.abandoned at=%.1fs of=%.1fs", reached, len(samples) / 16_000)
        raise
    return Transcript(transcription.language, transcription.duration, tuple(heard))
