"""Bodies whose arrival can be checked: many different ones, of any size, that cost no memory."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

PIECE = 128 * 1024
_ROUND = 1024 * 1024
_STRIDE = 61
_RANDOM = random.Random("bodies").randbytes(_ROUND)
_TAPE = memoryview(_RANDOM + _RANDOM[:PIECE])


@dataclass(frozen=True, slots=True)
class Body:
    """So many bytes. variety: bodies of one size that differ in it differ everywhere. chunked: how it is sent."""

    size: int
    variety: int = 0
    chunked: bool = False

    def pieces(self, largest: int = PIECE) -> Iterator[memoryview]:
        """Parts of at most `largest` bytes, which may be no more than PIECE."""
        at, left = self.variety * _STRIDE % _ROUND, self.size
        while left:
            piece = _TAPE[at : at + min(largest, left)]
            yield piece
            at, left = (at + len(piece)) % _ROUND, left - len(piece)

    @property
    def sha256(self) -> str:
        return _sha256(self.size, self.variety)


@functools.lru_cache(maxsize=4096)
def _sha256(size: int, variety: int) -> str:
    digest = hashlib.sha256()
    for piece in Body(size, variety).pieces():
        digest.update(piece)
    return digest.hexdigest()
