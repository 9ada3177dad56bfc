"""Computed piecewise, a spectrogram is what faster-whisper computes at once."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from engines.faster import features

MINUTE = features.COLUMNS * 160


def noise(length: int) -> features.Floats:
    """Swelling noise, so that every column differs and the loudest is not in the first piece."""
    sound = np.random.default_rng(length).normal(0, 0.1, length) * np.linspace(0, 1, length)
    return sound.astype(np.float32)


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize(
    "length", [201, MINUTE - 1, MINUTE, MINUTE + 1, MINUTE + 159, MINUTE + 160, 2 * MINUTE - 161, 2 * MINUTE + 7]
)
def test_piece_by_piece_is_the_same_as_at_once(length: int, bands: int) -> None:
    extractor = FeatureExtractor(feature_size=bands)
    waveform = noise(length)
    expected = extractor(waveform)
    result = features.spectrogram(extractor, waveform, lambda: None)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape == (bands, features.columns(extractor, waveform))
    assert np.allclose(result, expected, rtol=0, atol=1e-6)


def test_silence_has_a_spectrogram_too() -> None:
    extractor = FeatureExtractor()
    waveform = np.zeros(2 * MINUTE, dtype=np.float32)
    assert np.array_equal(features.spectrogram(extractor, waveform, lambda: None), extractor(waveform))


def test_the_checkpoint_is_called_before_each_piece_and_can_end_the_work() -> None:
    class Enough(Exception):
        pass

    called = []

    def twice() -> None:
        called.append(True)
        if len(called) == 2:
            raise Enough

    with pytest.raises(Enough):
        features.spectrogram(FeatureExtractor(), np.zeros(3 * MINUTE, dtype=np.float32), twice)
