"""What is computed of a recording: WhisperX's stages, each with the model that it needs, which is loaded when it is
needed first.

Telling speakers apart needs the sound alone, not the words, so it goes on beside listening and aligning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from anyio import CapacityLimiter, from_thread, to_thread

from engines.transcription.beside import together
from engines.transcription.errors import BadAudio, BadParameter, ModelUnavailable
from engines.whisperx.conversation import Conversation, Segment, Turn
from engines.whisperx.known_speakers import named
from engines.whisperx.options import ListeningOptions, Options, SpeakerOptions
from engines.whisperx.progress import Stage, Watch
from engines.whisperx.speakers import told_apart

if TYPE_CHECKING:
    from engines.transcription.tape import Samples

THREADS = 2
"""Whisper and alignment in one, speakers in the other."""
SAMPLE_RATE = 16_000

Tell = Callable[[float], None]
"""Takes the fraction of a stage that is done."""
Checkpoint = Callable[[], None]
Heard = Callable[[Segment], None]


class Listener(Protocol):
    """What hears words; see listener.py."""

    def listen(
        self, samples: Samples, options: ListeningOptions, checkpoint: Checkpoint, tell: Tell, heard: Heard
    ) -> tuple[str, list[Segment]]: ...


class Aligner(Protocol):
    """What finds the times of words; see aligner.py."""

    def align(
        self, segments: Sequence[Segment], samples: Samples, checkpoint: Checkpoint, tell: Tell
    ) -> list[Segment]: ...


class Diarizer(Protocol):
    """What tells speakers apart; see diarizer.py."""

    def diarize(
        self, samples: Samples, options: SpeakerOptions, checkpoint: Checkpoint, tell: Tell
    ) -> tuple[list[Turn], dict[str, Any]]: ...

    def embedding(self, samples: Samples) -> Any: ...


class Listeners(Protocol):
    """Who has the Whisper models, by id."""

    def begin_loading(self, model: str) -> None: ...
    def borrowed(self, model: str) -> AbstractAsyncContextManager[Listener]: ...


class Aligners(Protocol):
    """Who has the alignment models, by language."""

    def knows(self, language: str) -> bool: ...
    def borrowed(self, language: str) -> AbstractAsyncContextManager[Aligner]: ...


class Diarizers(Protocol):
    """Who has the diarization model."""

    def begin_loading(self) -> None: ...
    def borrowed(self) -> AbstractAsyncContextManager[Diarizer]: ...


class Stages:
    """All methods raise EngineError, and end their work at the next checkpoint when they are cancelled."""

    def __init__(self, listeners: Listeners, aligners: Aligners, diarizers: Diarizers) -> None:
        self._listeners = listeners
        self._aligners = aligners
        self._diarizers = diarizers
        self._threads = CapacityLimiter(THREADS)

    def of(self, options: Options) -> Iterator[Stage]:
        """Which of them a request needs."""
        yield Stage.TRANSCRIBE
        if _wants_alignment(options):
            yield Stage.ALIGN
        if options.speakers is not None:
            yield Stage.DIARIZE

    def begin_loading(self, model: str, options: Options) -> None:
        self._listeners.begin_loading(model)
        if options.speakers is not None:
            self._diarizers.begin_loading()

    def begin_loading_speakers(self) -> None:
        self._diarizers.begin_loading()

    def check_alignable(self, language: str) -> None:
        """Raises BadParameter."""
        if not self._aligners.knows(language):
            raise BadParameter(
                f"language: there is no alignment model for {language!r}; the operator can name one in ALIGN_MODELS.",
                param="language",
            )

    async def transcribe(
        self,
        samples: Samples,
        *,
        model: str,
        options: Options,
        references: Mapping[str, Samples],
        watch: Watch,
        heard: Heard | None = None,
    ) -> Conversation:
        """references: voices of speakers whose names are known."""
        listen = partial(self._listen_and_align, samples, model, options, watch, heard)
        if options.speakers is None:
            language, segments, warnings = await listen()
            return Conversation(language, len(samples) / SAMPLE_RATE, tuple(segments), tuple(warnings))
        async with self._diarizers.borrowed() as diarizer:  # first: if there is none, the work would be in vain
            diarize = partial(self._tell_apart, diarizer, samples, options.speakers, references, watch)
            (language, segments, warnings), (turns, names) = await together(listen, diarize)
        if segments and not any(segment.words for segment in segments):
            warnings.append("Speakers are told by whole segments, because their words have no times.")
        return Conversation(
            language,
            len(samples) / SAMPLE_RATE,
            tuple(await to_thread.run_sync(told_apart, segments, turns)),
            (*warnings, *_unlike(options.speakers, turns)),
            tuple(turns),
            names,
        )

    async def align(
        self, samples: Samples, *, segments: Sequence[Segment], language: str, watch: Watch
    ) -> Conversation:
        """Segments are cut off where the recording ends."""
        duration = len(samples) / SAMPLE_RATE
        inside = [replace(one, end=min(one.end, duration)) for one in segments if one.start < duration]
        async with self._aligners.borrowed(language) as aligner:
            aligned = await self._in_thread(watch, Stage.ALIGN, aligner.align, inside, samples)
        missing = len(segments) - len(inside)
        warnings = [f"{missing} segments begin after the recording's end and are left out."] if missing else []
        return Conversation(language, duration, tuple(aligned), tuple(warnings))

    async def diarize(self, samples: Samples, *, options: SpeakerOptions, watch: Watch) -> Conversation:
        """Turns, and no segments."""
        async with self._diarizers.borrowed() as diarizer:
            turns, _ = await self._in_thread(watch, Stage.DIARIZE, diarizer.diarize, samples, options)
        return Conversation("", len(samples) / SAMPLE_RATE, (), tuple(_unlike(options, turns)), tuple(turns))

    async def _listen_and_align(
        self, samples: Samples, model: str, options: Options, watch: Watch, heard: Heard | None
    ) -> tuple[str, list[Segment], list[str]]:
        """Language, segments, warnings."""

        def tell_of(segment: Segment) -> None:
            if heard is not None:
                from_thread.run_sync(heard, segment)

        async with self._listeners.borrowed(model) as listener:
            listen = partial(listener.listen, heard=tell_of)
            language, segments = await self._in_thread(watch, Stage.TRANSCRIBE, listen, samples, options.listening)
        if not _wants_alignment(options) or not segments:
            return language, segments, []
        if not self._aligners.knows(language):
            reason = f"there is no alignment model for {language!r}; the operator can name one in ALIGN_MODELS."
            return language, segments, [f"Words have no times: {reason}"]
        try:
            async with self._aligners.borrowed(language) as aligner:
                aligned = await self._in_thread(watch, Stage.ALIGN, aligner.align, segments, samples)
        except ModelUnavailable as exc:  # what has been heard is worth more than its times
            return language, segments, [f"Words have no times: {exc.message}"]
        return language, aligned, []

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


def _unlike(options: SpeakerOptions, turns: Sequence[Turn]) -> Iterator[str]:
    """A warning where others were found than were asked for."""
    found = len({turn.speaker for turn in turns})
    least, most = options.exactly or options.at_least or 0, options.exactly or options.at_most or found
    if found < least or found > most:
        wanted = options.exactly or f"at {'least' if found < least else 'most'} {least if found < least else most}"
        yield f"{found} speakers were found, although {wanted} were asked for."
