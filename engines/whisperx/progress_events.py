"""Progress as server-sent events, and what comes instead of the last one of this engine's own streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engines.transcription import events
from engines.transcription.dialects import problem
from engines.transcription.errors import EngineError
from engines.transcription.event_stream import Tell
from engines.whisperx.progress import Stage, State


def telling(tell: Tell) -> Callable[[dict[str, Any]], None]:
    """What a Watch calls with its reports.

    An answer has begun with its first event, so that comes as late as it can: up to the end of decoding a recording can
    turn out to be unfit, and is refused with a status. But whoever has to wait for others hears of it.
    """

    def on_progress(report: dict[str, Any]) -> None:
        if report["state"] == State.QUEUED or report["stages"].get(Stage.DECODE, 1.0) == 1.0:
            tell(events.encoded({"type": "progress", **report}))

    return on_progress


def failed(error: EngineError) -> bytes:
    """A problem, as it would have been answered before the stream began; but `type` tells the events apart."""
    return events.encoded({**problem(error.status, error.code, error.message, error.param), "type": "error"})
