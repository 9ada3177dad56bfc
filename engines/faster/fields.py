"""Kinds of form fields that refuse what this engine cannot do, or offer what only this one can."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from engines.transcription.fields import Several
from engines.transcription.formats import ResponseFormat

NO_SPEAKERS = "this engine does not tell speakers apart; the whisperx engine does"


def _without_speakers(name: object) -> object:
    if name == "diarized_json":
        raise ValueError(NO_SPEAKERS)
    return name


def _no_speakers(values: list[str]) -> list[str]:
    if values:
        raise ValueError(NO_SPEAKERS)
    return values


Format = Annotated[ResponseFormat, BeforeValidator(_without_speakers)]
Included = Several[Literal["logprobs"]]
Speakers = Annotated[Several[str], AfterValidator(_no_speakers)]
