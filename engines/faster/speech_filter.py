"""Several kinds of settings → one speech filter."""

from __future__ import annotations

from engines.faster.options import SpeechFilter
from engines.transcription.speech_settings import Settings


def speech_filter(*settings: Settings | None) -> SpeechFilter | None:
    """The later settings win over the earlier ones; None where there are none at all."""
    given = [some for some in settings if some is not None]
    merged = {name: value for some in given for name, value in some.items()}
    return SpeechFilter(**merged) if given else None
