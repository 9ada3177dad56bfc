"""Conversations as transcripts, for OpenAI's forms without speakers."""

from __future__ import annotations

import json

from hypothesis import given
from openai.types.audio import TranscriptionVerbose

from engines.transcription.formats import Granularity, ResponseFormat, Wanted, render
from engines.transcription.transcript import Segment as Plain
from engines.transcription.transcript import Word as PlainWord
from engines.whisperx.conversation import Conversation, Segment, Turn, Word
from engines.whisperx.speakers import told_apart
from engines.whisperx.transcripts import segment_of, transcript_of
from tests.whisperx.unit import conversations
from tests.whisperx.unit.conversations import conversation

TALK = conversation(
    Segment(
        0.5, 2.0, "Good day.", (Word("Good", 0.5, 1.0, 0.9, "SPEAKER_01"), Word("day.", 1.0, 2.0)), -0.25, "SPEAKER_01"
    ),
    Segment(2.0, 3.0, " Hello."),
)


def test_what_whisperx_does_not_tell_raises_no_suspicion() -> None:
    words = (PlainWord("Good", 0.5, 1.0, 0.9), PlainWord("day.", 1.0, 2.0, 0.0))
    assert segment_of(TALK.segments[0]) == Plain(0.5, 2.0, " Good day.", 50, (), 0.0, -0.25, 9 / 17, 0.0, words)


def test_a_text_that_repeats_itself_shows() -> None:
    assert segment_of(Segment(0, 1, "and so on " * 50)).compression_ratio > 2.4, "openai-whisper's threshold"
    assert segment_of(Segment(0, 1, "")).compression_ratio == 0.0


def test_the_task_and_the_language_are_kept() -> None:
    transcript = transcript_of(TALK, "translate")
    assert (transcript.task, transcript.language, transcript.duration) == ("translate", "en", 12.3456)


def test_verbose_json_is_what_openai_answers() -> None:
    wanted = Wanted(ResponseFormat.VERBOSE_JSON, frozenset(Granularity))
    answer = json.loads(render(transcript_of(TALK), wanted).content)
    assert answer.pop("task") == "transcribe"
    read = TranscriptionVerbose.model_validate(answer)
    assert (read.text, read.language) == ("Good day. Hello.", "english")
    assert [segment.text for segment in read.segments or []] == [" Good day.", " Hello."]
    assert [word.word for word in read.words or []] == ["Good", "day."]


@given(conversations.segments(), conversations.turns())
def test_its_text_is_the_conversations(segments: list[Segment], turns: list[Turn]) -> None:
    talk: Conversation = conversation(*told_apart(segments, turns))
    assert transcript_of(talk).text == talk.text
