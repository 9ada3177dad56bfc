"""The forms of the audio routes, by OpenAI's names → what the model is told and what the answer shall hold.

Names that end in `[]` are also understood without. Fields that this engine does not know are ignored. What no single
field can tell, `options` and `wanted` find out: they raise BadParameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from fastapi import UploadFile
from pydantic import BaseModel, Field

from engines.faster.fields import Format, Included, Speakers
from engines.faster.options import ListeningOptions, SpeechFilter
from engines.faster.speech_filter import speech_filter
from engines.transcription.errors import BadParameter
from engines.transcription.fields import (
    Granularities,
    Language,
    Languages,
    Milliseconds,
    Nothing,
    Text,
    Words,
)
from engines.transcription.formats import Granularity, ResponseFormat, Usage, Wanted
from engines.transcription.speech_settings import Settings, parse_parameters, parse_strategy
from engines.transcription.subtitles import CueLimits
from engines.transcription.subtitles_form import SubtitlesForm
from engines.transcription.transcript import Task

_TIMED = frozenset([ResponseFormat.VERBOSE_JSON, ResponseFormat.SRT, ResponseFormat.VTT])
_COLDEST = 0.001
"""Below it, dividing by the temperature goes beyond what the model's numbers can hold, and it writes rubbish."""


class LanguageForm(BaseModel):
    """The form of POST /v1/audio/language."""

    file: UploadFile = Field(
        description="The recording: flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav, webm, and most other formats with sound."
    )
    model: str | Nothing = Field(
        None,
        description="A name from /v1/models. `whisper-1` and OpenAI's `gpt-*-transcribe` names stand for the default "
        "model, and so does leaving it out.",
        examples=["whisper-1"],
    )


