"""Real faster-whisper on the small shipped model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.transcribe import Segment as TheirSegment
from faster_whisper.transcribe import Word as TheirWord

from engines.faster.options import ListeningOptions
from engines.faster.settings import FasterSettings
from engines.faster.transcriber import Transcriber, _ours
from engines.transcription.audio import Samples
from engines.transcription.errors import BadParameter
from tests.unit.engines.recordings import MODEL, silence, spoken

pytestmark = pytest.mark.model


def settings(model: Path | str) -> FasterSettings:
    return FasterSettings.from_environment({"WHISPER_MODEL": str(model), "WHISPER_DEVICE": "cpu"})


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber(settings(MODEL), checkpoint=lambda: None)


def samples(*names: str) -> Samples:
    return np.concatenate([spoken(name) for name in names]).astype(np.float32) / 32768


def text(transcriber: Transcriber, recording: Samples, options: ListeningOptions) -> str:
    return "".join(segment.text for segment in transcriber.begin(recording, options).segments).strip()


def test_speech_becomes_text_and_the_language_is_found(transcriber: Transcriber) -> None:
    transcription = transcriber.begin(samples("fr-merci-et-salut.wav"), ListeningOptions())
    assert (transcription.language, round(transcription.duration, 1)) == ("fr", 2.1)
    (segment,) = transcription.segments
    assert segment.text == " merci et salut"
    assert 0 <= segment.start < segment.end <= 2.1
    assert segment.words == ()


def test_words_have_times_when_asked_for(transcriber: Transcriber) -> None:
    options = ListeningOptions(language="en", words=True)
    (segment,) = transcriber.begin(samples("en-thanks-goodbye.wav"), options).segments
    assert [word.text for word in segment.words] == ["thanks", "goodbye"]
    assert all(0 <= word.start < word.end <= 2.3 and 0 <= word.probability <= 1 for word in segment.words)


def test_temperature_zero_climbs_the_ladder_and_any_other_is_taken_as_it_is(transcriber: Transcriber) -> None:
    recording = samples("en-thanks-goodbye.wav")
    (greedy,) = transcriber.begin(recording, ListeningOptions(language="en")).segments
    (warm,) = transcriber.begin(recording, ListeningOptions(language="en", temperature=0.01)).segments
    assert (greedy.temperature, warm.temperature) == (0.0, pytest.approx(0.01))


def test_a_prompt_reaches_the_model(transcriber: Transcriber) -> None:
    recording = samples("en-thanks-goodbye.wav")
    plain, prompted = (
        next(transcriber.begin(recording, ListeningOptions(language="en", prompt=prompt)).segments).avg_logprob
        for prompt in (None, "hello good morning team")
    )
    assert plain != prompted


@pytest.mark.parametrize("length", [0, 1, 100, 199, 400, 16_000, 20 * 16_000])
def test_silence_of_any_length_has_no_text(transcriber: Transcriber, length: int) -> None:
    recording = silence(length / 16_000).astype(np.float32)
    assert text(transcriber, recording, ListeningOptions()) == ""
    assert text(transcriber, recording, ListeningOptions(language="fr", words=True)) == ""


def test_noise_is_no_failure(transcriber: Transcriber) -> None:
    noise = np.random.default_rng(1).normal(0, 0.3, 48_000).astype(np.float32)
    text(transcriber, noise, ListeningOptions(words=True))


def test_a_language_that_the_model_does_not_know_is_refused(transcriber: Transcriber) -> None:
    with pytest.raises(BadParameter, match="does not know yue") as refusal:
        transcriber.begin(samples("en-thanks-goodbye.wav"), ListeningOptions(language="yue"))
    assert refusal.value.param == "language"


def test_long_recordings_are_heard_to_their_end(transcriber: Transcriber) -> None:
    """Beyond a minute, the spectrogram is computed in pieces."""
    recording = np.concatenate([silence(64).astype(np.float32), samples("en-thanks-goodbye.wav")])
    (segment,) = transcriber.begin(recording, ListeningOptions(language="en")).segments
    assert segment.text.strip() == "thanks goodbye"
    assert 64 < segment.end < 66.5


def test_even_silence_can_be_given_up() -> None:
    """It yields no segment between which one could look."""

    class Enough(Exception):
        pass

    looks = 0

    def third_time() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise Enough

    patient = Transcriber(settings(MODEL), checkpoint=third_time)
    transcription = patient.begin(silence(45).astype(np.float32), ListeningOptions(language="en"))
    with pytest.raises(Enough):
        patient.begin(silence(200).astype(np.float32), ListeningOptions(language="en"))
    looks = 1
    with pytest.raises(Enough):
        list(transcription.segments)


def test_figures_that_json_cannot_carry_become_zero() -> None:
    words = [TheirWord(0.0, 1.0, " a", math.nan)]
    theirs = TheirSegment(1, 0, 0.0, 1.0, " a", [1], -math.inf, math.nan, 0.5, words, None)
    (ours,) = _ours([theirs])
    assert (ours.avg_logprob, ours.compression_ratio, ours.temperature, ours.words[0].probability) == (0, 0, 0, 0)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Transcriber(settings(tmp_path / "none"), checkpoint=lambda: None)


def test_a_folder_without_a_model_fails_to_load(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"model\.bin"):
        Transcriber(settings(tmp_path), checkpoint=lambda: None)
