"""The forms of the audio routes, by OpenAI's names → what the models are told and what the answer shall hold.

Names that end in `[]` are also understood without. Fields that this engine does not know are ignored. What no single
field can tell, `options` and `wanted` find out: they raise BadParameter.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from engines.transcription.errors import BadParameter
from engines.transcription.fields import (
    Granularities,
    Language,
    Languages,
    Milliseconds,
    Nothing,
    Several,
    Text,
    Words,
)
from engines.transcription.formats import Granularity, ResponseFormat, Usage, Wanted
from engines.transcription.speech_settings import parse_strategy
from engines.transcription.subtitles import CueLimits
from engines.transcription.subtitles_form import SubtitlesForm
from engines.transcription.transcript import Task
from engines.whisperx.form_parts import RecordingForm, SpeakersForm, Windows
from engines.whisperx.known_form import KnownSpeakersForm
from engines.whisperx.options import ListeningOptions, Options

_UNTIMED = frozenset([ResponseFormat.JSON, ResponseFormat.TEXT])
_DIARIZED = "response_format=diarized_json"


class TranscriptionFormat(StrEnum):
    """Of transcriptions. Translations know all but the last."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"
    DIARIZED_JSON = "diarized_json"


def _no_logprobs(values: list[str]) -> list[str]:
    if values:
        raise ValueError("WhisperX does not tell them; the faster engine does")
    return values


def _strategy(text: str) -> str:
    parse_strategy(text)
    return text


Included = Annotated[Several[str], AfterValidator(_no_logprobs)]
Strategy = Annotated[Text, AfterValidator(_strategy)]


class _ListeningForm(SubtitlesForm, RecordingForm):
    """What transcriptions and translations have in common."""

    model: str | Nothing = Field(
        None,
        description="A name from /v1/models. `whisper-1` and OpenAI's `gpt-*-transcribe` names stand for the default "
        "model, and so does leaving it out.",
        examples=["whisper-1"],
    )
    prompt: Text | Nothing = Field(
        None, description="Text that comes before the recording, or names and terms in it. Guides style and spelling."
    )
    hotwords: Text | Nothing = Field(
        None, description="Words that are likely to be said, in one text. An extension of OpenAI's API."
    )
    temperature: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Accepted, and without effect: WhisperX always writes what is likeliest.",
    )
    batch_size: Windows | Nothing = Field(
        None,
        description="How many windows are computed together. Left out: as the operator has set it. An extension of "
        "OpenAI's API.",
    )

    def shape(self) -> ResponseFormat:
        """The form of an answer in which speakers have no place."""
        raise NotImplementedError

    def cues(self) -> CueLimits | None:
        """Raises BadParameter if limits were given for an answer that has no cues."""
        return self.limits(self.shape())

    def options(self) -> Options:
        """Raises BadParameter."""
        listening = ListeningOptions(prompt=self.prompt, hotwords=self.hotwords, batch_size=self.batch_size)
        return Options(listening, align=self.shape() not in _UNTIMED)

    def wanted(self) -> Wanted:
        """Raises BadParameter."""
        return Wanted(self.shape(), usage=None, cues=self.cues())


class TranslationForm(_ListeningForm):
    """The form of POST /v1/audio/translations."""

    response_format: ResponseFormat = Field(
        ResponseFormat.JSON,
        description="`json`, `text`, `srt`, `verbose_json` (language and segments) or `vtt`.",
    )

    def shape(self) -> ResponseFormat:
        return self.response_format

    def options(self) -> Options:
        options = super().options()
        return replace(options, listening=replace(options.listening, task="translate"), align=False)


