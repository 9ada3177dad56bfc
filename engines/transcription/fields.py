"""Kinds of form fields. Each turns what a client sent into a value, or refuses it with a sentence.

An empty field counts as absent (clients send `language=""` for "detect"): FastAPI sees to that where a field has one
value, `Several` where it may be repeated. What comes may be a file where text belongs.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from engines.transcription.formats import Granularity
from engines.transcription.languages import parse_language
from engines.transcription.speech_settings import DAY_MS

Value = TypeVar("Value")


def _encodable(text: str) -> str:
    """A form's charset can produce half a character, which nothing further on can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode text") from None
    return text


def _without_empty(values: object) -> object:
    return [value for value in values if value != ""] if isinstance(values, list) else values


Nothing = SkipJsonSchema[None]
"""The field is absent. The API's description says so by not requiring it; to send "null" would be something else."""

Text = Annotated[str, AfterValidator(_encodable)]
Language = Annotated[str, AfterValidator(parse_language)]
Limit = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[int, Field(ge=0, le=DAY_MS)]

Several = Annotated[list[Value], BeforeValidator(_without_empty)]
Languages = Several[Language]
Granularities = Several[Granularity]
Words = Several[Text]
