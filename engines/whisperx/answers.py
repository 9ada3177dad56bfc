"""What the API's description says of the answers. For readers: nothing is computed from it."""

from __future__ import annotations

import json
from typing import Any

from engines.transcription.answers import REFUSALS, Answers
from engines.transcription.dialects import PROBLEM, problem

_REPORT = {
    "request_id": "meeting-2026-11-21",
    "state": "working",
    "stage": "transcribe",
    "fraction": 0.4,
    "stages": {"decode": 1.0, "transcribe": 0.6, "align": 0.0, "diarize": 0.0},
}
_WORD = {"word": "Good", "start": 0.5, "end": 0.72, "score": 0.98, "speaker": "SPEAKER_00"}
_SEGMENT = {"start": 0.5, "end": 1.21, "text": "Good morning.", "speaker": "SPEAKER_00", "words": [_WORD]}
_JSON = {"segments": [_SEGMENT], "language": "en", "duration": 3.2, "warnings": []}
_TURNS = {
    "turns": [{"start": 0.5, "end": 1.21, "speaker": "SPEAKER_00"}],
    "speakers": ["SPEAKER_00"],
    "duration": 3.2,
    "warnings": [],
}
_DIARIZED = {
    "task": "transcribe",
    "duration": 3.2,
    "text": "Good morning.",
    "segments": [
        {
            "type": "transcript.text.segment",
            "id": "seg_001",
            "start": 0.5,
            "end": 1.21,
            "text": "Good morning.",
            "speaker": "A",
        }
    ],
    "usage": {"type": "duration", "seconds": 4},
}


def _text(example: str) -> dict[str, Any]:
    return {"schema": {"type": "string"}, "example": example}


def _events(*events: dict[str, Any]) -> dict[str, Any]:
    return _text("".join(f"data: {json.dumps(event)}\n\n" for event in events))


_PROGRESS = {"type": "progress", **_REPORT}
_SUBTITLES = {"text/vtt": _text("WEBVTT\n\n00:00:00.500 --> 00:00:01.210\n[SPEAKER_00]: Good morning.\n\n")}
_TEXTS = {"text/plain": _text("[SPEAKER_00]: Good morning.\n"), **_SUBTITLES}
_TABLE = {"text/tab-separated-values": _text("start\tend\ttext\n500\t1210\t[SPEAKER_00]: Good morning.\n")}

_PROBLEMS: Answers = {
    "4XX": {
        "description": "The request cannot be served as it is: `detail` says why, `param` where.",
        "content": {
            PROBLEM.media_type: {"example": problem(400, "invalid_value", "min_speakers needs …", "min_speakers")}
        },
    },
    "503": {
        "description": "A model could not be loaded, or has no memory left. The next request tries again.",
        "content": {PROBLEM.media_type: {"example": problem(503, "model_unavailable", "The model could not …")}},
    },
}


TRANSCRIBED: Answers = {
    200: {
        "description": "Who said what and when, in the form that was asked for. Without speech there are no segments.",
        "content": {
            "application/json": {"example": _JSON},
            **_TEXTS,
            **_TABLE,
            "text/event-stream": _events(_PROGRESS, {"type": "done", **_JSON}),
        },
    },
    **_PROBLEMS,
}
ALIGNED: Answers = {
    200: {
        "description": "The transcript with the times of its words, in the form that was asked for.",
        "content": {"application/json": {"example": _JSON}, **_TEXTS, **_TABLE},
    },
    **_PROBLEMS,
}
DIARIZED: Answers = {
    200: {
        "description": "Who spoke when. Without speech there are no turns.",
        "content": {
            "application/json": {"example": _TURNS},
            "text/plain": _text("SPEAKER talk 1 0.500 0.710 <NA> <NA> SPEAKER_00 <NA> <NA>\n"),
        },
    },
    **_PROBLEMS,
}
REPORTED: Answers = {
    200: {"description": "How far it is.", "content": {"application/json": {"example": _REPORT}}},
    "4XX": _PROBLEMS["4XX"],
}

OPENAI_TRANSCRIBED: Answers = {
    200: {
        "description": "The transcript in the form that was asked for. Without speech, its text is empty.",
        "content": {
            "application/json": {"example": _DIARIZED},
            "text/plain": _text("Good morning.\n"),
            "text/vtt": _text("WEBVTT\n\n00:00:00.500 --> 00:00:01.210\nGood morning.\n\n"),
            "text/event-stream": _events(
                _PROGRESS,
                _DIARIZED["segments"][0],  # type: ignore[index]
                {"type": "transcript.text.done", "text": "Good morning."},
            ),
        },
    },
    **REFUSALS,
}
OPENAI_TRANSLATED: Answers = {
    200: {
        "description": "The translation in the form that was asked for. Without speech, its text is empty.",
        "content": {
            "application/json": {"example": {"text": "Good morning."}},
            "text/plain": _text("Good morning.\n"),
            "text/vtt": _text("WEBVTT\n\n00:00:00.500 --> 00:00:01.210\nGood morning.\n\n"),
        },
    },
    **REFUSALS,
}
