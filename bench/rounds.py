"""The order of measurements: A B, B A, A B ..., so that drift of the machine hits both sides alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")


def interleaved(count: int, ways: Mapping[str, Callable[[], T]]) -> Iterator[dict[str, T]]:
    """Measures every way once per round and yields each round's results by name. The order turns round by round."""
    names = list(ways)
    for number in range(count):
        yield {name: ways[name]() for name in (names if number % 2 == 0 else reversed(names))}
