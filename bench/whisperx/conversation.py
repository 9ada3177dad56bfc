"""Who says what, and when: as it was recorded, and as it was heard. Times are seconds from the beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Turn:
    start: float
    end: float
    speaker: str

    @classmethod
    def read(cls, turn: Mapping[str, Any]) -> Self:
        return cls(turn["start"], turn["end"], turn["speaker"])


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start: float
    end: float
    speaker: str | None

    @classmethod
    def read(cls, word: Mapping[str, Any]) -> Self:
        """As the manifest and the engine have them."""
        return cls(word["word"], word["start"], word["end"], word.get("speaker"))


@dataclass(frozen=True, slots=True)
class Segment:
    """What was heard in one piece, of one speaker."""

    start: float
    end: float
    text: str
    speaker: str | None
    words: tuple[Word, ...]

    @classmethod
    def read(cls, segment: Mapping[str, Any]) -> Self:
        words = tuple(map(Word.read, segment.get("words", [])))
        return cls(segment["start"], segment["end"], segment["text"], segment.get("speaker"), words)
