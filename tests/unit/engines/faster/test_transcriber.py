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
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.transcribe import Segment as TheirSegment
from faster_whisper.transcribe import Word as TheirWord
from faster_whisper.vad import VadOptions

from engines.faster.company import Company, Visit
from engines.faster.options import ListeningOptions, SpeechFilter
from engines.faster.settings import FasterSettings
from engines.faster.transcriber import LADDER, Transcriber
from engines.transcription.errors import BadParameter
from engines.transcription.tape import Samples
from engines.transcription.transcript import Segment, Transcript
from tests.fixtures.patience import PATIENCE
from tests.unit.engines.giving_up import Checkpoint, Enough
from tests.unit.engines.recordings import AUDIO, MODEL, SAMPLES, silence, spoken

pytestmark = pytest.mark.model

TEN_SECONDS = SAMPLES / "models" / "micro-whisper-10s"
"""A model with windows of ten seconds, so that recordings are soon long."""
EXACT = [entry for entry in json.loads((AUDIO / "manifest.json").read_text()) if entry.get("exact")]
EXACT = [entry for entry in EXACT if (AUDIO / entry["file"]).is_file()]


def settings(model: Path | str, **environment: str) -> FasterSettings:
    return FasterSettings.from_environment(
        {"WHISPER_MODEL": str(model), "WHISPER_DEVICE": "cpu", "WHISPER_COMPUTE_TYPE": "int8", **environment}
    )


def loaded(model: Path, **environment: str) -> Transcriber:
    return Transcriber(str(model), settings(model, **environment))


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return loaded(MODEL)


@pytest.fixture(scope="module")
def brief() -> Transcriber:
    """Its windows are ten seconds."""
    return loaded(TEN_SECONDS, WHISPER_BATCH_SIZE="4")


@pytest.fixture(scope="module")
def library() -> WhisperModel:
    return WhisperModel(str(MODEL), device="cpu", compute_type="int8")


@pytest.fixture(scope="module")
def brief_library() -> WhisperModel:
    return WhisperModel(str(TEN_SECONDS), device="cpu", compute_type="int8")


def samples(*names: str) -> Samples:
    return np.concatenate([spoken(name) for name in names]).astype(np.float32) / 32768


def facts(segment: Any) -> tuple[Any, ...]:
    """All that a segment says, be it ours or the library's."""
    words = [
        (word.text if isinstance(segment, Segment) else word.word.strip(), word.start, word.end, word.probability)
        for word in segment.words or ()
    ]
    return (
        segment.start, segment.end, segment.text, segment.seek, tuple(segment.tokens), segment.temperature,
        segment.avg_logprob, segment.compression_ratio, segment.no_speech_prob, words,
    )  # fmt: skip


def all_facts(transcript: Transcript) -> list[tuple[Any, ...]]:
    return [facts(segment) for segment in transcript.segments]


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
    assert (greedy.temperature, warm.temperature) == (0.0, pytest.approx(0.01))


@pytest.mark.parametrize("how", ["prompt", "hotwords"])
def test_what_is_told_beforehand_reaches_the_model(transcriber: Transcriber, how: str) -> None:
    recording = samples("en-thanks-goodbye.wav")
    plain = transcriber.listen(recording, ListeningOptions(language="en"))
    told = transcriber.listen(recording, ListeningOptions(language="en", **{how: "hello good morning team"}))
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
    encode = shared._model.encode
    counting: Any = type("Counting", (), {"encode": lambda _, view: (encoded.append(view.shape[0]), encode(view))[1]})()
    counting.__class__.__getattr__ = lambda _, name: getattr(real, name)
    real, shared._model = shared._model, counting
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


# long recordings


@pytest.fixture(scope="module")
def long() -> Samples:
    """All English phrases, with a pause after every second one: more than a minute."""
    names = [entry["file"] for entry in EXACT if entry["language"] == "en"]
    pause = silence(3).astype(np.float32)
    return np.concatenate(
        [part for first in range(0, len(names), 2) for part in (samples(*names[first : first + 2]), pause)]
    )


