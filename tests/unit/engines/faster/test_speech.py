"""Speech is found where the library finds it, and the search can be given up."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper import vad

from engines.faster import speech
from engines.transcription.tape import Samples
from tests.unit.engines.giving_up import Checkpoint, Enough
from tests.unit.engines.recordings import silence, spoken


@pytest.fixture(scope="module")
def talk() -> Samples:
    """About three minutes."""
    phrase = spoken("dialogue-en.wav").astype(np.float32) / 32768
    return np.concatenate([part for _ in range(10) for part in (phrase, silence(5).astype(np.float32))])


@pytest.mark.parametrize("together", [1, 7, 1000, 10_000])
def test_the_figures_are_the_librarys_however_many_are_found_together(
    talk: Samples, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    audio = talk[: 300 * 512] if together == 1 else talk[: len(talk) // 512 * 512]
    theirs = speech._theirs()(audio)
    monkeypatch.setattr(speech, "TOGETHER", together)
    assert np.array_equal(vad.get_vad_model()(audio), theirs)


def test_the_library_searches_with_it(talk: Samples) -> None:
    assert vad.get_vad_model() is speech._ours()
    assert len(vad.get_speech_timestamps(talk)) >= 10


def test_it_can_be_given_up_between_two_pieces(talk: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    third_time = Checkpoint()
    monkeypatch.setattr(speech, "TOGETHER", 500)
    with pytest.raises(Enough), speech.looking_up(third_time):
        vad.get_speech_timestamps(talk)
    assert len(vad.get_speech_timestamps(talk[: 20 * 16_000])) >= 1
