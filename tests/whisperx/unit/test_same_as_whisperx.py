"""Where our pure functions do what WhisperX itself can do, they do it alike. Needs WhisperX and pyannote.

Where we do something else on purpose, a test says so, too.
"""

from __future__ import annotations

import copy
import io
import json
import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings

from engines.whisperx import libraries
from engines.whisperx.conversation import Segment, Turn, Word
from engines.whisperx.outputs import Output, TurnsOutput, as_json, render, render_turns
from engines.whisperx.speakers import told_apart
from tests.whisperx.unit import conversations
from tests.whisperx.unit.conversations import conversation

OPTIONS = {"max_line_width": None, "max_line_count": None, "highlight_words": False}


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    libraries.load()


def assigned(segments: list[Segment], turns: list[Turn]) -> dict[str, Any]:
    """What WhisperX makes of the same talk."""
    from whisperx.diarize import assign_word_speakers

    frame = pd.DataFrame([(turn.start, turn.end, turn.speaker) for turn in turns], columns=["start", "end", "speaker"])
    told: dict[str, Any] = assign_word_speakers(frame, copy.deepcopy(as_json(conversation(*segments))))
    return told


def apart(turns: list[Turn]) -> list[Turn]:
    """Turns as pyannote finds them: those of one speaker don't overlap, which WhisperX would count twice."""
    kept: list[Turn] = []
    for turn in sorted(turns, key=lambda turn: turn.start):
        if all(other.end < turn.start for other in kept if other.speaker == turn.speaker):
            kept.append(turn)
    return kept


def stretched(segments: list[Segment]) -> list[Segment]:
    """From steps of 1/64 s to steps of 1/8 s: WhisperX is handed whole milliseconds, and those are."""
    return [
        Segment(
            segment.start * 8,
            segment.end * 8,
            segment.text,
            tuple(Word(word.text, word.start * 8, word.end * 8) for word in segment.words),
        )
        for segment in segments
    ]


@settings(deadline=None)  # pandas takes its time
@given(conversations.segments(), conversations.turns())
def test_who_talks_longest_has_the_word_and_the_segment_without_words(
    segments: list[Segment], turns: list[Turn]
) -> None:
    """Of those who talk all through it, who began first."""
    turns = apart([Turn(turn.start * 8, turn.end * 8, turn.speaker) for turn in turns])
    segments = stretched(segments)
    its = assigned(segments, turns)["segments"]
    ours = told_apart(segments, turns)
    words = [word for segment in ours for word in segment.words]
    for word, theirs in zip(words, (word for one in its for word in one.get("words", [])), strict=True):
        assert theirs.get("speaker", word.speaker) == word.speaker, "WhisperX leaves out who was not heard"
    whole = [segment for segment in ours if not segment.words]
    for segment, theirs in zip(whole, (one for one in its if not one.get("words")), strict=True):
        assert theirs.get("speaker", segment.speaker) == segment.speaker


def test_whisperx_gives_a_mixed_segment_to_one_speaker_and_we_cut_it() -> None:
    words = (Word("yes?", 0.0, 1.0), Word("no", 1.0, 1.5))
    segment, turns = Segment(0.0, 1.5, "yes? no", words), [Turn(0.0, 1.0, "SPEAKER_00"), Turn(1.0, 1.5, "SPEAKER_01")]
    assert [one["speaker"] for one in assigned([segment], turns)["segments"]] == ["SPEAKER_00"]
    assert [one.speaker for one in told_apart([segment], turns)] == ["SPEAKER_00", "SPEAKER_01"]


def said(text: str, start: float, speaker: str | None) -> Segment:
    words = tuple(
        Word(word, start + place, start + place + 0.75, 0.5, speaker) for place, word in enumerate(text.split())
    )
    return Segment(start, words[-1].end, f" {text}", words, None, speaker)


PLAIN = (said("Good morning, everybody.", 0.5, None), said("Où ça ?", 3661.5, None))
TOLD = (said("Good morning, everybody.", 0.5, "SPEAKER_00"), said("Où ça ?", 3661.5, "SPEAKER_01"))
UNALIGNED = (
    Segment(0.5, 2.0, " Good morning.", (), None, "SPEAKER_00"),
    Segment(2.0, 3.0, " Hello.", (), None, "SPEAKER_01"),
)


def written(output: Output, segments: tuple[Segment, ...]) -> str:
    """What WhisperX's command line writes of the same conversation."""
    from whisperx.utils import get_writer

    file = io.StringIO()
    get_writer(output.value, ".").write_result(as_json(conversation(*segments)), file, OPTIONS)
    return file.getvalue()


@pytest.mark.parametrize("segments", [PLAIN, TOLD, UNALIGNED, ()], ids=["plain", "told", "unaligned", "silence"])
@pytest.mark.parametrize("output", [Output.SRT, Output.VTT, Output.TXT])
def test_text_forms_are_those_of_its_command_line(output: Output, segments: tuple[Segment, ...]) -> None:
    """In WebVTT we always write the hours, which it leaves out where there are none; both are allowed."""
    its = re.sub(r"(?m)(?<![\d:])(\d\d:\d\d\.\d{3})", r"00:\1", written(output, segments))
    assert render(conversation(*segments), output).content == its


def test_tsv_is_that_of_its_command_line() -> None:
    assert render(conversation(*PLAIN), Output.TSV).content == written(Output.TSV, PLAIN)


def test_in_tsv_it_forgets_the_speakers_and_we_do_not() -> None:
    assert "SPEAKER" not in written(Output.TSV, TOLD)
    assert re.sub(r"\[SPEAKER_0\d\]: ", "", render(conversation(*TOLD), Output.TSV).content) == written(
        Output.TSV, TOLD
    )


def test_json_holds_what_its_command_line_writes() -> None:
    assert json.loads(render(conversation(*TOLD), Output.JSON).content) == json.loads(written(Output.JSON, TOLD))


def test_rttm_is_what_pyannote_writes() -> None:
    from pyannote.core import Annotation
    from pyannote.core import Segment as Span

    turns = (Turn(0.125, 1.5, "SPEAKER_01"), Turn(1.25, 2.0, "SPEAKER_00"), Turn(3.0, 4.0, "SPEAKER_01"))
    annotation = Annotation(uri="meeting")
    for track, turn in enumerate(turns):
        annotation[Span(turn.start, turn.end), track] = turn.speaker
    assert render_turns(conversation(turns=turns), TurnsOutput.RTTM, "meeting").content == annotation.to_rttm()
