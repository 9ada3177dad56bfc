"""faster-whisper's model, changed so that many threads can listen at once, each with faster-whisper's own algorithm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from engines.faster import features, speech
from engines.faster.batching import Encoded, SharedModel
from engines.faster.company import Visit
from engines.faster.logprobs import Heard
from engines.faster.options import ListeningOptions
from engines.faster.settings import WINDOWS_TOGETHER
from engines.transcription import prompts
from engines.transcription.tape import Samples


@dataclass(slots=True)
class Here:
    """What one thread is busy with."""

    visit: Visit
    options: ListeningOptions
    heard: Heard = field(default_factory=Heard)
    window: Samples | None = None
    encoded: Encoded | None = None


class PatientExtractor(FeatureExtractor):  # type: ignore[misc]  # faster-whisper ships no types
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


class SharingModel(WhisperModel):  # type: ignore[misc]  # as above
    """faster-whisper's algorithm on a model that others use at the same time, each in a thread of its own.

    It looks up before each window: between segments would do for speech, but long silence yields no segment at all.

    most: windows in a batch; 0 for what suits the device.
    """

    def __init__(self, source: str, *, most: int, workers: int, **options: Any) -> None:
        super().__init__(source, num_workers=workers, **options)
        whisper = self.model
        most = most or WINDOWS_TOGETHER[whisper.device]
        self.model: Any = _NotingModel(whisper, most=most, workers=workers, note=self.note)
        self._threads = threading.local()
        # The model knows best how many bands it wants. The file that says so, too, is often lost when one is converted.
        shape = {**self.feat_kwargs, "feature_size": whisper.n_mels}
        self.feature_extractor = PatientExtractor(self._checkpoint, **shape)

    @contextmanager
    def busy_with(self, visit: Visit, options: ListeningOptions) -> Iterator[None]:
        """What this thread computes inside the block is for this visit."""
        self._threads.now = Here(visit, options)
        try:
            with self.model.visited_by(visit), speech.looking_up(visit.checkpoint):
                yield
        finally:
            del self._threads.now

    def _checkpoint(self) -> None:
        self.now.visit.checkpoint()

    @property
    def now(self) -> Here:
        """What this thread is busy with."""
        now: Here = self._threads.now
        return now

    def encode(self, features: Samples) -> Encoded:
        """features: one window or a batch of them. The last one is remembered: telling the language needs it too."""
        now = self.now
        now.visit.checkpoint()
        if features.ndim == 2:
            features = features[np.newaxis]
        if now.encoded is None or now.window is None or not np.array_equal(now.window, features):
            now.window, now.encoded = features, self.model.encode(features)
        return now.encoded

    def detect_language(self, audio: Any = None, features: Any = None, **options: Any) -> Any:
        """As faster-whisper does, but among the candidates if there are any."""
        if features is not None and 1 < features.shape[-1] <= self.feature_extractor.nb_max_frames:
            features = features[..., :-1]  # so that it is the very window that is listened to afterwards
        language, probability, known = super().detect_language(audio=audio, features=features, **options)
        candidates = self.now.options.languages
        if candidates:
            likely = [pair for pair in known if pair[0] in candidates]
            language, probability = likely[0] if likely else (language, probability)
        return language, probability, known

    def get_prompt(
        self,
        tokenizer: Tokenizer,
        previous_tokens: list[int],
        without_timestamps: bool = False,  # noqa: FBT001, FBT002  as faster-whisper has it
        prefix: str | None = None,
        hotwords: str | None = None,
    ) -> list[int]:
        """As faster-whisper writes it, but hot words and the text before share the room that it gives to each."""
        if previous_tokens and hotwords:
            previous_tokens = prompts.beside(
                tokenizer.encode(f" {hotwords.strip()}"), previous_tokens, holds=self.max_length
            )
        prompt: list[int] = super().get_prompt(tokenizer, previous_tokens, without_timestamps, prefix, hotwords)
        return prompt

    def note(self, texts: list[list[int]], alignments: list[Any]) -> None:
        """How probable the tokens were that have just been aligned."""
        for text, alignment in zip(texts, alignments, strict=True):
            self.now.heard.add(text, alignment.text_token_probs)


_SAMPLING = {"beam_size": 1, "num_hypotheses": 5, "sampling_topk": 0}
"""How faster-whisper writes at a temperature above 0."""


class _NotingModel(SharedModel):
    """Also tells of what faster-whisper keeps to itself."""

    def __init__(self, *args: Any, note: Callable[[list[list[int]], list[Any]], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._note = note

    def generate(self, encoded: Encoded, prompts: list[list[int]], **options: Any) -> list[Any]:
        """In batches faster-whisper names the temperature but goes on following beams, which ignore it."""
        sampling = _SAMPLING if options.get("sampling_temperature") else {}
        return super().generate(encoded, prompts, **options | sampling)

    def align(self, encoded: Encoded, start: Any, texts: list[list[int]], frames: Any, **options: Any) -> list[Any]:
        alignments = super().align(encoded, start, texts, frames, **options)
        self._note(texts, alignments)
        return alignments
