"""Where somebody speaks: WhisperX's voice activity detection, pyannote's network that the package brings with it.

HEAVY: import it in a thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from whisperx.vads import Pyannote, Vad

from engines.whisperx import kept_batches
from engines.whisperx.checkpoints import check

OPTIONS = {"chunk_size": 30, "vad_onset": 0.5, "vad_offset": 0.363}
"""WhisperX's own."""

assert kept_batches.SHELF_BYTES  # imported for what it does to pyannote

Chunk = dict[str, Any]
"""start and end, in seconds, of what is listened to at once; and its parts."""


class Sight(Vad):  # type: ignore[misc]  # WhisperX ships no types
    """One recording's search, which can be ended, tells how far it is, and remembers what it found.

    tell: takes the fraction that is done.
    """

    def __init__(self, device: str, tell: Callable[[float], None]) -> None:
        super().__init__(OPTIONS["vad_onset"])
        self._network = _network(device)
        self._tell = tell
        self.chunks: list[Chunk] = []

    @staticmethod
    def preprocess_audio(audio: Any) -> Any:
        return Pyannote.preprocess_audio(audio)

    def __call__(self, audio: Any, **_: Any) -> Any:
        """WhisperX goes through pyannote's pipeline here, which has a hook but does not pass it on to the network."""
        check()
        return self._network(audio, hook=self._look_up)

    def merge_chunks(self, segments: Any, chunk_size: float, onset: float = 0.5, offset: float | None = None) -> Any:
        check()
        self.chunks = Pyannote.merge_chunks(segments, chunk_size, onset=onset, offset=offset)
        check()
        return self.chunks

    def _look_up(self, completed: int, total: int) -> None:
        check()
        self._tell(min(completed / total, 1.0))


@functools.cache
def _network(device: str) -> Any:
    """Pyannote's Inference; 18 MB that all Whisper models share, and that stay."""
    return Pyannote(torch.device(device), token=None, **OPTIONS).vad_pipeline._segmentation  # noqa: SLF001
