"""The only importer of faster-whisper: its model in, our Transcription out.

Importing this takes a while: do it in a worker thread.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor

from engines.faster import features
from engines.faster.options import ListeningOptions
from engines.faster.settings import FasterSettings
from engines.transcription.audio import Samples
from engines.transcription.errors import BadParameter
from engines.transcription.transcript import Segment, Transcription, Word

MOST_THREADS = 4
"""More threads than cores only wait for each other; beyond four, Whisper's small matrices gain little."""

LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures tried one after the other while the result looks wrong; Whisper's own."""


class _PatientExtractor(FeatureExtractor):  # type: ignore[misc]  # faster-whisper ships no types
    """Takes long recordings piece by piece, see features.py."""

    def __init__(self, checkpoint: Callable[[], None], **shape: Any) -> None:
        super().__init__(**shape)
        self._checkpoint = checkpoint

    def __call__(self, waveform: Samples, **options: Any) -> Any:
        """With options other than faster-whisper's usual ones, faster-whisper does it."""
        usual = all(value is None for value in options.values())
        if usual and features.columns(self, waveform) > features.COLUMNS:
            return features.spectrogram(self, waveform, self._checkpoint)
        return super().__call__(waveform, **options)


class _AttentiveModel(WhisperModel):  # type: ignore[misc]  # as above
    """Looks up before each window. Between segments would do for speech, but long silence yields no segment at all."""

    def __init__(self, *args: Any, checkpoint: Callable[[], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._checkpoint = checkpoint
        self.feature_extractor = _PatientExtractor(checkpoint, **self.feat_kwargs)

    def encode(self, window: Any) -> Any:
        self._checkpoint()
        return super().encode(window)


class Transcriber:
    """A loaded model. Not for two threads at once."""

    def __init__(self, settings: FasterSettings, checkpoint: Callable[[], None]) -> None:
        """Loads the model, from the hub if it is no folder and not in the cache yet: seconds to minutes.

        checkpoint: called before each window of 30 seconds; raises to end the work. Raises what faster-whisper raises.
        """
        path = Path(settings.model)
        if path.is_absolute() and not path.is_dir():
            raise FileNotFoundError(f"there is no folder {settings.model}")
        self._model = _AttentiveModel(
            settings.model,
            device=settings.device,
            compute_type=settings.compute_type,
            cpu_threads=settings.cpu_threads or min(MOST_THREADS, _usable_cores()),
            checkpoint=checkpoint,
        )

    def begin(self, samples: Samples, options: ListeningOptions) -> Transcription:
        """Detects the language where none is given; the rest is computed as segments are taken. Raises BadParameter."""
        self._check_language(options.language)
        segments, info = self._model.transcribe(
            samples,
            language=options.language,
            initial_prompt=options.prompt,
            temperature=options.temperature or LADDER,
            word_timestamps=options.words,
        )
        return Transcription(info.language, info.duration, _ours(segments))

    def _check_language(self, language: str | None) -> None:
        """faster-whisper would take any for an English-only model, and fail on one that the model has no token for."""
        if language is None:
            return
        if not self._model.model.is_multilingual and language != "en":
            raise BadParameter("language: this model knows English only.", param="language")
        if self._model.model.is_multilingual and self._model.hf_tokenizer.token_to_id(f"<|{language}|>") is None:
            raise BadParameter(f"language: this model does not know {language}.", param="language")


def _ours(segments: Any) -> Iterator[Segment]:
    for segment in segments:
        yield Segment(
            start=segment.start,
            end=segment.end,
            text=segment.text,
            seek=segment.seek,
            tokens=tuple(segment.tokens),
            temperature=_finite(segment.temperature),
            avg_logprob=_finite(segment.avg_logprob),
            compression_ratio=_finite(segment.compression_ratio),
            no_speech_prob=_finite(segment.no_speech_prob),
            words=tuple(Word(w.word.strip(), w.start, w.end, _finite(w.probability)) for w in segment.words or ()),
        )


def _finite(figure: float | None) -> float:
    """JSON has no NaN and no infinity, which a degenerate window can produce."""
    return float(figure) if figure is not None and math.isfinite(figure) else 0.0


def _usable_cores() -> int:
    """Fewer than the machine has where the engine is held to some of them; not every system can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
