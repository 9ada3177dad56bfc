"""Transcripts that clients bring → segments."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from engines.whisperx.conversation import Segment

LARGEST = 32 * 1024**2
"""Bytes. The transcript of four hours, with the times of all words, has about three million."""


def parse_transcript(text: str) -> list[Segment]:
    """JSON, or the words themselves: one segment, to the end of the recording, whenever that is.

    Raises ValueError that says what is wrong where.
    """
    match _json(text):
        case {"segments": list() as entries} | (list() as entries):
            segments = [_segment(f"segments[{number}]", entry) for number, entry in enumerate(entries)]
        case _:
            raise ValueError("the JSON object has no list of segments")
    spoken = [segment for segment in segments if segment.text]
    if not spoken:
        raise ValueError("there are no words in it")
    return spoken


def _json(text: str) -> Any:
    """An object or a list; plain words as a list of one segment. Text may begin with a bracket, too: "[Music]"."""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except RecursionError:  # a megabyte of brackets
        raise ValueError("is nested too deeply") from None
    except ValueError as exc:
        if "".join(text[:100].split()).startswith(("{", "[{")):
            raise ValueError(f"is not valid JSON: {exc}") from None
        value = None
    return value if isinstance(value, dict | list) else [{"start": 0.0, "end": math.inf, "text": text}]


def _segment(name: str, entry: Any) -> Segment:
    match entry:
        case {"text": str() as text}:
            start, end = _seconds(name, "start", entry), _seconds(name, "end", entry)
        case _:
            raise ValueError(f"{name} is not an object with start, end and text")
    if start > end:
        raise ValueError(f"{name} ends before it starts")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the text of {name} is not valid Unicode") from None
    return Segment(start, end, text.strip())


def _seconds(name: str, key: str, entry: dict[str, Any]) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{key} of {name} must be a number of seconds, not less than 0")
    return float(min(value, sys.float_info.max))  # a whole number may be larger than that
