"""Conversations as this engine's own API writes them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given

from engines.whisperx.conversation import Conversation, Segment, Turn, Word
from engines.whisperx.outputs import Output, TurnsOutput, render, render_turns
from engines.whisperx.speakers import told_apart
from tests.whisperx.unit import conversations
from tests.whisperx.unit.conversations import conversation

A, B = "SPEAKER_00", "SPEAKER_01"
ALIGNED = (
    Segment(0.5, 2.0004, " Good morning.", (Word("Good", 0.5, 1.0, 0.91234), Word("morning.", 1.0, 2.0004)), -0.25),
    Segment(3661.5, 3662.0, " It is\ta <b> --> 7.", (Word("It", 3661.5, 3662.0, 0.5),), -0.25),
)
TOLD = tuple(told_apart(ALIGNED, [Turn(0.0, 3.0, A), Turn(3700.0, 3701.0, B)]))
UNALIGNED = (Segment(0.5, 2.0, " Good morning."),)


def as_json(segments: tuple[Segment, ...]) -> Any:
    rendered = render(conversation(*segments), Output.JSON)
    assert rendered.media_type == "application/json"
    return json.loads(rendered.content)


def text(output: Output, segments: tuple[Segment, ...] = TOLD) -> str:
    return render(conversation(*segments), output).content


def test_json_has_words_and_speakers() -> None:
    assert as_json(TOLD) == {
        "segments": [
            {
                "start": 0.5,
                "end": 2.0,
                "text": "Good morning.",
                "speaker": A,
                "words": [
                    {"word": "Good", "start": 0.5, "end": 1.0, "score": 0.912, "speaker": A},
                    {"word": "morning.", "start": 1.0, "end": 2.0, "speaker": A},
                ],
            },
            {
                "start": 3661.5,
                "end": 3662.0,
                "text": "It is\ta <b> --> 7.",
                "speaker": B,
                "speaker_confident": False,
                "words": [{"word": "It", "start": 3661.5, "end": 3662.0, "score": 0.5, "speaker": B}],
            },
        ],
        "language": "en",
        "duration": 12.346,
        "warnings": [],
    }


def test_without_diarization_there_is_no_speaker() -> None:
    for segment in as_json(ALIGNED)["segments"]:
        assert set(segment) == {"start", "end", "text", "words"}
        assert not any("speaker" in word for word in segment["words"])


def test_without_alignment_there_are_no_words() -> None:
    assert as_json(UNALIGNED)["segments"] == [{"start": 0.5, "end": 2.0, "text": "Good morning."}]


def test_with_alignment_each_segment_has_words() -> None:
    """Else a client that reads them all trips over the one without."""
    assert as_json((*ALIGNED, Segment(4, 5, "…")))["segments"][-1]["words"] == []


def test_warnings_are_told() -> None:
    answer = render(Conversation("ba", 1.0, (), ("Words have no times.",)), Output.JSON)
    assert json.loads(answer.content) == {
        "segments": [],
        "language": "ba",
        "duration": 1.0,
        "warnings": ["Words have no times."],
    }


def test_texts_in_any_language_are_written_as_they_are() -> None:
    assert '"Où ça ? 今日は"' in text(Output.JSON, (Segment(0, 1, " Où ça ? 今日は"),))


def test_srt() -> None:
    assert text(Output.SRT) == (
        "1\n00:00:00,500 --> 00:00:02,000\n[SPEAKER_00]: Good morning.\n\n"
        "2\n01:01:01,500 --> 01:01:02,000\n[SPEAKER_01]: It is a <b> -> 7.\n\n"
    )


def test_vtt() -> None:
    assert text(Output.VTT) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\n[SPEAKER_00]: Good morning.\n\n"
        "01:01:01.500 --> 01:01:02.000\n[SPEAKER_01]: It is a &lt;b&gt; --&gt; 7.\n\n"
    )


@pytest.mark.parametrize("output", [Output.SRT, Output.VTT])
def test_subtitles_follow_each_other_in_time(output: Output) -> None:
    """Also where a transcript that was brought does not."""
    first, second, third = Segment(0, 3, "a"), Segment(1, 2, "b"), Segment(1, 3, "c")
    assert text(output, (second, third, first)) == text(output, (first, second, third))


def test_txt() -> None:
    assert text(Output.TXT) == "[SPEAKER_00]: Good morning.\n[SPEAKER_01]: It is a <b> --> 7.\n"


def test_tsv() -> None:
    assert text(Output.TSV) == (
        "start\tend\ttext\n500\t2000\t[SPEAKER_00]: Good morning.\n3661500\t3662000\t[SPEAKER_01]: It is a <b> --> 7.\n"
    )


@pytest.mark.parametrize("output", [Output.SRT, Output.VTT, Output.TXT, Output.TSV])
def test_without_diarization_no_text_names_a_speaker(output: Output) -> None:
    assert "Good morning." in text(output, ALIGNED)
    assert "[" not in text(output, ALIGNED)


@pytest.mark.parametrize("output", [Output.SRT, Output.VTT, Output.TXT, Output.TSV])
def test_a_segment_without_text_is_left_out(output: Output) -> None:
    assert text(output, (Segment(0, 1, " \n", speaker=A), *TOLD)) == text(output)


@pytest.mark.parametrize("broken", ["a\nb", "a\r\nb", "a\u2028b", "a\tb", "a\x0bb"])
def test_no_text_breaks_its_line(broken: str) -> None:
    segments = (Segment(0, 1, broken, speaker=A),)
    assert text(Output.TXT, segments) == "[SPEAKER_00]: a b\n"
    assert text(Output.TSV, segments) == "start\tend\ttext\n0\t1000\t[SPEAKER_00]: a b\n"


@pytest.mark.parametrize(
    ("output", "empty"),
    [(Output.SRT, ""), (Output.VTT, "WEBVTT\n\n"), (Output.TXT, ""), (Output.TSV, "start\tend\ttext\n")],
)
def test_silence_is_an_empty_text(output: Output, empty: str) -> None:
    assert text(output, ()) == empty


@pytest.mark.parametrize(
    ("output", "media_type"),
    [
        (Output.JSON, "application/json"),
        (Output.SRT, "text/plain"),
        (Output.VTT, "text/vtt"),
        (Output.TXT, "text/plain"),
        (Output.TSV, "text/tab-separated-values"),
    ],
)
def test_each_form_says_what_it_is(output: Output, media_type: str) -> None:
    assert render(conversation(*TOLD), output).media_type == media_type


TURNS = (Turn(0.0314, 1.5, B), Turn(1.2, 2.00049, A), Turn(3.0, 4.0, B))


def test_turns_as_json() -> None:
    answer = render_turns(conversation(turns=TURNS), TurnsOutput.JSON)
    assert json.loads(answer.content) == {
        "turns": [
            {"start": 0.031, "end": 1.5, "speaker": B},
            {"start": 1.2, "end": 2.0, "speaker": A},
            {"start": 3.0, "end": 4.0, "speaker": B},
        ],
        "speakers": [B, A],
        "duration": 12.346,
        "warnings": [],
    }


def test_turns_as_rttm() -> None:
    answer = render_turns(conversation(turns=TURNS), TurnsOutput.RTTM, "team meeting.wav")
    assert answer.media_type == "text/plain"
    assert answer.content == (
        "SPEAKER team_meeting.wav 1 0.031 1.469 <NA> <NA> SPEAKER_01 <NA> <NA>\n"
        "SPEAKER team_meeting.wav 1 1.200 0.800 <NA> <NA> SPEAKER_00 <NA> <NA>\n"
        "SPEAKER team_meeting.wav 1 3.000 1.000 <NA> <NA> SPEAKER_01 <NA> <NA>\n"
    )


@pytest.mark.parametrize("name", ["", " ", "a b\n\tc", "a\u00a0b", "a\x85b\u2028c"])
def test_rttm_has_ten_fields_a_line_whatever_the_recording_is_called(name: str) -> None:
    lines = render_turns(conversation(turns=TURNS), TurnsOutput.RTTM, name).content.splitlines()
    assert [len(line.split()) for line in lines] == [10, 10, 10]


def test_silence_has_no_turns() -> None:
    assert render_turns(conversation(), TurnsOutput.RTTM, "silence").content == ""
    assert json.loads(render_turns(conversation()).content)["turns"] == []


@given(conversations.segments(), conversations.turns())
def test_any_conversation_can_be_written_in_all_forms(segments: list[Segment], turns: list[Turn]) -> None:
    talk = conversation(*told_apart(segments, turns), turns=tuple(turns))
    spoken = [segment for segment in talk.segments if segment.text.strip()]
    assert len(json.loads(render(talk, Output.JSON).content)["segments"]) == len(talk.segments)
    assert len(re.findall(r"(?m)^\d\d:\d\d:\d\d,\d{3} --> ", render(talk, Output.SRT).content)) == len(spoken)
    assert render(talk, Output.VTT).content.count(" --> ") == len(spoken)
    assert len(render(talk, Output.TXT).content.splitlines()) == len(spoken)
    assert len(render(talk, Output.TSV).content.splitlines()) == len(spoken) + 1
    assert len(render_turns(talk, TurnsOutput.RTTM).content.splitlines()) == len(turns)
