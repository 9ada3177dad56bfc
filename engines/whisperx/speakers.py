"""Which words are whose: the turns of speakers, laid over a transcript. Pure.

A word is his with whom it overlaps longest. Of two who talk all through it, it is his who began first: so does WhisperX
itself, and Whisper, too, mostly writes down who has the floor. A word that nobody was heard to say belongs to the
nearest turn: the one with the smallest gap, not, as in WhisperX, with the nearest middle, since then the owner of a
long turn loses what is right beside it to whoever says "yes" a second later.

Words are not smoothed: a lone word between two of another speaker stays its speaker's. Answers of one word are common,
and smoothing our recordings of two speakers makes nothing right that was wrong, but three right words wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from engines.whisperx.conversation import Segment, Turn, Word

SOMEBODY = "SPEAKER_00"
"""Who speaks where no turn was found at all; also the name of the first speaker of any recording."""


class Owner(NamedTuple):
    """heard: was talking then; else they only are the nearest."""

    speaker: str
    heard: bool


def told_apart(segments: Sequence[Segment], turns: Sequence[Turn]) -> list[Segment]:
    """Each segment and word with its speaker; segments are cut where the speaker changes from one word to the next.

    A segment without words cannot be cut, and is his with whom it overlaps longest.
    """
    floor = Floor(turns)
    return [piece for segment in segments for piece in _cut(segment, floor)]


class Floor:
    """Who has it when: all turns, cut into strips in which the same people talk, so that only a few need looking at."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._starts = [float("-inf")]
        self._talking: list[tuple[str, ...]] = [()]
        for start, talking in _strips(turns):
            if talking != self._talking[-1]:
                self._starts.append(start)
                self._talking.append(talking)

    def owner(self, start: float, end: float) -> Owner:
        """Of what is said from `start` to `end`, or at `start` if that is the same."""
        first = bisect_right(self._starts, start) - 1
        shares = dict.fromkeys(self._talking[first], 0.0)
        for index in range(first, len(self._starts)):
            if index > first and self._starts[index] >= end:
                break
            share = min(self._ends(index), end) - max(self._starts[index], start)
            for speaker in self._talking[index]:
                shares[speaker] = shares.get(speaker, 0.0) + share
        if shares:
            return Owner(max(shares, key=lambda speaker: shares[speaker]), heard=True)
        return Owner(self._nearest(first, start, end), heard=False)

    def _nearest(self, silence: int, start: float, end: float) -> str:
        """Beside a strip in which nobody talks. Of two as near, who talked before."""
        before = self._talking[silence - 1] if silence > 0 else ()
        after = self._talking[silence + 1] if silence + 1 < len(self._talking) else ()
        if not before or (after and self._ends(silence) - end < start - self._starts[silence]):
            return after[0] if after else SOMEBODY
        return before[0]

    def _ends(self, index: int) -> float:
        return self._starts[index + 1] if index + 1 < len(self._starts) else float("inf")


def _strips(turns: Sequence[Turn]) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Each moment at which a turn begins or ends, and who talks from then on, who began first coming first."""
    changes = sorted(
        [(turn.end, False, turn.speaker) for turn in turns if turn.start < turn.end]
        + [(turn.start, True, turn.speaker) for turn in turns if turn.start < turn.end],
        key=lambda change: change[0],
    )
    talking: dict[str, int] = {}
    for moment, group in groupby(changes, key=lambda change: change[0]):
        for _, begins, speaker in group:
            talking[speaker] = talking.get(speaker, 0) + (1 if begins else -1)
            if not talking[speaker]:
                del talking[speaker]
        yield moment, tuple(talking)


def _cut(segment: Segment, floor: Floor) -> list[Segment]:
    if not segment.words:
        owner = floor.owner(segment.start, segment.end)
        return [replace(segment, speaker=owner.speaker, confident=owner.heard)]
    owners = [floor.owner(word.start, word.end) for word in segment.words]
    owned = zip(segment.words, owners, strict=True)
    runs = [(speaker, list(run)) for speaker, run in groupby(owned, key=lambda pair: pair[1].speaker)]
    texts = _texts(segment, [[word for word, _ in run] for _, run in runs])
    pieces = [
        replace(
            segment,
            start=min(word.start for word, _ in run),
            end=max(word.end for word, _ in run),
            text=text,
            words=tuple(replace(word, speaker=speaker) for word, _ in run),
            speaker=speaker,
            confident=any(owner.heard for _, owner in run),
        )
        for (speaker, run), text in zip(runs, texts, strict=True)
    ]
    pieces[0] = replace(pieces[0], start=min(segment.start, pieces[0].start))
    pieces[-1] = replace(pieces[-1], end=max(segment.end, pieces[-1].end))
    return pieces


def _texts(segment: Segment, runs: Sequence[Sequence[Word]]) -> list[str]:
    """The text of each run of words. It is cut before the words, so that nothing between them is lost.

    Where the words are not those of the text, each run's text is its words.
    """
    if len(runs) == 1:
        return [segment.text]
    begins, reached = [], 0
    for run in runs:
        for place, word in enumerate(run):
            found = segment.text.find(word.text, reached)
            if found < 0:
                return [" ".join(word.text for word in run) for run in runs]
            if place == 0:
                begins.append(found)
            reached = found + len(word.text)
    cuts = [0, *begins[1:], len(segment.text)]
    return [segment.text[cuts[index] : cuts[index + 1]].strip() for index in range(len(runs))]
