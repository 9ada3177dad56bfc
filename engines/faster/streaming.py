"""A transcript that is sent while it is found, as OpenAI's events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anyio import to_thread

from engines.transcription import events
from engines.transcription.event_stream import EventStream, Tell
from engines.transcription.formats import Wanted
from engines.transcription.transcript import Segment, Transcript

Work = Callable[[Callable[[Segment], None]], Awaitable[Transcript]]
"""Computes a transcript, and calls what it is given for each segment, in order, before it returns."""


def streamed(work: Work, wanted: Wanted) -> EventStream:
    """The answer to a request with `stream=true`: the text as it is found, and at the end all that was wanted."""

    async def tell_all(tell: Tell) -> bytes:
        deltas = events.Deltas(wanted)

        def heard(segment: Segment) -> None:
            event = deltas.event(segment)
            if event is not None:
                tell(event)

        transcript = await work(heard)
        return await to_thread.run_sync(events.done, transcript, wanted)  # of hours of speech it is megabytes

    return EventStream(tell_all)
