"""What was said: Whisper in WhisperX's own pipeline. HEAVY: import it in a thread.

WhisperX's pipeline keeps what a call asks for in itself, and an aborted call leaves it there. So each call has a
pipeline of its own, which costs nothing: the model in it is shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import whisperx
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_ctranslate2_storage
from whisperx.asr import FasterWhisperPipeline, WhisperModel
from whisperx.audio import log_mel_spectrogram

from engines.transcription import prompts
from engines.transcription.errors import OutOfMemory
from engines.transcription.languages import check_known
from engines.transcription.tape import SAMPLE_RATE, Samples
from engines.whisperx.checkpoints import Checkpoint, check, checking
from engines.whisperx.conversation import Segment
from engines.whisperx.devices import device_of, is_want_of_memory, tidy_up, use_threads
from engines.whisperx.options import ListeningOptions
from engines.whisperx.settings import WINDOWS_TOGETHER, WhisperXSettings
from engines.whisperx.vad import OPTIONS, Sight

VAD_SHARE = 0.1
"""Of the work that is told of; what finding speech takes beside a small Whisper model."""
UNHEARD = "en"
"""The language of a recording in which nobody speaks, unless another was named. Whisper's guess would be noise."""

Tell = Callable[[float], None]
"""Takes the fraction that is done, 0 to 1."""
Heard = Callable[[Segment], None]


def _ignore(_: object) -> None:
    pass


class Listener:
    """A loaded Whisper model."""

    def __init__(self, folder: str, settings: WhisperXSettings) -> None:
        """Loads the model from its folder, which takes seconds. Raises what the libraries raise."""
        self._device = device_of(settings)
        use_threads(settings)
        self._model = PatientModel(
            folder, device=self._device, compute_type=settings.compute_type, cpu_threads=settings.threads
        )
        sight = Sight(self._device, _ignore)
        pipeline = whisperx.load_model(folder, self._device, model=self._model, vad_model=sight)
        self._usual = pipeline.options
        self._most = settings.batch_size or WINDOWS_TOGETHER[self._device]
        self._chunk_size = min(settings.chunk_size, self._model.feature_extractor.chunk_length)

    def close(self) -> None:
        """Give the model's memory back. Nobody may be listening any more."""
        self._model.model.unload_model()
        del self._model
        tidy_up()

    def listen(
        self,
        samples: Samples,
        options: ListeningOptions,
        checkpoint: Checkpoint,
        tell: Tell = _ignore,
        heard: Heard = _ignore,
    ) -> tuple[str, list[Segment]]:
        """The language, and a segment without words for each window in which somebody speaks.

        checkpoint: called at least once per batch; raises to end the work. heard: called for each segment as soon as
        it is there. Raises BadParameter and OutOfMemory.
        """
        whisper = self._model
        check_known(
            options.language,
            multilingual=whisper.model.is_multilingual,
            token=whisper.hf_tokenizer.token_to_id,
        )
        language = options.language if self._model.model.is_multilingual else "en"
        if not len(samples):
            return language or UNHEARD, []
        prompt, hotwords = prompts.latest(options.prompt), prompts.first(options.hotwords)
        asked = replace(self._usual, initial_prompt=prompt or None, hotwords=hotwords or None)
        sight = Sight(self._device, lambda fraction: tell(fraction * VAD_SHARE))
        duration = len(samples) / SAMPLE_RATE
        ears = Ears(self._model, sight, asked, duration=duration, tell=tell, heard=heard)
        with checking(checkpoint):
            check()
            try:
                result = ears.transcribe(
                    samples,
                    batch_size=options.batch_size or self._most,
                    language=language,
                    task=options.task,
                    chunk_size=self._chunk_size,
                )
            except (RuntimeError, MemoryError) as exc:
                if not is_want_of_memory(exc):
                    raise
            else:
                return result["language"], ears.segments
        tidy_up()
        raise OutOfMemory


