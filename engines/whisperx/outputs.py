"""A conversation in the forms of this engine's own API. Pure: data in, text out.

The text forms are those that WhisperX's command line writes: `[SPEAKER_00]: ` stands before a text whose speaker is
known. It does so here in tsv, too, where WhisperX forgets who spoke.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Any, assert_never

from engines.transcription import subtitles, transcript
from engines.transcription.formats import Rendered, rendered_json, rounded
from engines.whisperx.conversation import Conversation, Segment, Turn, Word
from engines.whisperx.transcripts import segment_of


class Output(StrEnum):
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    TSV = "tsv"


class TurnsOutput(StrEnum):
    JSON = "json"
    RTTM = "rttm"


def render(conversation: Conversation, output: Output = Output.JSON) -> Rendered:
    """What was said."""
    match output:
        case Output.JSON:
            return rendered_json(as_json(conversation))
        case Output.SRT:
            return Rendered(subtitles.srt(_cues(conversation)), "text/plain")
        case Output.VTT:
            return Rendered(subtitles.vtt(_cues(conversation)), "text/vtt")
        case Output.TXT:
            return Rendered("".join(f"{segment.text}\n" for segment in _labelled(conversation)), "text/plain")
        case Output.TSV:
            lines = ["start\tend\ttext\n", *map(_tsv_line, _labelled(conversation))]
            return Rendered("".join(lines), "text/tab-separated-values")
        case _:
            assert_never(output)


def render_turns(conversation: Conversation, output: TurnsOutput = TurnsOutput.JSON, name: str = "") -> Rendered:
    """Who spoke when, whatever they said. name: of the recording, for RTTM, where it may have no spaces."""
    match output:
        case TurnsOutput.JSON:
            return rendered_json(turns_as_json(conversation))
        case TurnsOutput.RTTM:
            return Rendered(rttm(conversation.turns, name), "text/plain")
        case _:
            assert_never(output)


def as_json(conversation: Conversation) -> dict[str, Any]:
    """The answer of POST /transcribe, as the guide of the service has it; what was not asked for has no key."""
    aligned = any(segment.words for segment in conversation.segments)
    return {
        "segments": [_segment(segment, aligned=aligned) for segment in conversation.segments],
        "language": conversation.language,
        "duration": rounded(conversation.duration),
        "warnings": list(conversation.warnings),
    }


def turns_as_json(conversation: Conversation) -> dict[str, Any]:
    """speakers: in order of their first turns."""
    return {
        "turns": [
            {"start": rounded(turn.start), "end": rounded(turn.end), "speaker": turn.speaker}
            for turn in conversation.turns
        ],
        "speakers": list(dict.fromkeys(turn.speaker for turn in conversation.turns)),
        "duration": rounded(conversation.duration),
        "warnings": list(conversation.warnings),
    }


def rttm(turns: Iterable[Turn], name: str = "") -> str:
    """NIST's Rich Transcription Time Marked, which the tools that score diarization read.

    Its fields are separated by spaces, so none may have one or be empty.
    """
    lines = []
    for turn in turns:
        start, end = rounded(turn.start), rounded(turn.end)
        fields = ("SPEAKER", _field(name), "1", f"{start:.3f}", f"{end - start:.3f}", _field(turn.speaker))
        lines.append("{} {} {} {} {} <NA> <NA> {} <NA> <NA>\n".format(*fields))
    return "".join(lines)


def _segment(segment: Segment, *, aligned: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "start": rounded(segment.start),
        "end": rounded(segment.end),
        "text": segment.text.strip(),
    }
    if segment.speaker is not None:
        answer["speaker"] = segment.speaker
        if not segment.confident:
            answer["speaker_confident"] = False
    if aligned:
        answer["words"] = [_word(word) for word in segment.words]
    return answer


def _word(word: Word) -> dict[str, Any]:
    answer: dict[str, Any] = {"word": word.text, "start": rounded(word.start), "end": rounded(word.end)}
    if word.score is not None:
        answer["score"] = round(word.score, 3)
    if word.speaker is not None:
        answer["speaker"] = word.speaker
    return answer


def _cues(conversation: Conversation) -> Iterable[transcript.Segment]:
    """In order of time, which players take for granted, also of a transcript that somebody brought in another."""
    return map(segment_of, sorted(_labelled(conversation), key=lambda segment: segment.start))


def _labelled(conversation: Conversation) -> Iterable[Segment]:
    """Each text in one line, after its speaker; blank ones are left out."""
    for segment in conversation.segments:
        text = " ".join(segment.text.split())
        if text:
            yield replace(segment, text=text if segment.speaker is None else f"[{segment.speaker}]: {text}")


def _tsv_line(segment: Segment) -> str:
    return f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{segment.text}\n"


def _field(text: str) -> str:
    return re.sub(r"\s+", "_", text.strip()) or "<NA>"
