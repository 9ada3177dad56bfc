"""What the API's description says of the answers. For readers: nothing is computed from it."""

from __future__ import annotations

from engines.transcription.answers import REFUSALS, Answers

_JSON = {"text": "Good morning.", "usage": {"type": "duration", "seconds": 3}}
_TEXTS = {
    "text/plain": {"schema": {"type": "string"}, "example": "Good morning.\n"},
    "text/vtt": {"schema": {"type": "string"}, "example": "WEBVTT\n\n00:00:00.000 --> 00:00:01.200\nGood morning.\n\n"},
}
_EVENTS = (
    'data: {"type": "transcript.text.delta", "delta": "Good morning."}\n\n'
    'data: {"type": "transcript.text.done", "text": "Good morning.", "usage": {"type": "tokens", …}}\n\n'
)

TRANSCRIBED: Answers = {
    200: {
        "description": "The transcript in the form that was asked for. Without speech, its text is empty.",
        "content": {
            "application/json": {"example": _JSON},
            **_TEXTS,
            "text/event-stream": {"schema": {"type": "string"}, "example": _EVENTS},
        },
    },
    **REFUSALS,
}
TRANSLATED: Answers = {
    200: {
        "description": "The translation in the form that was asked for. Without speech, its text is empty.",
        "content": {"application/json": {"example": {"text": "Good morning."}}, **_TEXTS},
    },
    **REFUSALS,
}
DETECTED: Answers = {
    200: {
        "description": "The likeliest language, as Whisper's code and by its name, and all with their probabilities.",
        "content": {
            "application/json": {
                "example": {
                    "language": "fr",
                    "language_name": "french",
                    "probability": 0.93,
                    "all": [{"code": "fr", "probability": 0.93}, {"code": "en", "probability": 0.07}],
                }
            }
        },
    },
    **REFUSALS,
}
