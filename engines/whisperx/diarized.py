"""A conversation as OpenAI's diarized_json: a body, or events. Pure: data in, text out.

Speakers are A, B and so on in the order in which they come, or have the names of those whose voices are known.
`reserved` are the names of all whose voices are known, also if they are not in the conversation: no letter is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from engines.transcription import events
from engines.transcription.formats import Rendered, Usage, Wanted, extras, rendered_json, rounded
from engines.whisperx.conversation import Conversation
from engines.whisperx.known_speakers import lettered
from engines.whisperx.speakers import SOMEBODY
from engines.whisperx.transcripts import transcript_of

_WANTED = Wanted(usage=Usage.DURATION)


def render(conversation: Conversation, reserved: Collection[str] = ()) -> Rendered:
    return rendered_json(
        {
            "task": "transcribe",
            "duration": rounded(conversation.duration),
            "text": conversation.text,
            "segments": [segment.fields() for segment in _segments(conversation, reserved)],
            **extras(transcript_of(conversation), _WANTED),
        }
    )


def told(conversation: Conversation, reserved: Collection[str] = (), *, deltas: bool = True) -> Iterator[bytes]:
    """The events of its segments. deltas: whether the text comes as such, too; not if it was told while it was heard.

    All deltas together are the conversation's text.
    """
    space = ""
    for segment in _segments(conversation, reserved):
        if deltas:
            delta = {"type": "transcript.text.delta", "delta": space + segment.text, "segment_id": segment.id}
            yield events.encoded(delta)
        yield events.encoded(segment.fields())
        space = conversation.space


def done(conversation: Conversation) -> bytes:
    """The last event."""
    return events.done(transcript_of(conversation), _WANTED)


@dataclass(frozen=True, slots=True)
class _Segment:
    """One with a text, and what OpenAI calls it and its speaker."""

    id: str
    start: float
    end: float
    text: str
    speaker: str

    def fields(self) -> dict[str, Any]:
        return {
            "type": "transcript.text.segment",
            "id": self.id,
            "start": rounded(self.start),
            "end": rounded(self.end),
            "text": self.text,
            "speaker": self.speaker,
        }


def _segments(conversation: Conversation, reserved: Collection[str]) -> Iterator[_Segment]:
    spoken = [segment for segment in conversation.segments if segment.text.strip()]
    labels = lettered((segment.speaker or SOMEBODY for segment in spoken), conversation.names, reserved)
    for number, segment in enumerate(spoken, start=1):
        label = labels[segment.speaker or SOMEBODY]
        yield _Segment(f"seg_{number:03d}", segment.start, segment.end, segment.text.strip(), label)
