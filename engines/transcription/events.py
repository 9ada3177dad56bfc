"""A transcript in the making as OpenAI's server-sent events. Pure: data in, bytes out.

The events are ASCII: some clients take more characters for the end of a line than the standard knows.
"""

from __future__ import annotations

import json
from typing import Any

from engines.transcription.errors import EngineError, envelope
from engines.transcription.formats import Wanted, extras, logprobs
from engines.transcription.transcript import Segment, TokenLogprob, Transcript


class Deltas:
    """The events of one transcript's segments. Their texts together are exactly the transcript's text."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._begun = False
        self._space = ""
        self._tokens: list[TokenLogprob] = []

    def event(self, segment: Segment) -> bytes | None:
        """None if there is nothing to show yet: spaces at either end of the transcript are no part of its text."""
        text = self._space + segment.text
        if not self._begun:
            text = text.lstrip()
        shown = text.rstrip()
        self._space = text[len(shown) :]
        self._tokens += segment.logprobs
        if not shown:
            return None
        self._begun = True
        delta: dict[str, Any] = {"type": "transcript.text.delta", "delta": shown}
        if self._wanted.logprobs:
            delta["logprobs"] = logprobs(self._tokens)
            self._tokens = []
        return encoded(delta)


def done(transcript: Transcript, wanted: Wanted) -> bytes:
    """The last event: the text again, and what json has beside it."""
    return encoded({"type": "transcript.text.done", "text": transcript.text, **extras(transcript, wanted)})


def failed(error: EngineError) -> bytes:
    """In place of the last event, where the answer's status is already out."""
    return encoded(envelope(error.status, error.code, error.message, error.param))


def encoded(value: dict[str, Any]) -> bytes:
    """Any event: what it says, as one line of JSON."""
    return f"data: {json.dumps(value, allow_nan=False)}\n\n".encode("ascii")
