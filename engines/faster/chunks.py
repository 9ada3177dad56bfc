"""Long recordings, in batches: what faster-whisper's BatchedInferencePipeline does, in bounded memory.

The recording is cut where nobody speaks into chunks of at most one window (30 seconds); several are computed at once,
none knows what was said in the one before. The library computes all spectrograms beforehand, which for hours of sound
takes gigabytes and time in which nobody can stop it; here each batch makes its own. The result is the library's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import (
    Segment,
    TranscriptionOptions,
    Word,
    get_suppressed_tokens,
    restore_speech_timestamps,
)
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from engines.faster.options import ListeningOptions
from engines.transcription.tape import SAMPLE_RATE

Floats = NDArray[np.float32]
Stretch = dict[str, int]
"""Where speech starts and ends, in samples."""
SILENCE_MS = 160
"""A pause that is long enough to cut at; the library's."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Stretches of speech that are listened to as if nothing had been between them.

    offset: samples of speech before it.
    """

    speech: list[Stretch]
    offset: int

    @property
    def size(self) -> int:
        return sum(stretch["end"] - stretch["start"] for stretch in self.speech)

    @property
    def facts(self) -> dict[str, float]:
        """As the library wants them, in seconds."""
        return {"offset": self.offset / SAMPLE_RATE, "duration": self.size / SAMPLE_RATE}


class Chunks:
    """One recording, cut. Not for two threads at once.

    length: seconds that a chunk may have.
    """

    def __init__(self, model: WhisperModel, samples: Floats, options: ListeningOptions) -> None:
        self._model = model
        self._options = options
        self.length: int = model.feature_extractor.chunk_length
        self._samples = samples
        self._speech: list[Stretch] = get_speech_timestamps(samples, self._vad())
        self._chunks = list(_grouped(self._speech, self.length * SAMPLE_RATE))

    def _vad(self) -> VadOptions:
        if self._options.vad is None:
            return VadOptions(max_speech_duration_s=self.length, min_silence_duration_ms=SILENCE_MS)
        return vad_options(self._options, longest=self.length)

    def _features(self, chunk: Chunk) -> Floats:
        sound = np.concatenate([self._samples[stretch["start"] : stretch["end"]] for stretch in chunk.speech])
        features: Floats = self._model.feature_extractor(sound)[..., :-1]
        return features

    def language(self, detect: Callable[[Floats], str]) -> str:
        """What `detect` makes of the beginning's spectrogram."""
        wanted: int = self._model.feature_extractor.nb_max_frames
        parts: list[Floats] = []
        for chunk in self._chunks:
            parts.append(self._features(chunk))
            if sum(part.shape[-1] for part in parts) >= wanted:
                break
        # The library appends a column of silence, so that there is something even where nobody speaks.
        parts.append(np.full((self._model.model.n_mels, 1), -1.5, dtype=np.float32))
        return detect(np.concatenate(parts, axis=1)[:, : wanted + 1])  # one more: the last is taken for padding

    def segments(self, language: str, batch_size: int, checkpoint: Callable[[], None]) -> Iterator[Segment]:
        """Computes as segments are taken. `checkpoint` is called before each batch, and raises to end the work."""
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, task=self._options.task, language=language
        )
        found = self._found(tokenizer, batch_size, checkpoint)
        return iter(restore_speech_timestamps(found, self._speech, SAMPLE_RATE))

    def _found(self, tokenizer: Tokenizer, batch_size: int, checkpoint: Callable[[], None]) -> Iterator[Segment]:
        pipeline = BatchedInferencePipeline(self._model)
        told = self._told(tokenizer)
        number = 0
        first, size = 0, 1 if self._options.soon else batch_size
        while first < len(self._chunks):
            checkpoint()
            chunks = self._chunks[first : first + size]
            first, size = first + size, min(size * 2, batch_size)
            features = np.stack([pad_or_trim(self._features(chunk)) for chunk in chunks])
            for result in pipeline.forward(features, tokenizer, [chunk.facts for chunk in chunks], told):
                for segment in result:
                    number += 1
                    yield _segment(number, segment, told)

    def _told(self, tokenizer: Tokenizer) -> TranscriptionOptions:
        """faster-whisper's defaults for a batched transcription, and what was asked for."""
        options = self._options
        return TranscriptionOptions(
            beam_size=options.beam_size,
            best_of=5,
            patience=1,
            length_penalty=1,
            repetition_penalty=1,
            no_repeat_ngram_size=0,
            log_prob_threshold=-1.0,
            no_speech_threshold=0.6,
            compression_ratio_threshold=2.4,
            condition_on_previous_text=False,
            prompt_reset_on_temperature=0.5,
            temperatures=[options.temperature],
            initial_prompt=options.prompt,
            prefix=None,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            without_timestamps=not options.times,
            max_initial_timestamp=0.0,
            word_timestamps=options.words or options.logprobs,
            prepend_punctuations="\"'“¿([{-",
            append_punctuations="\"'.。,，!！?？:：”)]}、",  # noqa: RUF001  full-width ones are meant
            multilingual=False,
            max_new_tokens=None,
            clip_timestamps=self._speech,
            hallucination_silence_threshold=None,
            hotwords=options.hotwords,
        )


def _grouped(speech: list[Stretch], most: int) -> Iterator[Chunk]:
    """As many stretches in each chunk as go into it; faster-whisper's `collect_chunks`, without copying the sound."""
    chunk = Chunk([], 0)
    for stretch in speech:
        if chunk.speech and chunk.size + stretch["end"] - stretch["start"] > most:
            yield chunk
            chunk = Chunk([], chunk.offset + chunk.size)
        chunk.speech.append(stretch)
    if chunk.speech:
        yield chunk


def vad_options(options: ListeningOptions, longest: float = math.inf) -> VadOptions:
    """The library's form of our SpeechFilter. longest: seconds for speech without a limit of its own."""
    vad = options.vad
    assert vad is not None
    return VadOptions(
        threshold=vad.threshold,
        neg_threshold=vad.neg_threshold,
        min_speech_duration_ms=vad.min_speech_duration_ms,
        max_speech_duration_s=min(vad.max_speech_duration_s or longest, longest),
        min_silence_duration_ms=vad.min_silence_duration_ms,
        speech_pad_ms=vad.speech_pad_ms,
    )


def _segment(number: int, segment: dict[str, Any], told: TranscriptionOptions) -> Segment:
    return Segment(
        id=number,
        seek=segment["seek"],
        start=round(segment["start"], 3),
        end=round(segment["end"], 3),
        text=segment["text"],
        tokens=segment["tokens"],
        avg_logprob=segment["avg_logprob"],
        compression_ratio=segment["compression_ratio"],
        no_speech_prob=segment["no_speech_prob"],
        words=[Word(**word) for word in segment["words"]] if told.word_timestamps else None,
        temperature=told.temperatures[0],
    )
