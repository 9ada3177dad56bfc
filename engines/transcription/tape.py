"""Sound that is being decoded, and grows."""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000

Samples = NDArray[np.float32]

_FULL_SCALE = 32768.0
_BYTES = np.dtype(np.float32).itemsize
_FIRST = 60 * SAMPLE_RATE * _BYTES


class Tape:
    """16 kHz, mono.

    Kept in pages of its own, which the system moves without copying when there must be more of them, and gets back as a
    whole when the samples are let go. Pieces that are joined at the end would be there twice, and leave holes.
    """

    def __init__(self) -> None:
        self._pages = _pages(_FIRST)
        self._count = 0

    @property
    def seconds(self) -> float:
        return self._count / SAMPLE_RATE

    def append(self, piece: NDArray[np.int16]) -> None:
        end = (self._count + len(piece)) * _BYTES
        if end > len(self._pages):
            self._grow(max(end, 2 * len(self._pages)))  # pages that nobody writes to take no memory
        np.divide(piece, _FULL_SCALE, out=self._view(self._count, len(piece)), dtype=np.float32)
        self._count += len(piece)

    def samples(self) -> Samples:
        """All so far, between -1 and 1. Ends the growth."""
        return self._view(0, self._count)

    def _view(self, first: int, count: int) -> Samples:
        return np.frombuffer(self._pages, dtype=np.float32, count=count, offset=first * _BYTES)

    def _grow(self, size: int) -> None:
        try:
            self._pages.resize(size)
        except SystemError:  # this system cannot move pages
            old, self._pages = self._pages, _pages(size)
            self._pages[: len(old)] = old[:]


def _pages(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
