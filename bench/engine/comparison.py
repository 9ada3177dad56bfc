"""The engine beside the library on the same recordings: rounds, ratios, and what a reader wants to know of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.engine.setting import Heard
from bench.errors import BenchError
from bench.rounds import interleaved

Way = Callable[[], Heard]


@dataclass(frozen=True)
class Comparison:
    """results: what each way took, round by round."""

    results: Sequence[dict[str, Heard]]

    def ratios(self, way: str, other: str) -> list[float]:
        """The time of the one ÷ that of the other, round by round."""
        return [result[way].seconds / result[other].seconds for result in self.results]

    def note(self) -> str:
        return "; ".join([self._medians("", "seconds"), self._medians("processor time: ", "cpu")])

    def _medians(self, title: str, name: str) -> str:
        ways = self.results[0]
        medians = {way: statistics.median(getattr(result[way], name) for result in self.results) for way in ways}
        return title + ", ".join(f"{way} {_shown(seconds)}" for way, seconds in medians.items())


def compare(rounds: int, calls: int = 1, **ways: Way) -> Comparison:
    """calls: in each round and way, one after the other; their median counts.

    Raises BenchError unless all ways hear the same words.
    """
    texts = {way: do().texts for way, do in ways.items()}  # which also warms them up
    first = next(iter(texts))
    for way, heard in texts.items():
        if heard != texts[first]:
            raise BenchError(f"{way} heard {heard!r:.300}, and {first} {texts[first]!r:.300}")
    return Comparison(list(interleaved(rounds, {way: partial(_median, do, calls) for way, do in ways.items()})))


def _median(way: Way, calls: int) -> Heard:
    heard = [way() for _ in range(calls)]
    return Heard(statistics.median(one.seconds for one in heard), heard[0].texts, sum(one.cpu for one in heard) / calls)


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
