"""What was said and when: frozen data, no model in sight. Times are seconds from the recording's beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """`text` has no surrounding spaces; `probability` is between 0 and 1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech, about a sentence, with the figures that Whisper reports for it.

    text: as the model wrote it, usually with a leading space, so that segments can be joined without a separator.
    seek: where the window began in which it was found, in hundredths of a second.
    words: empty unless they were asked for.
    """

    start: float
    end: float
    text: str
    seek: int
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """A finished answer. `language` is a code such as "en"; `duration` is the recording's length."""

    language: str
    duration: float
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """Everything that was said; empty if nobody spoke."""
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)


@dataclass(frozen=True, slots=True)
class Transcription:
    """An answer in the making: taking the next of `segments` is what computes it."""

    language: str
    duration: float
    segments: Iterator[Segment]
