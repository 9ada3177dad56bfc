"""A transcript in the forms that OpenAI's API knows. Pure: data in, text out.

The shapes are those of OpenAI's `whisper-1`. Where SRT or WebVTT give certain characters a meaning, the text is
escaped, so that no sentence can break a cue.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from engines.transcription.languages import LANGUAGES
from engines.transcription.transcript import Segment, Transcript, Word


class ResponseFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"


class Granularity(StrEnum):
    WORD = "word"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True)
class Rendered:
    content: str
    media_type: str


def render(transcript: Transcript, form: ResponseFormat, granularities: frozenset[Granularity]) -> Rendered:
    """`granularities` say which lists verbose_json has; the other forms ignore them."""
    match form:
        case ResponseFormat.JSON:
            return _json({"text": transcript.text, "usage": _usage(transcript)})
        case ResponseFormat.VERBOSE_JSON:
            return _json(_verbose(transcript, granularities))
        case ResponseFormat.TEXT:
            return Rendered(f"{transcript.text}\n" if transcript.text else "", "text/plain")
        case ResponseFormat.SRT:
            return Rendered("".join(_srt_cues(transcript)), "text/plain")
        case ResponseFormat.VTT:
            return Rendered("".join(["WEBVTT\n\n", *_vtt_cues(transcript)]), "text/vtt")
        case _:
            assert_never(form)


def _json(value: dict[str, Any]) -> Rendered:
    return Rendered(json.dumps(value, ensure_ascii=False, allow_nan=False), "application/json")


def _usage(transcript: Transcript) -> dict[str, Any]:
    """OpenAI bills whisper-1 by whole seconds, and says so in every JSON answer."""
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}


def _verbose(transcript: Transcript, granularities: frozenset[Granularity]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": LANGUAGES.get(transcript.language, transcript.language),
        "duration": _seconds(transcript.duration),
        "text": transcript.text,
    }
    if Granularity.WORD in granularities:
        answer["words"] = [_word(word) for word in transcript.words]
    if Granularity.SEGMENT in granularities:
        answer["segments"] = [_segment(index, segment) for index, segment in enumerate(transcript.segments)]
    answer["usage"] = _usage(transcript)
    return answer


def _segment(index: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": index,
        "seek": segment.seek,
        "start": _seconds(segment.start),
        "end": _seconds(segment.end),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _word(word: Word) -> dict[str, Any]:
    """`probability` is not OpenAI's; its clients keep what they don't know."""
    start, end = _seconds(word.start), _seconds(word.end)
    return {"word": word.text, "start": start, "end": end, "probability": word.probability}


def _seconds(value: float) -> float:
    """Whole milliseconds: the model's grid is 20 ms, and 0.5799999833 helps nobody."""
    return round(value, 3)


def _srt_cues(transcript: Transcript) -> Iterator[str]:
    for number, segment in enumerate(transcript.segments, start=1):
        text = _one_line(segment.text).replace("-->", "->")
        yield f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{text}\n\n"


def _vtt_cues(transcript: Transcript) -> Iterator[str]:
    for segment in transcript.segments:
        text = _one_line(segment.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{text}\n\n"


def _one_line(text: str) -> str:
    """An empty line would end the cue."""
    return " ".join(text.split())


def _clock(seconds: float, mark: str) -> str:
    """3661.5 as 01:01:01,500. More than 99 hours take more digits."""
    minutes, milliseconds = divmod(round(max(seconds, 0.0) * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{mark}{milliseconds % 1000:03d}"
