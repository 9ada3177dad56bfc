"""Real faster-whisper on the small shipped models. "The library" is faster-whisper called directly."""

from __future__ import annotations

import json
import math
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment as TheirSegment
from faster_whisper.transcribe import Word as TheirWord
from faster_whisper.vad import VadOptions

from engines.faster.company import Company, Visit
from engines.faster.options import ListeningOptions, SpeechFilter
from engines.faster.transcriber import LADDER, Transcriber
from engines.transcription.errors import BadParameter
from engines.transcription.tape import Samples
from engines.transcription.transcript import Transcript
from tests.fixtures.patience import PATIENCE
from tests.unit.engines.faster.transcribers import (
    EXACT,
    TEN_SECONDS,
    all_facts,
    facts,
    library,
    loaded,
    long,
    samples,
    transcriber,
)
from tests.unit.engines.recordings import MODEL, silence

pytestmark = pytest.mark.model
__all__ = ["library", "long", "transcriber"]  # fixtures


# one at a time


def test_speech_becomes_text_and_the_language_is_found(transcriber: Transcriber) -> None:
    transcript = transcriber.listen(samples("fr-merci-et-salut.wav"), ListeningOptions())
    assert (transcript.language, round(transcript.duration, 1), transcript.task) == ("fr", 2.1, "transcribe")
    (segment,) = transcript.segments
    assert segment.text == " merci et salut"
    assert 0 <= segment.start < segment.end <= 2.1
    assert (segment.words, segment.logprobs) == ((), ())
    assert (transcript.audio_tokens, transcript.prompt_tokens) == (104, 0)


@pytest.mark.parametrize("entry", EXACT, ids=lambda entry: entry["file"])
def test_no_word_of_the_exact_recordings_is_wrong_in_any_mode(transcriber: Transcriber, entry: dict[str, Any]) -> None:
    recording = samples(entry["file"])
    modes = [
        ListeningOptions(),
        ListeningOptions(language=entry["language"]),
        ListeningOptions(words=True, logprobs=True),
        ListeningOptions(vad=SpeechFilter()),
        ListeningOptions(beam_size=1, in_order=True),
    ]
    for options in modes:
        transcript = transcriber.listen(recording, options)
        assert (transcript.text, transcript.language) == (entry["text"], entry["language"]), options


@pytest.mark.parametrize("entry", EXACT[::3], ids=lambda entry: entry["file"])
@pytest.mark.parametrize(
    "options", [ListeningOptions(), ListeningOptions(words=True), ListeningOptions(vad=SpeechFilter(0.4))]
)
def test_it_is_what_the_library_gives(
    transcriber: Transcriber, library: WhisperModel, entry: dict[str, Any], options: ListeningOptions
) -> None:
    recording = samples(entry["file"])
    theirs, _ = library.transcribe(
        recording,
        temperature=LADDER,
        word_timestamps=options.words,
        vad_filter=options.vad is not None,
        vad_parameters=VadOptions(threshold=0.4) if options.vad else None,
    )
    assert all_facts(transcriber.listen(recording, options)) == [facts(segment) for segment in theirs]


def test_words_have_times_when_asked_for(transcriber: Transcriber) -> None:
    options = ListeningOptions(language="en", words=True)
    (segment,) = transcriber.listen(samples("en-thanks-goodbye.wav"), options).segments
    assert [word.text for word in segment.words] == ["thanks", "goodbye"]
    assert all(0 <= word.start < word.end <= 2.3 and 0 <= word.probability <= 1 for word in segment.words)


def test_tokens_have_probabilities_when_asked_for(transcriber: Transcriber) -> None:
    transcript = transcriber.listen(samples("fr-merci-et-salut.wav"), ListeningOptions(logprobs=True))
    assert b"".join(token.data for token in transcript.logprobs).decode() == " merci et salut"
    assert all(-5 < token.logprob <= 0 and token.token for token in transcript.logprobs)
    assert transcript.words == ()


def test_temperature_zero_climbs_the_ladder_and_any_other_is_taken_as_it_is(transcriber: Transcriber) -> None:
    recording = samples("en-thanks-goodbye.wav")
    (greedy,) = transcriber.listen(recording, ListeningOptions(language="en")).segments
    (warm,) = transcriber.listen(recording, ListeningOptions(language="en", temperature=0.01)).segments
    assert greedy.temperature == 0.0
    assert warm.temperature == pytest.approx(0.01)


@pytest.mark.parametrize("how", ["prompt", "hotwords"])
def test_what_is_told_beforehand_reaches_the_model(transcriber: Transcriber, how: str) -> None:
    words: dict[str, Any] = {how: "hello good morning team"}
    recording = samples("en-thanks-goodbye.wav")
    plain = transcriber.listen(recording, ListeningOptions(language="en"))
    told = transcriber.listen(recording, ListeningOptions(language="en", **words))
    assert plain.segments[0].avg_logprob != told.segments[0].avg_logprob
    assert (plain.prompt_tokens, told.prompt_tokens) == (0, 4)


def test_french_can_be_translated(transcriber: Transcriber) -> None:
    transcript = transcriber.listen(samples("fr-merci-et-salut.wav"), ListeningOptions(task="translate"))
    assert (transcript.language, transcript.task) == ("fr", "translate")
    assert "thanks" in transcript.text


def test_the_language_is_detected_among_the_candidates(transcriber: Transcriber) -> None:
    recording = samples("fr-merci-et-salut.wav")
    assert transcriber.listen(recording, ListeningOptions(languages=("en", "fr"))).language == "fr"
    assert transcriber.listen(recording, ListeningOptions(languages=("en",))).language == "en"


