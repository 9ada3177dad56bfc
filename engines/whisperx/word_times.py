"""Times for words, whatever the aligner made of them: none is missing, none is outside, none comes before its turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engines.whisperx.conversation import Word

WITHOUT_SPACES = frozenset({"ja", "zh"})
"""Languages that WhisperX takes for written without spaces: each character is a word."""

Found = Mapping[str, Any]
"""A word as WhisperX tells of it: word; start, end and score only where they were found."""


def words_of(text: str, language: str) -> list[str]:
    words = text.split()
    return list("".join(words)) if language in WITHOUT_SPACES else words


def spread(words: Sequence[str], start: float, end: float) -> Iterator[Word]:
    """Times from start to end by the words' lengths, for want of better ones."""
    total = sum(len(word) + 1 for word in words)
    done = 0
    for word in words:
        first = start + (end - start) * done / total
        done += len(word) + 1
        yield Word(word, first, max(first, start + (end - start) * done / total))


def mended(found: Sequence[Found], start: float, end: float) -> list[Word]:
    """start, end: of the segment, in which all words lie afterwards, in order of their starts."""
    known = [_between(one, start, end) for one in found]
    words: list[Word] = []
    position = 0
    while position < len(found):
        word = known[position]
        if word is None:
            after = next((at for at in range(position, len(found)) if known[at] is not None), len(found))
            following = known[after] if after < len(found) else None
            first = max([start, *(one.end for one in words[-1:])])
            last = max(first, following.start if following else end)
            words += spread([one["word"] for one in found[position:after]], first, last)
            position = after
        else:
            first = max([word.start, *(one.start for one in words[-1:])])
            words.append(Word(word.text, first, max(first, word.end), word.score))
            position += 1
    return words


def _between(word: Found, start: float, end: float) -> Word | None:
    """None if its times were not found."""
    first, last, score = (_number(word.get(name)) for name in ("start", "end", "score"))
    if first is None or last is None:
        return None
    first, last = (min(max(at, start), end) for at in (first, last))
    return Word(word["word"], first, max(first, last), score)


def _number(figure: object) -> float | None:
    return float(figure) if isinstance(figure, int | float) and math.isfinite(figure) else None
