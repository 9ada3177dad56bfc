"""Conversations as OpenAI's diarized_json."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from openai.types.audio import TranscriptionDiarized, TranscriptionTextDoneEvent, TranscriptionTextSegmentEvent

from engines.whisperx.conversation import Conversation, Segment, Turn, Word
from engines.whisperx.diarized import done, render, told
from engines.whisperx.speakers import told_apart
from tests.whisperx.unit import conversations
from tests.whisperx.unit.conversations import conversation

TALK = conversation(
    Segment(0.5, 2.0004, " Good morning.", (Word("Good", 0.5, 1.0, 0.9, "SPEAKER_01"),), -0.25, "SPEAKER_01"),
    Segment(2.0, 2.5, " ", (), -0.25, "SPEAKER_02"),
    Segment(3.0, 4.0, "Hello, Eve.", (), -0.25, "SPEAKER_00", confident=False),
    Segment(4.0, 5.0, "Où ?", (), -0.25, "SPEAKER_01"),
)


def body(conversation: Conversation, *reserved: str) -> Any:
    rendered = render(conversation, reserved)
    assert rendered.media_type == "application/json"
    return json.loads(rendered.content)


def read(event: bytes) -> Any:
    line, *rest = event.decode("ascii").split("\n")
    assert rest == ["", ""]
    return json.loads(line.removeprefix("data: "))


def speakers(conversation: Conversation, *reserved: str) -> list[str]:
    return [segment["speaker"] for segment in body(conversation, *reserved)["segments"]]


def test_the_body_is_what_openai_answers() -> None:
    answer = body(TALK)
    TranscriptionDiarized.model_validate(answer, strict=True, extra="forbid")
    first = {"type": "transcript.text.segment", "id": "seg_001", "start": 0.5, "end": 2.0, "speaker": "A"}
    assert answer["segments"][0] == {**first, "text": "Good morning."}
    assert [segment["id"] for segment in answer["segments"]] == ["seg_001", "seg_002", "seg_003"]
    del answer["segments"]
    assert answer == {
        "task": "transcribe",
        "duration": 12.346,
        "text": "Good morning. Hello, Eve. Où ?",
        "usage": {"type": "duration", "seconds": 13},
    }


def test_speakers_are_letters_in_the_order_in_which_they_come() -> None:
    """Who says nothing that could be written takes no letter."""
    assert speakers(TALK) == ["A", "B", "A"]


def test_who_is_known_has_a_name() -> None:
    assert speakers(conversation(*TALK.segments, names={"SPEAKER_01": "Eve"})) == ["Eve", "A", "Eve"]


def test_no_letter_is_the_name_of_somebody_who_is_known() -> None:
    assert speakers(conversation(*TALK.segments, names={"SPEAKER_00": "B"}), "A", "B") == ["C", "B", "C"]
    events = [read(event) for event in told(TALK, ["A"], deltas=False)]
    assert [event["speaker"] for event in events] == ["B", "C", "B"]


def test_where_nobody_was_told_apart_there_is_one_speaker() -> None:
    assert speakers(conversation(Segment(0, 1, "one"), Segment(1, 2, "two"))) == ["A", "A"]


def test_each_segment_is_told_after_its_text() -> None:
    events = [read(event) for event in told(TALK)]
    assert [event["type"] for event in events] == ["transcript.text.delta", "transcript.text.segment"] * 3
    assert events[2] == {"type": "transcript.text.delta", "delta": " Hello, Eve.", "segment_id": "seg_002"}
    assert events[1::2] == body(TALK)["segments"]
    for event in events[1::2]:
        TranscriptionTextSegmentEvent.model_validate(event, strict=True, extra="forbid")


def test_a_text_that_was_told_before_is_not_told_again() -> None:
    assert [read(event) for event in told(TALK, deltas=False)] == body(TALK)["segments"]


def test_the_last_event_repeats_the_whole_text() -> None:
    event = read(done(TALK))
    assert event == {
        "type": "transcript.text.done",
        "text": "Good morning. Hello, Eve. Où ?",
        "usage": {"type": "duration", "seconds": 13},
    }
    TranscriptionTextDoneEvent.construct(**event)


def test_silence_is_an_empty_text() -> None:
    silence = conversation()
    assert (body(silence)["text"], body(silence)["segments"], list(told(silence))) == ("", [], [])
    assert read(done(silence))["text"] == ""


@given(conversations.segments(), conversations.turns())
def test_the_deltas_together_are_the_text(segments: list[Segment], turns: list[Turn]) -> None:
    talk = conversation(*told_apart(segments, turns))
    events = [read(event) for event in told(talk)]
    deltas = "".join(event["delta"] for event in events if event["type"] == "transcript.text.delta")
    assert deltas == talk.text == body(talk)["text"] == read(done(talk))["text"]
