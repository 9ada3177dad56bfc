"""What was said and when: frozen data, no model in sight. Times are seconds from the recording's beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Word:
    """`text` has no surrounding spaces; `probability` is between 0 and 1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of the text and the natural logarithm of its probability.

    data: the token's bytes. A character of several bytes may be spread over several tokens; `token` then is what can
    be shown of its part.
    """

    token: str
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech, about a sentence, with the figures that Whisper reports for it.

    text: as the model wrote it, usually with a leading space, so that segments can be joined without a separator.
    seek: where the window began in which it was found, in hundredths of a second.
    words, logprobs: empty unless they were asked for.
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
    logprobs: tuple[TokenLogprob, ...] = ()


Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A finished answer.

    language: what was spoken, as a code such as "en". duration: the recording's length. audio_tokens, prompt_tokens:
    how much the model was given to work on, in positions of its encoder and in tokens of the prompt.
    """

    language: str
    duration: float
    segments: tuple[Segment, ...]
    task: Task = "transcribe"
    audio_tokens: int = 0
    prompt_tokens: int = 0

    @property
    def text(self) -> str:
        """Everything that was said; empty if nobody spoke."""
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        return tuple(token for segment in self.segments for token in segment.logprobs)

    @property
    def output_tokens(self) -> int:
        """Tokens that the model wrote, timestamps included."""
        return sum(len(segment.tokens) for segment in self.segments)


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """The likeliest language, its probability, and all that the model knows with theirs, the likeliest first."""

    language: str
    probability: float
    all: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Transcription:
    """An answer in the making: taking the next of `segments` is what computes it."""

    language: str
    duration: float
    segments: Iterator[Segment]
