"""What to call those who speak: by their names where their voices are known, else A, B and so on. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count, product
from string import ascii_uppercase

Voice = Iterable[float]
"""What a speaker embedding model makes of a voice, as a vector; only its direction counts."""

THRESHOLD = 0.4
"""Cosine similarity from which a speaker and a reference are taken for the same voice.

With the model that our tests use, clips of 1 to 3 s are at least 0.53 like their own speaker, and at most 0.37 like
another whom diarization has not mixed with them.
"""


def named(speakers: Mapping[str, Voice], known: Mapping[str, Voice], threshold: float = THRESHOLD) -> dict[str, str]:
    """Who of the speakers is who of the known ones.

    No name is given twice, and nobody gets two. Of all ways to do so, the one whose pairs together lie farthest above
    the threshold. Takes 2 ** len(known) steps for each speaker: OpenAI's API has at most four.
    """
    best: dict[frozenset[str], tuple[float, dict[str, str]]] = {frozenset(): (0.0, {})}  # by the names that are taken
    for speaker, voice in speakers.items():
        gains = {name: similarity(voice, its) - threshold for name, its in known.items()}
        likely = {name: gain for name, gain in gains.items() if gain >= 0}
        for (taken, (total, names)), (name, gain) in product(list(best.items()), likely.items()):
            if name not in taken and total + gain > best.get(taken | {name}, (-1.0,))[0]:
                best[taken | {name}] = (total + gain, {**names, speaker: name})
    return max(best.values(), key=lambda one: (one[0], len(one[1])))[1]


def lettered(speakers: Iterable[str], names: Mapping[str, str], reserved: Collection[str] = ()) -> dict[str, str]:
    """What OpenAI calls them: by their known names, the others A, B, ..., Z, AA, ... as they come in `speakers`.

    reserved: names of people who are known, but were perhaps not recognised. A letter that is somebody's name is left
    out: who names the voices of one part of a recording A and B, to have them recognised in the next, means those two.
    """
    letters = (letter for letter in _letters() if letter not in reserved and letter not in names.values())
    return {speaker: names.get(speaker) or next(letters) for speaker in dict.fromkeys(speakers)}


def similarity(one: Voice, other: Voice) -> float:
    """The cosine of their directions; -1 where one has none: pyannote has zeros for those of whom it heard too little.

    Without numpy: that would be all that needs it before the first request.
    """
    a, b = [*map(float, one)], [*map(float, other)]
    lengths = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if 0 < lengths < math.inf else -1.0


def _letters() -> Iterator[str]:
    """A to Z, then AA to ZZ, and so on, as the columns of a spreadsheet."""
    for length in count(1):
        yield from map("".join, product(ascii_uppercase, repeat=length))