def test_the_language_alone_can_be_asked_for(transcriber: Transcriber) -> None:
    guess = transcriber.detect(samples("fr-merci-et-salut.wav"))
    assert (guess.language, guess.all[0]) == ("fr", ("fr", guess.probability))
    assert sum(share for _, share in guess.all) == pytest.approx(1, abs=0.01)


def test_the_window_in_which_the_language_is_found_is_not_encoded_twice(transcriber: Transcriber) -> None:
    recording = samples("fr-merci-et-salut.wav")
    encoded: list[int] = []
    shared = transcriber._model.model
    real = shared._model

    class Counting:
        def encode(self, view: Any) -> Any:
            encoded.append(view.shape[0])
            return real.encode(view)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    shared._model = Counting()
    try:
        assert transcriber.listen(recording, ListeningOptions()).language == "fr"
    finally:
        shared._model = real
    assert encoded == [1]


@pytest.mark.parametrize("length", [0, 1, 100, 199, 400, 16_000, 20 * 16_000])
def test_silence_of_any_length_has_no_text(transcriber: Transcriber, length: int) -> None:
    recording = silence(length / 16_000).astype(np.float32)
    for options in (
        ListeningOptions(),
        ListeningOptions(language="fr", words=True, logprobs=True),
        ListeningOptions(vad=SpeechFilter(), words=True),
    ):
        assert transcriber.listen(recording, options).text == ""
    assert transcriber.detect(recording).language


def test_noise_is_no_failure(transcriber: Transcriber) -> None:
    noise = np.random.default_rng(1).normal(0, 0.3, 48_000).astype(np.float32)
    transcriber.listen(noise, ListeningOptions(words=True, logprobs=True))


def test_a_language_that_the_model_does_not_know_is_refused(transcriber: Transcriber) -> None:
    with pytest.raises(BadParameter, match="does not know yue") as refusal:
        transcriber.listen(samples("en-thanks-goodbye.wav"), ListeningOptions(language="yue"))
    assert refusal.value.param == "language"


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Transcriber:
    """The brief one, made English-only: CTranslate2 tells these by an empty token, which they lack."""
    folder = shutil.copytree(TEN_SECONDS, tmp_path_factory.mktemp("models") / "brief.en")
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    vocabulary[vocabulary.index("")] = "<|none|>"
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
    return loaded(folder)


@pytest.mark.parametrize("seconds", [9, 25])
@pytest.mark.parametrize(
    "options",
    [
        ListeningOptions(), ListeningOptions(task="translate"), ListeningOptions(languages=("fr",)),
        ListeningOptions(language="en", words=True, logprobs=True), ListeningOptions(in_order=True),
    ],
)  # fmt: skip
def test_a_model_that_knows_english_only_takes_everything_for_english(
    english: Transcriber, long: Samples, options: ListeningOptions, seconds: int
) -> None:
    """Which text it is says nothing: ours was taught to be told the language."""
    assert english.listen(long[: seconds * 16_000], options).language == "en"


def test_a_model_that_knows_english_only_refuses_other_languages(english: Transcriber) -> None:
    with pytest.raises(BadParameter, match="English only"):
        english.listen(samples("fr-merci-et-salut.wav"), ListeningOptions(language="fr"))
    assert english.detect(samples("fr-merci-et-salut.wav")).all == (("en", 1.0),)


# several at once


@pytest.mark.parametrize("options", [ListeningOptions(), ListeningOptions(words=True, logprobs=True)])
def test_who_shares_a_batch_gets_what_he_would_have_got_alone(
    transcriber: Transcriber, options: ListeningOptions
) -> None:
    recordings = [samples(entry["file"]) for entry in EXACT]
    alone = [transcriber.listen(recording, options) for recording in recordings]
    company = Company()
    company.present = len(recordings)
    start = threading.Barrier(len(recordings))

    def listen(recording: Samples) -> Transcript:
        visit = Visit(company, checkpoint=lambda: None)
        start.wait(PATIENCE)
        return transcriber.listen(recording, options, visit)

    with ThreadPoolExecutor(len(recordings)) as executor:
        together = list(executor.map(listen, recordings))
    assert together == alone


# loading and leaving


def test_a_model_that_is_closed_is_gone_from_memory() -> None:
    one = loaded(MODEL)
    one.close()
    with pytest.raises(AttributeError):
        one.listen(silence(1).astype(np.float32), ListeningOptions())


def test_figures_that_json_cannot_carry_become_zero(transcriber: Transcriber) -> None:
    words = [TheirWord(0.0, 1.0, " a", math.nan)]
    theirs = TheirSegment(1, 0, 0.0, 1.0, " a", [1], -math.inf, math.nan, 0.5, words, None)
    ours = transcriber._ours(theirs, ListeningOptions(words=True))
    assert (ours.avg_logprob, ours.compression_ratio, ours.temperature, ours.words[0].probability) == (0, 0, 0, 0)


def test_a_model_gets_as_many_bands_as_it_wants_whatever_the_file_beside_it_says(tmp_path: Path) -> None:
    folder = shutil.copytree(MODEL, tmp_path / "model")
    (folder / "preprocessor_config.json").write_text('{"feature_size": 128}')
    transcript = loaded(folder).listen(samples("fr-merci-et-salut.wav"), ListeningOptions())
    assert transcript.text == "merci et salut"


def test_a_folder_without_a_model_fails_to_load(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"model\.bin"):
        loaded(tmp_path)
