"""A transcript in the forms that OpenAI's API knows. Pure: data in, text out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from engines.transcription import subtitles
from engines.transcription.languages import LANGUAGES
from engines.transcription.subtitles import CueLimits
from engines.transcription.transcript import Segment, TokenLogprob, Transcript, Word


class ResponseFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"


class Granularity(StrEnum):
    WORD = "word"
    SEGMENT = "segment"


class Usage(StrEnum):
    """What OpenAI bills by: `whisper-1` by time, its other models by tokens."""

    DURATION = "duration"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an answer shall hold.

    granularities: the lists of verbose_json. usage: its form in json, None for none of it. logprobs, languages: whether
    json has them. cues: how the text of srt and vtt is laid out. Where a form has no place for something, it is left
    out.
    """

    form: ResponseFormat = ResponseFormat.JSON
    granularities: frozenset[Granularity] = frozenset([Granularity.SEGMENT])
    usage: Usage | None = Usage.DURATION
    logprobs: bool = False
    languages: bool = False
    cues: CueLimits | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    content: str
    media_type: str


def render(transcript: Transcript, wanted: Wanted) -> Rendered:
    match wanted.form:
        case ResponseFormat.JSON:
            return rendered_json({"text": transcript.text, **extras(transcript, wanted)})
        case ResponseFormat.VERBOSE_JSON:
            return rendered_json(_verbose(transcript, wanted.granularities))
        case ResponseFormat.TEXT:
            return Rendered(f"{transcript.text}\n" if transcript.text else "", "text/plain")
        case ResponseFormat.SRT:
            return Rendered(subtitles.srt(transcript.segments, wanted.cues), "text/plain")
        case ResponseFormat.VTT:
            return Rendered(subtitles.vtt(transcript.segments, wanted.cues), "text/vtt")
        case _:
            assert_never(wanted.form)


def extras(transcript: Transcript, wanted: Wanted) -> dict[str, Any]:
    """What comes beside the text, in json and at the end of a stream."""
    answer: dict[str, Any] = {}
    if wanted.logprobs:
        answer["logprobs"] = logprobs(transcript.logprobs)
    if wanted.languages:  # an empty list says that none could be told
        answer["languages"] = [{"code": transcript.language}] if transcript.text else []
    if wanted.usage is not None:
        answer["usage"] = _usage(transcript, wanted.usage)
    return answer


def logprobs(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    return [{"token": token.token, "bytes": list(token.data), "logprob": token.logprob} for token in tokens]


def rendered_json(value: dict[str, Any]) -> Rendered:
    return Rendered(json.dumps(value, ensure_ascii=False, allow_nan=False), "application/json")


def _usage(transcript: Transcript, usage: Usage) -> dict[str, Any]:
    if usage is Usage.DURATION:
        return {"type": "duration", "seconds": math.ceil(transcript.duration)}
    heard, told, written = transcript.audio_tokens, transcript.prompt_tokens, transcript.output_tokens
    return {
        "type": "tokens",
        "input_tokens": heard + told,
        "output_tokens": written,
        "total_tokens": heard + told + written,
        "input_token_details": {"audio_tokens": heard, "text_tokens": told},
    }


def _verbose(transcript: Transcript, granularities: frozenset[Granularity]) -> dict[str, Any]:
    """Its usage is always the time: there OpenAI's type knows nothing else."""
    answer: dict[str, Any] = {
        "task": transcript.task,
        "language": _language(transcript),
        "duration": rounded(transcript.duration),
        "text": transcript.text,
    }
    if Granularity.WORD in granularities:
        answer["words"] = [_word(word) for word in transcript.words]
    if Granularity.SEGMENT in granularities:
        answer["segments"] = [_segment(index, segment) for index, segment in enumerate(transcript.segments)]
    answer["usage"] = _usage(transcript, Usage.DURATION)
    return answer


def _language(transcript: Transcript) -> str:
    """The text's language by its name: translations are into English, whatever was spoken."""
    return "english" if transcript.task == "translate" else LANGUAGES.get(transcript.language, transcript.language)


def _segment(index: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": index,
        "seek": segment.seek,
        "start": rounded(segment.start),
        "end": rounded(segment.end),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _word(word: Word) -> dict[str, Any]:
    """`probability` is not OpenAI's; its clients keep what they don't know."""
    start, end = rounded(word.start), rounded(word.end)
    return {"word": word.text, "start": start, "end": end, "probability": word.probability}


def rounded(value: float) -> float:
    """Seconds to whole milliseconds: the model's grid is 20 ms, and 0.5799999833 helps nobody."""
    return round(value, 3)
