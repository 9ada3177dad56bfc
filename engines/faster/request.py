"""Form fields, by OpenAI's names → a typed request.

An empty field counts as absent (clients send `language=""` for "detect"); fields that this engine does not know are
ignored, as OpenAI does with `stream` for whisper-1.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from engines.faster.options import ListeningOptions
from engines.transcription.errors import BadParameter
from engines.transcription.formats import Granularity, ResponseFormat
from engines.transcription.languages import parse_language


def _encodable(text: str) -> str:
    """A form's charset can produce half a character, which nothing further on can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode text") from None
    return text


def _without_empty(values: object) -> object:
    return [value for value in values if value != ""] if isinstance(values, list) else values


Granularities = Annotated[list[Granularity], BeforeValidator(_without_empty)]


class TranscriptionForm(BaseModel):
    """The form of POST /v1/audio/transcriptions."""

    file: UploadFile = Field(
        description="The recording: flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav, webm, and most other formats with sound."
    )
    model: str | None = Field(
        None,
        description="A name from /v1/models. `whisper-1` and OpenAI's `gpt-*-transcribe` names stand for the served "
        "model, and so does leaving it out.",
        examples=["whisper-1"],
    )
    language: Annotated[str, AfterValidator(parse_language)] | None = Field(
        None, description="The language spoken, as ISO 639-1 code. Left out or empty: detected.", examples=["en"]
    )
    prompt: Annotated[str, AfterValidator(_encodable)] | None = Field(
        None, description="Text that comes before the recording, or names and terms in it. Guides style and spelling."
    )
    response_format: ResponseFormat = Field(
        ResponseFormat.JSON,
        description="`json`, `text`, `srt`, `verbose_json` (language, segments and words) or `vtt`.",
    )
    temperature: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="0: greedy, and bolder step by step where the model is unsure. Above 0: sampled at it.",
    )
    granularities: Granularities = Field(
        [],
        alias="timestamp_granularities[]",
        description="What verbose_json gives times for: `segment` (default), `word`, or both. Needs `verbose_json`.",
    )
    plain_granularities: Granularities = Field(
        [], alias="timestamp_granularities", description="The same as `timestamp_granularities[]`."
    )
    stream: str | None = Field(
        None, description="Accepted and ignored, as OpenAI does for whisper-1: the answer comes in one piece."
    )

    def listed(self) -> frozenset[Granularity]:
        """Which lists the answer has. Raises BadParameter if times were asked for in a format that has none."""
        wanted = frozenset([*self.granularities, *self.plain_granularities])
        if wanted and self.response_format is not ResponseFormat.VERBOSE_JSON:
            raise BadParameter(
                "timestamp_granularities needs response_format=verbose_json.", param="timestamp_granularities[]"
            )
        return wanted or frozenset([Granularity.SEGMENT])

    def options(self) -> ListeningOptions:
        words = Granularity.WORD in self.listed()
        return ListeningOptions(language=self.language, prompt=self.prompt, temperature=self.temperature, words=words)