class TranscriptionForm(SpeakersForm, KnownSpeakersForm, _ListeningForm):
    """The form of POST /v1/audio/transcriptions."""

    response_format: TranscriptionFormat = Field(
        TranscriptionFormat.JSON,
        description="`json`, `text`, `srt`, `verbose_json` (language, segments and words), `vtt`, or `diarized_json`: "
        "who said what.",
    )
    task: Task = Field(
        "transcribe",
        description="`transcribe`, or `translate` into English. An extension of OpenAI's API.",
    )
    language: Language | Nothing = Field(
        None, description="The language spoken, as ISO 639-1 code. Left out or empty: detected.", examples=["en"]
    )
    languages: Languages = Field(
        [],
        alias="languages[]",
        description="The language spoken, as a list of one; WhisperX cannot choose among several. json then says it.",
    )
    plain_languages: Languages = Field([], alias="languages", description="The same as `languages[]`.")
    keywords: Words = Field([], alias="keywords[]", description="Words and phrases that are likely to be said.")
    plain_keywords: Words = Field([], alias="keywords", description="The same as `keywords[]`.")
    granularities: Granularities = Field(
        [],
        alias="timestamp_granularities[]",
        description="What verbose_json gives times for: `segment` (default), `word`, or both. Needs `verbose_json`.",
    )
    plain_granularities: Granularities = Field(
        [], alias="timestamp_granularities", description="The same as `timestamp_granularities[]`."
    )
    include: Included = Field(
        [], alias="include[]", description="Refused: WhisperX does not tell how likely each token was."
    )
    plain_include: Included = Field([], alias="include", description="The same as `include[]`.")
    stream: bool = Field(
        False,  # noqa: FBT003  a field's default
        description="`true`: server-sent events that tell how far it is, and what was said. Needs `json`, `text` or "
        "`diarized_json`.",
    )
    chunking_strategy: Strategy | Nothing = Field(
        None,
        description="Accepted, and without effect: WhisperX always looks for speech first. `auto`, or a JSON object of "
        "the type `server_vad`.",
        examples=["auto"],
    )
    strategy_type: Literal["server_vad"] | Nothing = Field(
        None,
        alias="chunking_strategy[type]",
        description="The object of `chunking_strategy`, field by field: `server_vad`.",
    )
    strategy_threshold: float | Nothing = Field(
        None, alias="chunking_strategy[threshold]", ge=0, le=1, description="Likewise."
    )
    strategy_padding: Milliseconds | Nothing = Field(
        None, alias="chunking_strategy[prefix_padding_ms]", description="Likewise."
    )
    strategy_silence: Milliseconds | Nothing = Field(
        None, alias="chunking_strategy[silence_duration_ms]", description="Likewise."
    )

    @property
    def diarized(self) -> bool:
        return self.response_format is TranscriptionFormat.DIARIZED_JSON

    def shape(self) -> ResponseFormat:
        return ResponseFormat.JSON if self.diarized else ResponseFormat(self.response_format.value)

    def listed(self) -> frozenset[Granularity]:
        """Which lists the answer has. Raises BadParameter if times were asked for that it cannot have."""
        wanted = frozenset([*self.granularities, *self.plain_granularities])
        param = "timestamp_granularities[]"
        if wanted and self.response_format is not TranscriptionFormat.VERBOSE_JSON:
            raise BadParameter("timestamp_granularities needs response_format=verbose_json.", param=param)
        if Granularity.WORD in wanted and self.task == "translate":
            raise BadParameter("The words of a translation were never said and have no times.", param=param)
        return wanted or frozenset([Granularity.SEGMENT])

    def spoken(self) -> str | None:
        """The language, where it is known. Raises BadParameter if it is said in two ways, or to be chosen."""
        candidates = list(dict.fromkeys([*self.languages, *self.plain_languages]))
        if len(candidates) > 1:
            raise BadParameter(
                "languages: WhisperX detects the language among all, or takes the one it is told; the faster engine "
                "chooses among several.",
                param="languages[]",
            )
        return self.language or next(iter(candidates), None)

    def options(self) -> Options:
        words = [*self.keywords, *self.plain_keywords, *([self.hotwords] if self.hotwords else [])]
        options = super().options()
        listening = replace(
            options.listening, language=self.spoken(), task=self.task, hotwords=", ".join(words) or None
        )
        if not self.diarized:
            self.no_speakers(_DIARIZED)
            self.nobody_known(_DIARIZED)
            return replace(options, listening=listening, align=options.align and self.task == "transcribe")
        return Options(listening, align=self.task == "transcribe", speakers=self.speakers(), known=self.known())

    def wanted(self) -> Wanted:
        """Of diarized_json, only what json has."""
        if self.stream and self.shape() not in _UNTIMED:
            raise BadParameter("stream needs response_format=json, text or diarized_json.", param="stream")
        return replace(
            super().wanted(),
            granularities=self.listed(),
            usage=Usage.DURATION,
            languages=bool(self.languages or self.plain_languages) or self.model == "gpt-transcribe",
        )
