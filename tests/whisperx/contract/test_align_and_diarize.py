"""POST /align and POST /diarize of the real engine."""

from __future__ import annotations

import json
import statistics

import httpx
import pytest

from tests.fixtures.engine_process import EngineProcess
from tests.fixtures.speech import DIALOGUE, GOODBYE, MANIFEST, recording, said, words
from tests.unit.engines.recordings import Sound, silence, wav
from tests.whisperx.contract.calls import answered, post, text_of

pytestmark = pytest.mark.model


# Transcripts that were brought


def test_of_a_transcript_every_word_gets_its_times(engine: EngineProcess) -> None:
    entry = MANIFEST[DIALOGUE]
    transcript = json.dumps([{key: one[key] for key in ("start", "end", "text")} for one in entry["segments"]])
    result = answered(engine, "/align", recording(DIALOGUE), transcript=transcript, language="en")
    found = [word for segment in result["segments"] for word in segment["words"]]
    assert [words(word["word"]) for word in found] == [words(word["word"]) for word in entry["words"]]
    late = [abs(word["start"] - true["start"]) for word, true in zip(found, entry["words"], strict=True)]
    assert statistics.median(late) <= 0.06
    assert (result["language"], result["warnings"]) == ("en", [])


def test_what_was_transcribed_can_be_sent_back(engine: EngineProcess) -> None:
    """As it is, or mended by hand; also as a file."""
    heard = answered(engine, "/transcribe", recording(DIALOGUE), align="false", language="en")
    result = answered(engine, "/align", recording(DIALOGUE), transcript=json.dumps(heard), language="en")
    assert text_of(result) == said(DIALOGUE)
    files = {"file": recording(DIALOGUE), "transcript": json.dumps(heard).encode()}
    answer = httpx.post(f"{engine.url}/align", data={"language": "en"}, files=files, timeout=engine.patience)
    assert answer.json() == result


def test_plain_words_are_those_of_the_whole_recording(engine: EngineProcess) -> None:
    result = answered(engine, "/align", recording(GOODBYE), transcript="Thanks, goodbye!", language="en")
    found = [word for segment in result["segments"] for word in segment["words"]]
    assert [word["word"] for word in found] == ["Thanks,", "goodbye!"]
    for word, true in zip(found, MANIFEST[GOODBYE]["words"], strict=True):
        assert word["start"] == pytest.approx(true["start"], abs=0.15)


def test_words_that_no_model_can_find_have_times_all_the_same(engine: EngineProcess) -> None:
    result = answered(engine, "/align", recording(GOODBYE), transcript="Thanks 42 € 👋🏽 goodbye", language="en")
    found = [word for segment in result["segments"] for word in segment["words"]]
    assert [word["word"] for word in found] == ["Thanks", "42", "€", "👋🏽", "goodbye"]
    assert all(word["start"] <= word["end"] for word in found)
    starts = [word["start"] for word in found]
    assert starts == sorted(starts)


def test_what_comes_after_the_recording_s_end_is_left_out_and_said_so(engine: EngineProcess) -> None:
    transcript = '[{"start": 0, "end": 2, "text": "thanks"}, {"start": 100, "end": 101, "text": "goodbye"}]'
    result = answered(engine, "/align", recording(GOODBYE), transcript=transcript, language="en")
    assert text_of(result) == "thanks"
    assert len(result["warnings"]) == 1


@pytest.mark.parametrize("sound", [silence(0), silence(0.001), silence(3)], ids=["nothing", "1 ms", "3 s"])
def test_words_can_be_said_to_be_in_silence(engine: EngineProcess, sound: Sound) -> None:
    answer = post(engine, "/align", wav(sound), transcript="Good morning.", language="en")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("output", ["srt", "vtt", "txt", "tsv"])
def test_aligned_transcripts_come_in_all_forms(engine: EngineProcess, output: str) -> None:
    answer = post(engine, "/align", recording(GOODBYE), transcript="thanks goodbye", language="en", output=output)
    assert (answer.status_code, "thanks goodbye" in answer.text) == (200, True)


def test_a_language_without_a_model_is_refused(engine: EngineProcess) -> None:
    """Of /transcribe it is a warning; here there would be nothing to answer."""
    answer = post(engine, "/align", recording(GOODBYE), transcript="thanks", language="haw")
    assert (answer.status_code, answer.json()["param"]) == (400, "language")
    assert "ALIGN_MODELS" in answer.json()["detail"]


# Turns


def test_turns_are_where_people_talk(engine: EngineProcess) -> None:
    result = answered(engine, "/diarize", recording(DIALOGUE))
    assert result["speakers"] == ["SPEAKER_00", "SPEAKER_01"]
    assert result["duration"] == pytest.approx(MANIFEST[DIALOGUE]["duration"], abs=0.01)
    for segment in MANIFEST[DIALOGUE]["segments"]:
        middle = (segment["start"] + segment["end"]) / 2
        talking = {turn["speaker"] for turn in result["turns"] if turn["start"] <= middle <= turn["end"]}
        assert talking == {"SPEAKER_00" if segment["speaker"] == "A" else "SPEAKER_01"}


def test_rttm_tells_the_same_turns(engine: EngineProcess) -> None:
    turns = answered(engine, "/diarize", recording(DIALOGUE))["turns"]
    answer = post(engine, "/diarize", recording(DIALOGUE), output="rttm")
    rows = [line.split(" ") for line in answer.text.splitlines()]
    assert [row[:3] for row in rows] == [["SPEAKER", "secret-name", "1"]] * len(turns)
    for row, turn in zip(rows, turns, strict=True):
        assert float(row[3]) == turn["start"]
        assert float(row[3]) + float(row[4]) == pytest.approx(turn["end"])
        assert (row[5:7], row[7], row[8:]) == (["<NA>"] * 2, turn["speaker"], ["<NA>"] * 2)


def test_the_number_of_speakers_may_be_told(engine: EngineProcess) -> None:
    assert answered(engine, "/diarize", recording(DIALOGUE), num_speakers="1")["speakers"] == ["SPEAKER_00"]


@pytest.mark.parametrize("sound", [silence(0), silence(0.01), silence(30)], ids=["nothing", "10 ms", "30 s"])
def test_where_nobody_talks_there_are_no_turns(engine: EngineProcess, sound: Sound) -> None:
    result = answered(engine, "/diarize", wav(sound))
    assert (result["turns"], result["speakers"]) == ([], [])
    assert post(engine, "/diarize", wav(sound), output="rttm").text == ""