@pytest.mark.parametrize("language", ["en", None])
@pytest.mark.parametrize(("words", "times"), [(False, False), (False, True), (True, False)])
def test_long_recordings_are_what_the_librarys_batches_give(
    brief: Transcriber, brief_library: WhisperModel, long: Samples, language: str | None, *, words: bool, times: bool
) -> None:
    theirs, info = BatchedInferencePipeline(brief_library).transcribe(
        long, language=language, batch_size=4, word_timestamps=words, without_timestamps=not times
    )
    transcript = brief.listen(long, ListeningOptions(language=language, words=words, times=times))
    assert all_facts(transcript) == [facts(segment) for segment in theirs]
    assert (transcript.language, len(transcript.segments) > 3) == (info.language, True)


def test_a_filter_of_ones_own_decides_where_long_recordings_are_cut(
    brief: Transcriber, brief_library: WhisperModel, long: Samples
) -> None:
    theirs, _ = BatchedInferencePipeline(brief_library).transcribe(
        long, language="en", batch_size=4, vad_parameters={"threshold": 0.3, "speech_pad_ms": 200}
    )
    options = ListeningOptions(language="en", times=False, vad=SpeechFilter(threshold=0.3, speech_pad_ms=200))
    assert all_facts(brief.listen(long, options)) == [facts(segment) for segment in theirs]


def test_in_order_is_what_the_library_gives_without_batches(
    brief: Transcriber, brief_library: WhisperModel, long: Samples
) -> None:
    part = long[: 25 * 16_000]
    theirs, _ = brief_library.transcribe(part, language="en", temperature=LADDER)
    assert all_facts(brief.listen(part, ListeningOptions(language="en", in_order=True))) == [
        facts(segment) for segment in theirs
    ]


def test_a_temperature_above_zero_counts_in_batches_too(brief: Transcriber, long: Samples) -> None:
    greedy, warm = (
        brief.listen(long, ListeningOptions(language="en", temperature=temperature)) for temperature in (0.0, 1.0)
    )
    assert [segment.avg_logprob for segment in warm.segments] != [segment.avg_logprob for segment in greedy.segments]
    assert {segment.temperature for segment in warm.segments} == {1.0}


def test_segments_are_told_as_they_are_found(brief: Transcriber, long: Samples) -> None:
    told: list[Segment] = []
    transcript = brief.listen(long, ListeningOptions(language="en", logprobs=True), heard=told.append)
    assert tuple(told) == transcript.segments
    for segment in told:
        assert b"".join(token.data for token in segment.logprobs).decode() == segment.text
        assert all(token.logprob > -20 for token in segment.logprobs)


def test_who_waits_for_the_first_segment_gets_small_batches_at_first(brief: Transcriber, long: Samples) -> None:
    batches: list[int] = []
    shared = brief._model.model
    encode = shared.encode
    shared.encode = lambda windows: (batches.append(len(windows)), encode(windows))[1]
    try:
        soon = brief.listen(long, ListeningOptions(language="en", soon=True))
        assert batches[:2] == [1, 2]
        assert soon == brief.listen(long, ListeningOptions(language="en"))
        assert batches.count(4) >= 1
    finally:
        del shared.encode


@pytest.mark.parametrize("in_order", [False, True])
def test_long_silence_has_no_text(brief: Transcriber, *, in_order: bool) -> None:
    recording = silence(70).astype(np.float32)
    assert brief.listen(recording, ListeningOptions(in_order=in_order)).text == ""


def test_long_recordings_are_heard_to_their_end(transcriber: Transcriber) -> None:
    """Beyond a minute, the spectrogram is computed in pieces."""
    recording = np.concatenate([silence(64).astype(np.float32), samples("en-thanks-goodbye.wav")])
    for options in (ListeningOptions(language="en"), ListeningOptions(language="en", in_order=True)):
        (segment,) = transcriber.listen(recording, options).segments
        assert segment.text.strip() == "thanks goodbye"
        assert 64 < segment.end < 66.5


# leaving


@pytest.mark.parametrize("in_order", [False, True])
def test_a_visit_can_end_at_each_window(brief: Transcriber, long: Samples, *, in_order: bool) -> None:
    """Silence yields no segment between which one could look; batches of speech do."""
    third_time = Checkpoint()
    recording = silence(200).astype(np.float32) if in_order else long
    with pytest.raises(Enough):
        brief.listen(recording, ListeningOptions(language="en", in_order=in_order), Visit(Company(), third_time))
    assert third_time.looks == 3
    assert brief.listen(samples("en-thanks-goodbye.wav"), ListeningOptions()).text == "thanks goodbye"


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
