"""What is computed of a recording: WhisperX's stages.

WhisperX's pipelines hold state while they work, and each of them alone fills the device. So recordings take turns,
first come, first served. Within a turn, speakers are told apart beside listening and aligning: that needs the sound
alone, not the words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, Semaphore, from_thread, to_thread

from engines.transcription.beside import together
from engines.transcription.errors import BadAudio, BadParameter, ModelUnavailable
from engines.whisperx.conversation import Conversation, Segment, Turn
from engines.whisperx.known_speakers import named
from engines.whisperx.options import Options, SpeakerOptions
from engines.whisperx.progress import Stage, Watch
from engines.whisperx.speakers import told_apart
from engines.whisperx.toolbox import Diarizer, Heard, Toolbox, Tools

if TYPE_CHECKING:
    from engines.transcription.tape import Samples

THREADS = 2
"""Whisper and alignment in one, speakers in the other."""
SAMPLE_RATE = 16_000
OVERLAP = 4
"""How many times as long as the recording the segments of a transcript may be together, and each a second longer."""


class Stages:
    """All methods raise EngineError, and end their work at the next checkpoint when they are cancelled."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._free = Semaphore(1)
        self._threads = CapacityLimiter(THREADS)

    def of(self, options: Options) -> Iterator[Stage]:
        """Which of them a request needs."""
        yield Stage.TRANSCRIBE
        if _wants_alignment(options):
            yield Stage.ALIGN
        if options.speakers is not None:
            yield Stage.DIARIZE

    async def transcribe(
        self,
        tools: Tools,
        samples: Samples,
        *,
        options: Options,
        references: Mapping[str, Samples],
        watch: Watch,
        heard: Heard | None = None,
    ) -> Conversation:
        """references: voices of speakers whose names are known."""
        turns: list[Turn] = []
        names: dict[str, str] = {}
        listen = partial(self._listen, tools, samples, options, watch, heard)
        async with self._turn(watch):
            if tools.diarizer is None or options.speakers is None:
                language, segments, aligned = await listen()
            else:
                diarize = partial(self._tell_apart, tools.diarizer, samples, options.speakers, references, watch)
                (language, segments, aligned), (turns, names) = await together(listen, diarize)
        warnings: list[str] = []
        if segments and _wants_alignment(options) and not aligned:
            segments, warnings = await self._align_afterwards(samples, segments, language, watch)
        if options.speakers is not None:
            if segments and not any(segment.words for segment in segments):
                warnings.append("Speakers are told by whole segments, because their words have no times.")
            segments = await to_thread.run_sync(told_apart, segments, turns)
            warnings += _unlike(options.speakers, turns)
        return Conversation(language, len(samples) / SAMPLE_RATE, tuple(segments), tuple(warnings), tuple(turns), names)

    async def align(
        self, tools: Tools, samples: Samples, *, segments: Sequence[Segment], language: str, watch: Watch
    ) -> Conversation:
        """Segments are cut off where the recording ends. Raises BadParameter if they overlap too much."""
        duration = len(samples) / SAMPLE_RATE
        inside = [replace(one, end=min(one.end, duration)) for one in segments if one.start < duration]
        _check_overlap(inside, duration)
        assert tools.aligner is not None
        async with self._turn(watch):
            aligned = await self._in_thread(watch, Stage.ALIGN, tools.aligner.align, inside, samples)
        missing = len(segments) - len(inside)
        they = "1 segment begins" if missing == 1 else f"{missing} segments begin"
        left = "is" if missing == 1 else "are"
        warnings = [f"{they} after the recording's end and {left} left out."] if missing else []
        return Conversation(language, duration, tuple(aligned), tuple(warnings))

    async def diarize(self, tools: Tools, samples: Samples, *, options: SpeakerOptions, watch: Watch) -> Conversation:
        """Turns, and no segments."""
        assert tools.diarizer is not None
        async with self._turn(watch):
            turns, _ = await self._in_thread(watch, Stage.DIARIZE, tools.diarizer.diarize, samples, options)
        return Conversation("", len(samples) / SAMPLE_RATE, (), tuple(_unlike(options, turns)), tuple(turns))

    @asynccontextmanager
    async def _turn(self, watch: Watch) -> AsyncIterator[None]:
        if not self._free.value:
            watch.wait()
        async with self._free:
            yield

    async def _listen(
        self, tools: Tools, samples: Samples, options: Options, watch: Watch, heard: Heard | None
    ) -> tuple[str, list[Segment], bool]:
        """Language, segments, and whether those are aligned already: if the model for that is at hand."""

        def tell_of(segment: Segment) -> None:
            if heard is not None:
                from_thread.run_sync(heard, segment)

        assert tools.listener is not None
        listen = partial(tools.listener.listen, heard=tell_of)
        language, segments = await self._in_thread(watch, Stage.TRANSCRIBE, listen, samples, options.listening)
        if not segments or not _wants_alignment(options) or not self._toolbox.aligns_at_once(language):
            return language, segments, False
        async with self._toolbox.for_aligning(language) as more:
            assert more.aligner is not None
            return language, await self._in_thread(watch, Stage.ALIGN, more.aligner.align, segments, samples), True

    async def _align_afterwards(
        self, samples: Samples, segments: list[Segment], language: str, watch: Watch
    ) -> tuple[list[Segment], list[str]]:
        """In a turn of its own, when the model for it is there; the segments as they are and a warning if none is."""
        if not self._toolbox.aligns(language):
            reason = f"there is no alignment model for {language!r}; the operator can name one in ALIGN_MODELS."
            return segments, [f"Words have no times: {reason}"]
        try:
            async with self._toolbox.for_aligning(language) as tools, self._turn(watch):
                assert tools.aligner is not None
                return await self._in_thread(watch, Stage.ALIGN, tools.aligner.align, segments, samples), []
        except ModelUnavailable as exc:  # what has been heard is worth more than its times
            return segments, [f"Words have no times: {exc.message}"]

    async def _tell_apart(
        self,
        diarizer: Diarizer,
        samples: Samples,
        options: SpeakerOptions,
        references: Mapping[str, Samples],
        watch: Watch,
    ) -> tuple[list[Turn], dict[str, str]]:
        """Turns, and the names of those speakers who are known."""
        known = {name: await self._voice(diarizer, name, sound) for name, sound in references.items()}
        turns, voices = await self._in_thread(watch, Stage.DIARIZE, diarizer.diarize, samples, options)
        return turns, named(voices, known)

    async def _voice(self, diarizer: Diarizer, name: str, sound: Samples) -> Any:
        """How a known speaker sounds. Raises BadParameter."""
        try:
            return await to_thread.run_sync(diarizer.embedding, sound, limiter=self._threads)
        except BadAudio as exc:
            param = "known_speaker_references[]"
            raise BadParameter(f"{param}: that of {name[:40]!r}: {exc.message}", param=param) from None

    async def _in_thread(self, watch: Watch, stage: Stage, work: Callable[..., Any], *arguments: Any) -> Any:
        """`work` with a checkpoint and a way to tell how far it is, which come last."""
        reached = -1

        def tell(fraction: float) -> None:
            nonlocal reached
            if int(fraction * 100) > reached:  # each takes a turn of the event loop
                reached = int(fraction * 100)
                from_thread.run_sync(watch.reach, stage, fraction)

        watch.reach(stage, 0.0)
        do = partial(work, *arguments, checkpoint=from_thread.check_cancelled, tell=tell)
        result = await to_thread.run_sync(do, limiter=self._threads)
        watch.reach(stage, 1.0)
        return result


def _wants_alignment(options: Options) -> bool:
    """The words of a translation were never said."""
    return options.align and options.listening.task == "transcribe"


def _check_overlap(segments: Sequence[Segment], duration: float) -> None:
    """Raises BadParameter. Each segment is computed by itself, which for short ones takes as long as for a second."""
    if sum(segment.end - segment.start for segment in segments) > OVERLAP * duration + len(segments):
        raise BadParameter(
            f"transcript: its segments overlap too much: together they are more than {OVERLAP} times as long as the "
            "recording.",
            param="transcript",
        )


def _unlike(options: SpeakerOptions, turns: Sequence[Turn]) -> Iterator[str]:
    """A warning where others were found than were asked for."""
    found = len({turn.speaker for turn in turns})
    least, most = options.exactly or options.at_least or 0, options.exactly or options.at_most or found
    if found < least or found > most:
        wanted, bound = (least, "at least ") if found < least else (most, "at most ")
        were_found = "1 speaker was" if found == 1 else f"{found} speakers were"
        were_asked = f"{'' if options.exactly else bound}{wanted} {'was' if wanted == 1 else 'were'}"
        yield f"{were_found} found, although {were_asked} asked for."
