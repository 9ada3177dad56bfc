"""faster-whisper's search for speech, a minute at a time.

The library hands its network (Silero VAD) a whole recording: for hours of sound that takes more memory than the sound
itself, and tens of seconds in which nobody can stop it. The network goes through windows of 32 ms one after the other
and carries its state along, so it can as well be given them piece by piece: the same figures.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from faster_whisper import vad
from numpy.typing import NDArray

Floats = NDArray[np.float32]

WINDOW = 512
CONTEXT = 64
"""Samples: of a window, and of the one before it that the network sees again."""
TOGETHER = 2_000
"""Windows in a piece: a minute of sound, a fraction of a second of work, 50 MB. The library's five are slower."""

_threads = threading.local()


@contextmanager
def looking_up(checkpoint: Callable[[], None]) -> Iterator[None]:
    """In this thread, inside the block, `checkpoint` is called before each piece, and raises to end the search."""
    _threads.checkpoint = checkpoint
    try:
        yield
    finally:
        del _threads.checkpoint


class PatientVad:
    """Stands in for the library's SileroVADModel: samples, a multiple of WINDOW → for each window, is it speech?"""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, audio: Floats) -> Floats:
        windows = audio.reshape(-1, WINDOW)
        state = {"h": np.zeros((1, 1, 128), np.float32), "c": np.zeros((1, 1, 128), np.float32)}
        before = np.zeros((1, CONTEXT), np.float32)
        found = []
        for first in range(0, len(windows), TOGETHER):
            getattr(_threads, "checkpoint", _go_on)()
            piece = windows[first : first + TOGETHER]
            context = np.concatenate([before, piece[:-1, -CONTEXT:]])
            before = piece[-1:, -CONTEXT:]
            speech, state["h"], state["c"] = self._session.run(
                None, {"input": np.concatenate([context, piece], axis=1), **state}
            )
            found.append(speech)
        return np.concatenate(found)


def _go_on() -> None:
    pass


_theirs = vad.get_vad_model


@functools.cache
def _ours() -> PatientVad:
    return PatientVad(_theirs().session)


vad.get_vad_model = _ours