class PatientModel(WhisperModel):  # type: ignore[misc]  # WhisperX ships no types
    """WhisperX's, which also stops between the windows of a batch."""

    def encode(self, features: Any) -> Any:
        """One by one on a CPU: that takes no longer there, and a batch of a large model would take minutes."""
        check()
        if self.model.device != "cpu" or features.ndim == 2 or len(features) == 1:
            return super().encode(features)
        windows = []
        for window in features:
            check()
            windows.append(np.array(super().encode(window)))
        return get_ctranslate2_storage(np.concatenate(windows))

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


class Ears(FasterWhisperPipeline):  # type: ignore[misc]  # as above
    """WhisperX's pipeline for one recording.

    duration: of the recording, in seconds. segments: what has been heard so far.
    """

    def __init__(
        self, model: PatientModel, sight: Sight, options: Any, *, duration: float, tell: Tell, heard: Heard
    ) -> None:
        super().__init__(model=model, vad=sight, vad_params=OPTIONS, options=options)
        self._duration = duration
        self._tell = tell
        self._heard = heard
        self._most = math.inf
        self._results = 0
        self.segments: list[Segment] = []

    def preprocess(self, audio: Any) -> Any:
        """As WhisperX does, which takes 30 s windows for granted, and that no chunk is some samples longer."""
        return {"inputs": self._spectrogram(audio["inputs"])}

    def detect_language(self, audio: Samples) -> str:
        """Of the recording's beginning, as WhisperX does."""
        if not self.vad_model.chunks:
            return UNHEARD
        check()
        encoded = self.model.encode(self._spectrogram(audio))
        token: str = self.model.model.detect_language(encoded)[0][0][0]
        return token.removeprefix("<|").removesuffix("|>")

    def _spectrogram(self, sound: Samples) -> Any:
        window = self.model.feature_extractor.n_samples
        sound = sound[:window]
        # The model knows best how many bands it wants. The file that says so, too, is often lost when one is converted.
        return log_mel_spectrogram(sound, n_mels=self.model.model.n_mels, padding=window - len(sound))

    def _forward(self, model_inputs: dict[str, torch.Tensor]) -> dict[str, list[Any]]:
        """A batch; in parts if there is not enough memory for all of it."""
        features = model_inputs["inputs"]
        found: dict[str, list[Any]] = {"text": [], "avg_logprob": []}
        first = 0
        while first < len(features):
            check()
            part = features[first : first + int(min(self._most, len(features)))]
            result = self._heard_in(part)
            if result is None:
                self._most = len(part) // 2
                tidy_up()
                continue
            found["text"] += result["text"]
            found["avg_logprob"] += result["avg_logprob"]
            first += len(part)
        return found

    def _heard_in(self, part: torch.Tensor) -> dict[str, list[Any]] | None:
        """None if there is not enough memory for so many windows. Raises OutOfMemory if there is none for one."""
        try:
            result: dict[str, list[Any]] = self.model.generate_segment_batched(part, self.tokenizer, self.options)
        except (RuntimeError, MemoryError) as exc:
            if not is_want_of_memory(exc):
                raise
        else:
            return result
        if len(part) == 1:
            raise OutOfMemory
        return None

    def postprocess(self, model_outputs: dict[str, Any]) -> dict[str, Any]:
        """Called for each window, in order; also where WhisperX collects them itself."""
        check()
        text, probability = model_outputs["text"], model_outputs["avg_logprob"]
        if isinstance(text, list):  # batches of one are not taken apart
            text, probability = text[0], probability[0]
        chunks = self.vad_model.chunks
        chunk = chunks[self._results]
        self._results += 1
        if text.strip():
            start, end = float(chunk["start"]), min(float(chunk["end"]), self._duration)
            segment = Segment(round(start, 3), round(end, 3), text, avg_logprob=_finite(probability))
            self.segments.append(segment)
            self._heard(segment)
        self._tell(VAD_SHARE + (1 - VAD_SHARE) * self._results / len(chunks))
        return model_outputs


def _finite(figure: float) -> float:
    """JSON has no NaN and no infinity, which a degenerate window can produce."""
    return float(figure) if math.isfinite(figure) else 0.0