class _ListeningForm(SubtitlesForm, LanguageForm):
    """What transcriptions and translations have in common."""

    prompt: Text | Nothing = Field(
        None, description="Text that comes before the recording, or names and terms in it. Guides style and spelling."
    )
    hotwords: Text | Nothing = Field(
        None, description="Words that are likely to be said, in one text. An extension of OpenAI's API."
    )
    response_format: Format = Field(
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
    beam_size: int = Field(
        5, ge=1, le=10, description="How many readings are followed at the same time. An extension of OpenAI's API."
    )
    vad_filter: bool | Nothing = Field(
        None,
        description="`true`: what is no speech is left out before the model listens. `false`: the model listens to "
        "everything, in order. Left out: as seems best. An extension of OpenAI's API.",
    )
    vad_parameters: str | Nothing = Field(
        None,
        description="How speech is told from the rest, as a JSON object with faster-whisper's settings: `threshold`, "
        "`neg_threshold`, `min_speech_duration_ms`, `max_speech_duration_s`, `min_silence_duration_ms`, "
        "`speech_pad_ms`. Implies `vad_filter`. An extension of OpenAI's API.",
        examples=['{"threshold": 0.6, "min_silence_duration_ms": 500}'],
    )

    def cues(self) -> CueLimits | None:
        """Raises BadParameter if limits were given for an answer that has no cues."""
        return self.limits(self.response_format)

    def vad(self) -> SpeechFilter | None:
        """Raises BadParameter if the settings cannot be used."""
        strategy = self.strategy()
        parameters = _read("vad_parameters", self.vad_parameters, parse_parameters)
        if self.vad_filter is False:
            return None
        return speech_filter(strategy, parameters, {} if self.vad_filter else None)

    def strategy(self) -> Settings | None:
        """OpenAI's way to ask for the speech filter. Raises BadParameter."""
        return None

    def options(self) -> ListeningOptions:
        """Raises BadParameter."""
        return ListeningOptions(
            prompt=self.prompt,
            hotwords=self.hotwords,
            temperature=self.temperature if self.temperature >= _COLDEST else 0.0,
            beam_size=self.beam_size,
            words=self.cues() is not None,
            times=self.response_format in _TIMED,
            in_order=self.vad_filter is False,
            vad=self.vad(),
        )

    def wanted(self) -> Wanted:
        """Raises BadParameter."""
        return Wanted(self.response_format, usage=None, cues=self.cues())


class TranslationForm(_ListeningForm):
    """The form of POST /v1/audio/translations."""

    def options(self) -> ListeningOptions:
        return replace(super().options(), task="translate")


class TranscriptionForm(_ListeningForm):
    """The form of POST /v1/audio/transcriptions."""

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
        description="Languages that may be spoken: the likeliest of them is taken. json then says which.",
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
        [],
        alias="include[]",
        description="`logprobs`: each token's probability. Needs `json` or `stream`.",
    )
    plain_include: Included = Field([], alias="include", description="The same as `include[]`.")
    stream: bool = Field(
        False,  # noqa: FBT003  a field's default
        description="`true`: server-sent events with the text as it is found. Needs `json` or `text`.",
    )
    chunking_strategy: str | Nothing = Field(
        None,
        description="Leaves out what is no speech before the model listens: `auto`, or a JSON object of the type "
        "`server_vad` with `threshold`, `prefix_padding_ms` and `silence_duration_ms`.",
        examples=["auto"],
    )
    strategy_type: Literal["server_vad"] | Nothing = Field(
        None,
        alias="chunking_strategy[type]",
        description="The object of `chunking_strategy`, field by field: `server_vad`.",
    )
    strategy_threshold: float | Nothing = Field(
        None,
        alias="chunking_strategy[threshold]",
        ge=0,
        le=1,
        description="Probability from which on a moment counts as speech.",
    )
    strategy_padding: Milliseconds | Nothing = Field(
        None,
        alias="chunking_strategy[prefix_padding_ms]",
        description="Sound that is kept before and after what was found to be speech.",
    )
    strategy_silence: Milliseconds | Nothing = Field(
        None, alias="chunking_strategy[silence_duration_ms]", description="Silence after which speech has ended."
    )
    speaker_names: Speakers = Field(
        [], alias="known_speaker_names[]", description="Refused: this engine does not tell speakers apart."
    )
    plain_speaker_names: Speakers = Field(
        [], alias="known_speaker_names", description="The same as `known_speaker_names[]`."
    )
    speaker_references: Speakers = Field(
        [], alias="known_speaker_references[]", description="Refused: this engine does not tell speakers apart."
    )
    plain_speaker_references: Speakers = Field(
        [], alias="known_speaker_references", description="The same as `known_speaker_references[]`."
    )

    def listed(self) -> frozenset[Granularity]:
        """Which lists the answer has. Raises BadParameter if times were asked for in a format that has none."""
        wanted = frozenset([*self.granularities, *self.plain_granularities])
        if wanted and self.response_format is not ResponseFormat.VERBOSE_JSON:
            raise BadParameter(
                "timestamp_granularities needs response_format=verbose_json.", param="timestamp_granularities[]"
            )
        return wanted or frozenset([Granularity.SEGMENT])

    def logprobs(self) -> bool:
        """Raises BadParameter if they were asked for in a format that has no place for them."""
        wanted = bool([*self.include, *self.plain_include])
        if wanted and self.response_format is not ResponseFormat.JSON and not self.stream:
            raise BadParameter("include: logprobs needs response_format=json, or stream=true.", param="include[]")
        return wanted

    def strategy(self) -> Settings | None:
        settings = {
            "threshold": self.strategy_threshold,
            "speech_pad_ms": self.strategy_padding,
            "min_silence_duration_ms": self.strategy_silence,
        }
        given = {name: value for name, value in settings.items() if value is not None}
        if given or self.strategy_type is not None:
            return given
        return _read("chunking_strategy", self.chunking_strategy, parse_strategy)

    def options(self) -> ListeningOptions:
        words = [*self.keywords, *self.plain_keywords, *([self.hotwords] if self.hotwords else [])]
        options = super().options()
        return replace(
            options,
            task=self.task,
            language=self.language,
            languages=tuple(dict.fromkeys([*self.languages, *self.plain_languages])),
            hotwords=", ".join(words) or None,
            words=options.words or Granularity.WORD in self.listed(),
            logprobs=self.logprobs(),
        )

    def wanted(self) -> Wanted:
        if self.stream and self.response_format in _TIMED:
            raise BadParameter("stream needs response_format=json or text.", param="stream")
        model = self.model or ""
        return replace(
            super().wanted(),
            granularities=self.listed(),
            usage=Usage.TOKENS if self.stream or model.startswith("gpt-") else Usage.DURATION,
            logprobs=self.logprobs(),
            languages=bool(self.languages or self.plain_languages) or model == "gpt-transcribe",
        )


def _read(param: str, text: str | None, parse: Callable[[str], Settings]) -> Settings | None:
    """None stays None. Raises BadParameter."""
    try:
        return None if text is None else parse(text)
    except ValueError as exc:
        raise BadParameter(f"{param}: {exc}.", param=param) from None
