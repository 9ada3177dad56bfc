"""When each word was said: wav2vec2 models and WhisperX's forced alignment. HEAVY: import it in a thread."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import whisperx
from nltk.tokenize.punkt import PunktSentenceTokenizer
from whisperx import alignment

from engines.transcription.errors import BadParameter, OutOfMemory
from engines.transcription.tape import SAMPLE_RATE, Samples
from engines.whisperx import trellis
from engines.whisperx.checkpoints import Checkpoint, check, checking
from engines.whisperx.conversation import Segment
from engines.whisperx.devices import Settings, device_of, is_want_of_memory, tidy_up, use_threads
from engines.whisperx.loading import loaded_align_model
from engines.whisperx.long_sounds import LongSounds
from engines.whisperx.word_times import mended, spread, words_of

LONGEST = 30 * 60.0
"""Seconds that a segment may have. WhisperX's work on a text grows with the square of its length."""

SHORTEST = 0.1
"""Seconds in which something can be found; a model that is given less may not even compute."""

assert alignment.backtrack is trellis.backtrack

_their_load = alignment.nltk_load


@functools.cache
def _sentence_splitter(resource: str) -> Any:
    """In place of NLTK's loader: reads each language once, and downloads nothing. Without data, it splits by rule."""
    try:
        return _their_load(resource)
    except LookupError:
        return PunktSentenceTokenizer()


alignment.nltk_load = _sentence_splitter


class Aligner:
    """A loaded alignment model of one language."""

    def __init__(self, language: str, source: str | None, settings: Settings) -> None:
        """source: folder, name on the hub or torchaudio's name; None for WhisperX's choice. Raises Unloadable."""
        self._device = device_of(settings)
        use_threads(settings)
        model, self._facts = loaded_align_model(language, source, self._device)
        self._model = LongSounds(model.eval(), self._facts["type"])
        self._language = language

    def close(self) -> None:
        del self._model
        tidy_up()

    def align(
        self,
        segments: Sequence[Segment],
        samples: Samples,
        checkpoint: Checkpoint,
        tell: Callable[[float], None] = lambda _: None,
    ) -> list[Segment]:
        """The same text in about a segment per sentence, with words. Raises BadParameter and OutOfMemory.

        Every word has times, inside its segment and in order; where they could not be found, they lie between its
        neighbours' and the word has no score.
        """
        sound = torch.from_numpy(samples)
        aligned: list[Segment] = []
        with checking(checkpoint):
            for number, segment in enumerate(segments):
                check()
                tell(number / len(segments))
                aligned += self._aligned(segment, sound)
        tell(1.0)
        return aligned

    def _aligned(self, segment: Segment, sound: torch.Tensor) -> list[Segment]:
        end = max(min(segment.end, len(sound) / SAMPLE_RATE), segment.start)
        if end - segment.start > LONGEST:
            raise BadParameter(
                f"transcript: a segment must not be longer than {LONGEST / 60:g} minutes; split it.", param="transcript"
            )
        words = words_of(segment.text, self._language)
        long_enough = end - segment.start >= SHORTEST
        text = " ".join(segment.text.split())
        found = list(self._found(segment, text, end, sound)) if words and long_enough else []
        if [character for one in found for word in one.words for character in word.text] == list("".join(words)):
            return found
        end = max(segment.end, segment.start)
        return [Segment(segment.start, end, text, tuple(spread(words, segment.start, end)), segment.avg_logprob)]

    def _found(self, segment: Segment, text: str, end: float, sound: torch.Tensor) -> Iterator[Segment]:
        for one in self._by_whisperx({"start": segment.start, "end": end, "text": text}, sound):
            first, last = (min(max(float(one[name]), segment.start), end) for name in ("start", "end"))
            words = tuple(mended(one["words"], first, max(first, last)))
            yield Segment(first, max(first, last), one["text"], words, segment.avg_logprob)

    def _by_whisperx(self, segment: dict[str, Any], sound: torch.Tensor) -> list[dict[str, Any]]:
        """Its segments, one for each sentence. None of one of them depends on another of ours."""
        try:
            result = whisperx.align([segment], self._model, self._facts, sound, self._device)
        except (RuntimeError, MemoryError) as exc:
            if not is_want_of_memory(exc):
                raise
        else:
            found: list[dict[str, Any]] = result["segments"]
            return found
        tidy_up()
        raise OutOfMemory
