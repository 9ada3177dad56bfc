"""From an upload to an answer.

While one request is computed (see stages.py) the next is decoded, and all others wait with their uploads as they came.
Uploads that are no audio are refused at once, whoever is being served. A client who leaves leaves the queue, or ends
its computation at the next checkpoint of the stage it is in.
"""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from anyio import CapacityLimiter, Semaphore, from_thread, to_thread

from engines.transcription.errors import BadAudio, BadParameter, OutOfMemory
from engines.transcription.quiet import Quiet
from engines.whisperx.conversation import Conversation, Segment
from engines.whisperx.options import KnownSpeaker, Options, SpeakerOptions
from engines.whisperx.progress import Stage, Watch
from engines.whisperx.stages import Stages
from engines.whisperx.toolbox import Heard, Toolbox, Tools

if TYPE_CHECKING:
    from engines.transcription.tape import Samples

log = logging.getLogger(__name__)

LOOKS = 4
"""Uploads that are looked at at a time: milliseconds each, but hostile ones can take hundreds of megabytes."""
PLACES = 2
"""Decoded recordings in memory: one is computed while the next is decoded."""
REFERENCE_S = (2.0, 10.0)
"""Seconds that a known speaker's recording must and may have; OpenAI's."""
_TOLERANCE_S = 0.1
_REFERENCES = "known_speaker_references[]"

Work = Callable[[Tools, "Samples"], Awaitable[Conversation]]


class Desk:
    """longest: the longest recording accepted, in seconds. All methods raise EngineError."""

    def __init__(self, toolbox: Toolbox, longest: float) -> None:
        self._toolbox = toolbox
        self._stages = Stages(toolbox)
        self._longest = longest
        self._looks = CapacityLimiter(LOOKS)
        self._places = Semaphore(PLACES)
        self._quiet = Quiet()

    async def transcribe(
        self, upload: BinaryIO, model: str, options: Options, watch: Watch, heard: Heard | None = None
    ) -> Conversation:
        """`heard` is called, on the event loop, for each segment as Whisper writes it: not yet aligned, no speaker."""
        watch.expect(Stage.DECODE, *self._stages.of(options))
        references = await self._references(options.known)
        language = options.listening.language if Stage.ALIGN in self._stages.of(options) else None
        tools = self._toolbox.for_listening(model, language, speakers=options.speakers is not None)
        work = partial(self._stages.transcribe, options=options, references=references, watch=watch, heard=heard)
        return await self._serve(upload, watch, tools, work)

    async def align(self, upload: BinaryIO, segments: Sequence[Segment], language: str, watch: Watch) -> Conversation:
        """Word times for a transcript that the client brought."""
        if not self._toolbox.aligns(language):
            raise BadParameter(
                f"language: there is no alignment model for {language!r}; the operator can name one in ALIGN_MODELS.",
                param="language",
            )
        watch.expect(Stage.DECODE, Stage.ALIGN)
        work = partial(self._stages.align, segments=segments, language=language, watch=watch)
        return await self._serve(upload, watch, self._toolbox.for_aligning(language), work)

    async def diarize(self, upload: BinaryIO, options: SpeakerOptions, watch: Watch) -> Conversation:
        """Who speaks when, whatever they say: turns, and no segments."""
        watch.expect(Stage.DECODE, Stage.DIARIZE)
        work = partial(self._stages.diarize, options=options, watch=watch)
        return await self._serve(upload, watch, self._toolbox.for_telling_apart(), work)

    async def _serve(
        self, upload: BinaryIO, watch: Watch, tools: AbstractAsyncContextManager[Tools], work: Work
    ) -> Conversation:
        arrived = time.monotonic()
        try:
            conversation = await self._served(upload, watch, tools, work)
        except MemoryError:
            raise OutOfMemory from None
        log.info("request.done audio=%.1fs after=%.2fs", conversation.duration, time.monotonic() - arrived)
        return conversation

    async def _served(
        self, upload: BinaryIO, watch: Watch, tools: AbstractAsyncContextManager[Tools], work: Work
    ) -> Conversation:
        """Models are waited for first: whoever waits holds up nobody who does not need the same."""
        with self._quiet.busy():
            await to_thread.run_sync(_check, upload, limiter=self._looks)
            async with tools as borrowed:
                if not self._places.value:
                    watch.wait()
                async with self._places:
                    watch.reach(Stage.DECODE, 0.0)
                    samples = await to_thread.run_sync(_decode, upload, self._longest)
                    watch.reach(Stage.DECODE, 1.0)
                    return await work(borrowed, samples)

    async def _references(self, known: Sequence[KnownSpeaker]) -> dict[str, Samples]:
        """Known speakers' voices by their names. Raises BadParameter."""
        return {one.name: await to_thread.run_sync(_decode_reference, one, limiter=self._looks) for one in known}


def _check(upload: BinaryIO) -> None:
    from engines.transcription import audio  # noqa: PLC0415  imports numpy and PyAV: here we are in a worker thread

    audio.check(upload, checkpoint=from_thread.check_cancelled)


def _decode(upload: BinaryIO, limit: float, enough: float = math.inf) -> Samples:
    from engines.transcription import audio  # noqa: PLC0415  as above

    return audio.decode(upload, limit=limit, enough=enough, checkpoint=from_thread.check_cancelled)


def _decode_reference(known: KnownSpeaker) -> Samples:
    shortest, longest = REFERENCE_S
    try:
        samples = _decode(io.BytesIO(known.recording), math.inf, enough=longest + 1)
    except BadAudio as exc:
        raise BadParameter(f"{_REFERENCES}: that of {known.name!r}: {exc.message}", param=_REFERENCES) from None
    if not shortest - _TOLERANCE_S <= len(samples) / 16_000 <= longest + _TOLERANCE_S:
        raise BadParameter(
            f"{_REFERENCES}: that of {known.name!r} must have {shortest:g} to {longest:g} seconds.", param=_REFERENCES
        )
    return samples
