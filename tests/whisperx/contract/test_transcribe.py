"""POST /transcribe of the real engine, as its clients call it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fixtures.engine_process import EngineProcess
from tests.fixtures.speech import DIALOGUE, EXACT, GOODBYE, MANIFEST, THANKS, recording, said, words
from tests.unit.engines.recordings import AUDIO, CONTAINERS, encoded, silence, silent_film, spoken, tone, wav
from tests.whisperx.contract.calls import answered, post, speakers, text_of

pytestmark = pytest.mark.model

DIALOGUES = [DIALOGUE, "dialogue-fr.wav"]
NUMBERS = "en-one-two-three-four-five.wav"


# Who said what


def test_the_guide_s_client_works_unchanged(start: Callable[..., EngineProcess]) -> None:
    """`segment['speaker']` is always there. Who serves another model than base can give it that name.

    Its call may also be the very first one, while nothing is loaded yet.
    """
    engine = start(WHISPER_ALIASES="base=micro-whisper")
    with (AUDIO / DIALOGUE).open("rb") as recorded:
        answer = httpx.post(
            f"{engine.url}/transcribe",
            files={"file": recorded},
            data={"model": "base", "language": "en", "diarize": "true"},
            timeout=engine.patience,
        )
    result = answer.json()
    lines = [f"[{segment['speaker']}] {segment['text']}" for segment in result["segments"]]
    assert words(lines[0]).startswith("speaker00 stop the music please")
    assert result["language"] == "en"


@pytest.mark.parametrize("name", DIALOGUES)
def test_both_speakers_of_a_dialogue_say_what_they_said(engine: EngineProcess, name: str) -> None:
    result = answered(engine, "/transcribe", recording(name), diarize="true")
    heard = [(segment["speaker"], words(segment["text"])) for segment in result["segments"]]
    turns = [
        (speaker, " ".join(text for _, text in group))
        for speaker, group in itertools.groupby(heard, key=lambda one: one[0])
    ]
    expected = speakers(name)
    assert len(turns) == len(expected)
    naming = dict(zip([who for who, _ in turns], [who for who, _ in expected], strict=True))
    assert [naming[who] for who, _ in turns] == [who for who, _ in expected]
    assert len(set(naming.values())) == len(naming) == 2
    if name == DIALOGUE:
        assert [text for _, text in turns] == [text for _, text in expected]


@pytest.mark.parametrize("fields", [{"num_speakers": "2"}, {"min_speakers": "2", "max_speakers": "3"}])
def test_the_number_of_speakers_may_be_known(engine: EngineProcess, fields: dict[str, str]) -> None:
    result = answered(engine, "/transcribe", recording(DIALOGUE), diarize="true", **fields)
    assert {segment["speaker"] for segment in result["segments"]} == {"SPEAKER_00", "SPEAKER_01"}


@pytest.mark.parametrize("number", ["1", "5", "100"])
def test_more_or_fewer_speakers_than_there_are_may_be_asked_for(engine: EngineProcess, number: str) -> None:
    result = answered(engine, "/transcribe", recording(DIALOGUE), diarize="true", num_speakers=number)
    assert text_of(result) == said(DIALOGUE)
    found = {segment["speaker"] for segment in result["segments"]}
    assert 1 <= len(found) <= int(number)
    if number == "100":
        assert result["warnings"]


# Words and their times


def test_words_are_right_and_have_times(engine: EngineProcess) -> None:
    """WhisperX pads and cuts the sound in its own way: of 100 words the small model then mishears one."""
    wrong = total = 0
    for name in EXACT:
        result = answered(engine, "/transcribe", recording(name), language=MANIFEST[name]["language"])
        heard, expected = text_of(result).split(), said(name).split()
        wrong += sum(one != other for one, other in itertools.zip_longest(heard, expected))
        total += len(expected)
        found = [word for segment in result["segments"] for word in segment["words"]]
        assert words(" ".join(word["word"] for word in found)).split() == heard
        assert all(0 <= word["start"] <= word["end"] <= result["duration"] for word in found)
        assert result["warnings"] == []
        assert not any("speaker" in one for one in (*found, *result["segments"]))
    assert wrong <= 0.03 * total


def test_without_alignment_there_are_no_words(engine: EngineProcess) -> None:
    result = answered(engine, "/transcribe", recording(GOODBYE), align="false", language="en")
    assert text_of(result) == said(GOODBYE)
    assert set(result["segments"][0]) == {"start", "end", "text"}


@pytest.mark.parametrize(("name", "language"), [(GOODBYE, "en"), (THANKS, "fr")])
@pytest.mark.parametrize("asked", [{}, {"language": ""}])
def test_the_language_is_detected(engine: EngineProcess, name: str, language: str, asked: dict[str, str]) -> None:
    assert answered(engine, "/transcribe", recording(name), **asked)["language"] == language


def test_a_translation_is_in_english(engine: EngineProcess) -> None:
    result = answered(engine, "/transcribe", recording(THANKS), task="translate", language="fr")
    assert text_of(result) == "thanks and goodbye"
    assert "words" not in result["segments"][0]


@pytest.mark.parametrize(
    "fields",
    [{"prompt": "Thanks."}, {"hotwords": "goodbye"}, {"batch_size": "1"}, {"batch_size": "256"}],
    ids=str,
)
def test_other_fields_are_taken(engine: EngineProcess, fields: dict[str, str]) -> None:
    assert "goodbye" in text_of(answered(engine, "/transcribe", recording(GOODBYE), language="en", **fields))


# Forms of the answer


@pytest.mark.parametrize("diarize", ["true", "false"])
def test_subtitles_have_a_cue_for_each_segment(engine: EngineProcess, diarize: str) -> None:
    fields = {"language": "en", "diarize": diarize}
    segments = answered(engine, "/transcribe", recording(DIALOGUE), **fields)["segments"]
    for output, mark in (("srt", ","), ("vtt", ".")):
        answer = post(engine, "/transcribe", recording(DIALOGUE), output=output, **fields)
        cues = answer.text.removeprefix("WEBVTT\n\n").strip().split("\n\n")
        assert len(cues) == len(segments)
        assert all(re.search(rf"\d\d:\d\d:\d\d\{mark}\d{{3}} --> ", cue) for cue in cues)
        assert all(("[SPEAKER_0" in cue) == (diarize == "true") for cue in cues)


def test_text_and_table_have_a_line_for_each_segment(engine: EngineProcess) -> None:
    text = post(engine, "/transcribe", recording(DIALOGUE), output="txt", language="en").text
    assert words(text) == said(DIALOGUE)
    head, *rows = post(engine, "/transcribe", recording(DIALOGUE), output="tsv", language="en").text.splitlines()
    assert head == "start\tend\ttext"
    assert len(rows) == len(text.splitlines())
    assert all(re.fullmatch(r"\d+\t\d+\t[^\t]+", row) for row in rows)


# What is uploaded


@pytest.mark.parametrize("kind", sorted(CONTAINERS.keys() - {"amr"}))  # at 8 kHz, the small model mishears
def test_every_usual_container_is_heard(engine: EngineProcess, kind: str) -> None:
    result = answered(engine, "/transcribe", encoded(kind, spoken(NUMBERS)), language="en")
    assert text_of(result) == said(NUMBERS)


@pytest.mark.parametrize(
    "sound",
    [silence(0), silence(1 / 16_000), silence(0.01), silence(3), silence(40), tone(3)],
    ids=["nothing", "1 sample", "10 ms", "3 s", "40 s", "a tone"],
)
@pytest.mark.parametrize("diarize", ["true", "false"])
@pytest.mark.parametrize("output", ["json", "srt", "vtt", "txt", "tsv"])
def test_without_speech_the_answer_is_200_and_empty(
    engine: EngineProcess, sound: Any, diarize: str, output: str
) -> None:
    answer = post(engine, "/transcribe", wav(sound), diarize=diarize, output=output)
    assert answer.status_code == 200, answer.text
    if output == "json":
        assert answer.json()["segments"] == []
    else:
        assert answer.text in ("", "WEBVTT\n\n", "start\tend\ttext\n")


RUBBISH = {
    "zero bytes": b"",
    "zeros": b"\0" * 3_000_000,
    "text": b"just text\n" * 1000,
    "truncated mp4": encoded("mp4", tone(1))[:300],
    "film without sound": silent_film(),
}


@pytest.mark.parametrize("path", ["/transcribe", "/diarize", "/align"])
@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_refused(engine: EngineProcess, path: str, content: bytes) -> None:
    answer = post(engine, path, content, transcript="Good morning.", language="en")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["param"]) == (400, "invalid_audio", "file")
    assert problem["detail"]


def test_a_language_that_the_model_does_not_know_is_refused(engine: EngineProcess) -> None:
    problem = post(engine, "/transcribe", recording(GOODBYE), language="yue").json()
    assert (problem["code"], problem["param"]) == ("invalid_value", "language")


def test_what_turns_out_too_long_is_refused_with_a_status_on_streams_too(start: Callable[..., EngineProcess]) -> None:
    """A stream begins when its recording is decoded."""
    engine = start(MAX_AUDIO_HOURS="0.001", WHISPER_PRELOAD="none")
    for path in ("/transcribe", "/v1/audio/transcriptions"):
        answer = post(engine, path, recording(DIALOGUE), stream="true")
        assert answer.status_code == 400, answer.text
        assert "longer than the 0.001 hours" in answer.text
