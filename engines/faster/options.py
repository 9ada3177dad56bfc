"""What the model is told about one recording. Frozen data, free of HTTP and of faster-whisper."""

from __future__ import annotations

from dataclasses import dataclass

from engines.transcription.transcript import Task


@dataclass(frozen=True, slots=True)
class SpeechFilter:
    """How speech is told from the rest, which the model then does not hear. The numbers are Silero VAD's.

    threshold: probability from which on a moment counts as speech. neg_threshold: below which it no longer does; None
    for a little less than `threshold`. Speech shorter than `min_speech_duration_ms` is dropped, longer than
    `max_speech_duration_s` (None: however long) is split, ends after `min_silence_duration_ms` of silence, and is
    widened by `speech_pad_ms` on both sides.
    """

    threshold: float = 0.5
    neg_threshold: float | None = None
    min_speech_duration_ms: int = 0
    max_speech_duration_s: float | None = None
    min_silence_duration_ms: int = 2000
    speech_pad_ms: int = 400


@dataclass(frozen=True, slots=True)
class ListeningOptions:
    """What the model is told.

    language: a Whisper code, or None to detect it, among `languages` if there are any. hotwords: words that are likely
    to be said. temperature: 0 lets the model begin greedily and grow bolder where it is unsure. words, logprobs: also
    find out the words' times, the tokens' probabilities. times: whether the segments' times matter; where they do not,
    long recordings need fewer tokens. vad: how to leave out what is no speech; None: as seems best. in_order: listen to
    everything, each window knowing what was said before, also where batches would be faster. soon: somebody waits for
    the first segment, so that the first batches are small.
    """

    task: Task = "transcribe"
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str | None = None
    hotwords: str | None = None
    temperature: float = 0.0
    beam_size: int = 5
    words: bool = False
    logprobs: bool = False
    times: bool = True
    in_order: bool = False
    soon: bool = False
    vad: SpeechFilter | None = None
