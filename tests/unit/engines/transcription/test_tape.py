"""The sound that is being decoded."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from engines.transcription import tape
from engines.transcription.tape import SAMPLE_RATE, Tape


@pytest.fixture(params=["moved", "copied"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tapes begin with one page, and grow as they do on Linux or as they do elsewhere."""

    class Fixed(mmap.mmap):
        def resize(self, size: int) -> None:
            raise SystemError("mmap: resizing not available--no mremap()")

    monkeypatch.setattr(tape, "_FIRST", mmap.PAGESIZE)
    if request.param == "copied":
        monkeypatch.setattr(tape, "_pages", lambda size: Fixed(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("sizes", [[], [0], [1], [1023, 1, 1], [1024], [1025], [500] * 50, [100_000, 3]])
def test_pieces_follow_each_other(sizes: list[int]) -> None:
    random = np.random.default_rng(1)
    pieces = [random.integers(-(2**15), 2**15, size, dtype=np.int16) for size in sizes]
    one = Tape()
    for piece in pieces:
        one.append(piece)
    assert one.seconds == sum(sizes) / SAMPLE_RATE
    expected = np.concatenate([np.empty(0, np.int16), *pieces]).astype(np.float32) / 32768
    samples = one.samples()
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, expected)


def test_full_scale_is_one() -> None:
    one = Tape()
    one.append(np.array([-32768, -1, 0, 32767], dtype=np.int16))
    assert one.samples().tolist() == [-1.0, -1 / 32768, 0.0, 32767 / 32768]
