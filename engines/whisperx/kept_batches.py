"""What pyannote keeps of each batch, kept together. HEAVY: import it in a thread.

That is some kilobytes, which the allocator likes to put where megabytes have just become free; the next batch then
finds no room there and takes new memory. For an hour of sound that can be four gigabytes.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from pyannote.audio import Inference
from pyannote.audio.pipelines.speaker_verification import PyannoteAudioPretrainedSpeakerEmbedding as Embedding

from engines.whisperx.checkpoints import check

SHELF_BYTES = 8_000_000

_threads = threading.local()

_their_infer = Inference.infer
_their_embed = Embedding.__call__


class Shelf:
    """Takes arrays over into larger ones, which go when all that was taken into them has gone."""

    def __init__(self) -> None:
        self._rows = np.empty((0, 0), np.float32)
        self._free = 0

    def take(self, rows: Any) -> Any:
        """The same figures."""
        last = self._free + len(rows)
        if last > len(self._rows) or (self._rows.shape[1:], self._rows.dtype) != (rows.shape[1:], rows.dtype):
            count = max(SHELF_BYTES // max(rows[:1].nbytes, 1), len(rows))
            self._rows = np.empty((count, *rows.shape[1:]), rows.dtype)
            self._free, last = 0, len(rows)
        place = self._rows[self._free : last]
        place[:] = rows
        self._free = last
        return place


def _kept(what: str, rows: Any) -> Any:
    """Each thread has shelves of its own."""
    if not isinstance(rows, np.ndarray):  # some models answer with several arrays
        return rows
    shelf: Shelf | None = getattr(_threads, what, None)
    if shelf is None:
        shelf = Shelf()
        setattr(_threads, what, shelf)
    return shelf.take(rows)


def infer(self: Inference, chunks: Any) -> Any:
    """In place of pyannote's: who speaks in some windows."""
    check()
    return _kept("activity", _their_infer(self, chunks))


def embed(self: Embedding, waveforms: Any, masks: Any = None) -> Any:
    """In place of pyannote's: whose voices are in them."""
    check()
    return _kept("voices", _their_embed(self, waveforms, masks=masks))


Inference.infer = infer
Embedding.__call__ = embed
