"""faster-whisper's spectrogram, computed a minute at a time.

faster-whisper transforms a whole recording at once: an hour takes 3.4 GB, and ten seconds in which nobody can stop it.
But every column of a spectrogram depends on 25 ms of sound only, so it can as well be computed piece by piece: the same
numbers, in little more memory than they need themselves (115 MB for an hour, with 80 bands).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

COLUMNS = 6_000
"""Columns computed together: a minute of sound, about 50 MB while it lasts."""

PADDING = 160
"""Silent samples that faster-whisper appends to every recording."""


class Extractor(Protocol):
    """What is used of faster-whisper's FeatureExtractor. `n_fft` and `hop_length` are in samples."""

    n_fft: int
    hop_length: int
    mel_filters: Floats

    def stft(self, input_array: Floats, n_fft: int, hop_length: int, **options: Any) -> NDArray[np.complex64]: ...


def columns(extractor: Extractor, waveform: Floats) -> int:
    """How many columns the waveform's spectrogram has."""
    return (len(waveform) + PADDING) // extractor.hop_length


def spectrogram(extractor: Extractor, waveform: Floats, checkpoint: Callable[[], None]) -> Floats:
    """What `extractor(waveform)` gives, up to the last bit or two.

    The waveform must be longer than half a window. `checkpoint` is called before each piece and raises to end the work.
    """
    total = columns(extractor, waveform)
    result = np.empty((len(extractor.mel_filters), total), dtype=np.float32)
    for first in range(0, total, COLUMNS):
        checkpoint()
        last = min(first + COLUMNS, total)
        result[:, first:last] = _piece(extractor, waveform, first, last)
    return _scaled(result)


def _piece(extractor: Extractor, waveform: Floats, first: int, last: int) -> Floats:
    """Logarithms of the columns from `first` up to `last`."""
    window = np.hanning(extractor.n_fft + 1)[:-1].astype(np.float32)
    sound = _sound(extractor, waveform, first, last)
    waves = extractor.stft(
        sound, extractor.n_fft, extractor.hop_length, window=window, center=False, return_complex=True
    )
    power = np.abs(waves.astype(np.complex64)) ** 2
    logarithms: Floats = np.log10(np.clip(extractor.mel_filters @ power, a_min=1e-10, a_max=None))
    return logarithms


def _sound(extractor: Extractor, waveform: Floats, first: int, last: int) -> Floats:
    """The samples that these columns see: half a window more on both sides.

    Before the beginning that is the beginning mirrored. After the end it is silence: what faster-whisper mirrors there
    is the end of its own padding.
    """
    half = extractor.n_fft // 2
    begin, end = first * extractor.hop_length - half, (last - 1) * extractor.hop_length + half
    before = waveform[half:0:-1] if first == 0 else waveform[:0]
    after = np.zeros(max(end - len(waveform), 0), dtype=np.float32)
    return np.concatenate([before, waveform[max(begin, 0) : end], after])


def _scaled(logarithms: Floats) -> Floats:
    """As Whisper wants it: eight decades below the loudest, moved to about -1 to 1. In place."""
    np.maximum(logarithms, logarithms.max() - 8.0, out=logarithms)
    logarithms += 4.0
    logarithms /= 4.0
    return logarithms
