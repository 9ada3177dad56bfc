"""Who said what, and when: frozen data, no model in sight. Times are seconds from the recording's beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_WITHOUT_SPACES = frozenset(["ja", "zh", "yue"])
"""Languages whose sentences follow each other without a space."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker talks, perhaps while another does, too."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Word:
    """text: without surrounding spaces. score: how well it fits the sound, 0 to 1; None where its times were not found
    by alignment but lie between its neighbours'.
    """

    text: str
    start: float
    end: float
    score: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """About a sentence, of one speaker.

    words: empty where nothing was aligned. avg_logprob: how sure Whisper was of the window it is from; None where a
    client brought the text. confident: somebody was heard to speak then; else the speaker is the nearest one.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    avg_logprob: float | None = None
    speaker: str | None = None
    confident: bool = True


@dataclass(frozen=True, slots=True)
class Conversation:
    """A finished answer.

    language: of the text, as a code such as "en". duration: the recording's length. warnings: sentences about what
    could not be done. turns: in order of their starts; empty unless speakers were asked for. names: of those speakers
    whose voices are known.
    """

    language: str
    duration: float
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Everything that was said; empty if nobody spoke."""
        return self.space.join(text for segment in self.segments if (text := segment.text.strip()))

    @property
    def space(self) -> str:
        """What stands between the texts of two segments."""
        return "" if self.language in _WITHOUT_SPACES else " "
