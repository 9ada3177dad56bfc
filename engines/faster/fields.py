"""Kinds of form fields. Each turns what a client sent into a value, or refuses it with a sentence.

An empty field counts as absent (clients send `language=""` for "detect"): FastAPI sees to that where a field has one
value, `Several` where it may be repeated. What comes may be a file where text belongs.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from engines.faster.speech_filter import DAY_MS
from engines.transcription.formats import Granularity, ResponseFormat
from engines.transcription.languages import parse_language

Value = TypeVar("Value")

NO_SPEAKERS = "this engine does not tell speakers apart; the whisperx engine does"


def _encodable(text: str) -> str:
    """A form's charset can produce half a character, which nothing further on can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode text") from None
    return text


def _without_empty(values: object) -> object:
    return [value for value in values if value != ""] if isinstance(values, list) else values


def _without_speakers(name: object) -> object:
    if name == "diarized_json":
        raise ValueError(NO_SPEAKERS)
    return name


def _no_speakers(values: list[str]) -> list[str]:
    if values:
        raise ValueError(NO_SPEAKERS)
    return values


Nothing = SkipJsonSchema[None]
"""The field is absent. The API's description says so by not requiring it; to send "null" would be something else."""

Text = Annotated[str, AfterValidator(_encodable)]
Language = Annotated[str, AfterValidator(parse_language)]
Format = Annotated[ResponseFormat, BeforeValidator(_without_speakers)]
Limit = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[int, Field(ge=0, le=DAY_MS)]

Several = Annotated[list[Value], BeforeValidator(_without_empty)]
Languages = Several[Language]
Granularities = Several[Granularity]
Included = Several[Literal["logprobs"]]
Words = Several[Text]
Speakers = Annotated[Several[str], AfterValidator(_no_speakers)]
