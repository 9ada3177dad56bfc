"""How right a conversation was heard. Pure functions.

Those who were heard have other names than those who spoke, so they are renamed first, one to one and as it suits them
best.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bench.engine.scoring import words as words_of
from bench.whisperx.conversation import Segment, Turn, Word

Shared = Mapping[tuple[str, str], float]
"""What one who was heard has in common with one who spoke: (heard, said) → seconds, or words."""


def pairs(said: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Which heard word stands for which said one, by their places: the least wrong way to see it (Levenshtein's).

    A word that was misheard has a partner; one that was left out or put in has none.
    """
    costs = _costs(said, heard)
    found: list[tuple[int, int]] = []
    row, column = len(said), len(heard)
    while row and column:
        here = costs[row][column]
        if here == costs[row - 1][column - 1] + (said[row - 1] != heard[column - 1]):
            row, column = row - 1, column - 1
            found.append((row, column))
        elif here == costs[row - 1][column] + 1:
            row -= 1
        else:
            column -= 1
    return found[::-1]


def _costs(said: Sequence[str], heard: Sequence[str]) -> list[list[int]]:
    """How many words are wrong in each beginning of the one, if it was heard as each beginning of the other."""
    costs = [list(range(len(heard) + 1))]
    for row, word in enumerate(said, 1):
        above, line = costs[-1], [row]
        for column, other in enumerate(heard, 1):
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (word != other)))
        costs.append(line)
    return costs


def renaming(shared: Shared) -> dict[str, str]:
    """Heard speaker → speaker: one to one, with the most in common. Who is one too many keeps no name."""
    heard = sorted({pair[0] for pair in shared})
    said = sorted({pair[1] for pair in shared})
    fewer, more = sorted((heard, said), key=len)
    orders = itertools.permutations(more, len(fewer))  # 380 for two who are taken for twenty
    ways = (
        [(one, other) if fewer is heard else (other, one) for one, other in zip(fewer, order, strict=True)]
        for order in orders
    )
    return dict(max(ways, key=lambda way: sum(shared.get(pair, 0.0) for pair in way)))


def share_of_time(said: Sequence[Turn], heard: Sequence[Turn]) -> float:
    """Of the time in which anybody speaks: that in which exactly those who speak are heard to."""
    moments = list(_moments(said, heard))
    shared: defaultdict[tuple[str, str], float] = defaultdict(float)
    for seconds, speaking, listed in moments:
        for pair in itertools.product(listed, speaking):
            shared[pair] += seconds
    names = renaming(shared)
    whole = sum(seconds for seconds, speaking, _ in moments if speaking)
    right = sum(
        seconds
        for seconds, speaking, listed in moments
        if speaking and {names.get(speaker, "") for speaker in listed} == speaking
    )
    return right / whole


def _moments(said: Sequence[Turn], heard: Sequence[Turn]) -> Iterator[tuple[float, set[str], set[str]]]:
    """All time, cut wherever anything changes: seconds, who speaks, who is heard."""
    cuts = sorted({time for turn in (*said, *heard) for time in (turn.start, turn.end)})
    for start, end in itertools.pairwise(cuts):
        middle = (start + end) / 2
        yield end - start, _at(middle, said), _at(middle, heard)


def _at(moment: float, turns: Sequence[Turn]) -> set[str]:
    return {turn.speaker for turn in turns if turn.start <= moment < turn.end}


def share_of_words(said: Sequence[Word], heard: Sequence[Word]) -> float:
    """Of the words that were heard, rightly or not, for a said one: those with the right speaker. 0 if none is."""
    together = [(heard[place], said[other]) for other, place in pairs(plain(said), plain(heard))]
    shared: defaultdict[tuple[str, str], float] = defaultdict(float)
    for ours, theirs in together:
        if ours.speaker is not None and theirs.speaker is not None:
            shared[ours.speaker, theirs.speaker] += 1
    names = renaming(shared)
    right = sum(ours.speaker is not None and names.get(ours.speaker) == theirs.speaker for ours, theirs in together)
    return right / len(together) if together else 0.0


def start_error(said: Sequence[Word], heard: Sequence[Word]) -> float:
    """Median of how far the starts of rightly heard words are off, in milliseconds; infinite if there is none."""
    left, right = plain(said), plain(heard)
    off = [
        abs(said[one].start - heard[other].start) * 1000
        for one, other in pairs(left, right)
        if left[one] == right[other]
    ]
    return statistics.median(off) if off else float("inf")


def mixed(segments: Sequence[Segment]) -> int:
    """Segments with a word of another speaker than their own."""
    return sum({word.speaker for word in segment.words} - {segment.speaker} != set() for segment in segments)


def plain(words: Sequence[Word]) -> list[str]:
    """In lower case and without marks, word for word."""
    return ["".join(words_of(word.text)) for word in words]
