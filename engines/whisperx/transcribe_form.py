"""The form of POST /transcribe → what the models are told and what the answer shall be."""

from __future__ import annotations

from pydantic import Field

from engines.transcription.errors import BadParameter
from engines.transcription.fields import Language, Nothing, Text
from engines.transcription.transcript import Task
from engines.whisperx.form_parts import RecordingForm, SpeakersForm, Windows
from engines.whisperx.options import ListeningOptions, Options
from engines.whisperx.outputs import Output


class TranscribeForm(SpeakersForm, RecordingForm):
    """Fields that are not listed here are ignored."""

    model: str | Nothing = Field(
        None,
        description="A name from /v1/models. Left out: the default model.",
        examples=["base"],
    )
    language: Language | Nothing = Field(
        None, description="The language spoken, as ISO 639-1 code. Left out or empty: detected.", examples=["en"]
    )
    diarize: bool = Field(
        False,  # noqa: FBT003  a field's default
        description="`true`: every segment has a `speaker`, and none mixes two.",
    )
    align: bool | Nothing = Field(
        None,
        description="`false`: words have no times of their own, and segments are as long as Whisper's windows. Left "
        "out: words are aligned, except those of a translation, which were never said.",
    )
    task: Task = Field("transcribe", description="`transcribe`, or `translate` into English.")
    batch_size: Windows | Nothing = Field(
        None, description="How many windows are computed together. Left out: as the operator has set it."
    )
    hotwords: Text | Nothing = Field(None, description="Words that are likely to be said, in one text.")
    prompt: Text | Nothing = Field(
        None, description="Text that comes before the recording, or names and terms in it. Guides style and spelling."
    )
    output: Output = Field(
        Output.JSON, description="`json`, or as a text: `srt`, `vtt`, `txt` or `tsv` (times in milliseconds)."
    )
    stream: bool = Field(
        False,  # noqa: FBT003  as above
        description="`true`: server-sent events that tell how far it is, and at the end the answer. Needs `json`.",
    )

    def options(self) -> Options:
        """Raises BadParameter."""
        if self.align and self.task == "translate":
            raise BadParameter("align: the words of a translation were never said and have no times.", param="align")
        if self.stream and self.output is not Output.JSON:
            raise BadParameter("stream needs output=json.", param="stream")
        if not self.diarize:
            self.no_speakers("diarize=true")
        listening = ListeningOptions(
            language=self.language,
            task=self.task,
            prompt=self.prompt,
            hotwords=self.hotwords,
            batch_size=self.batch_size,
        )
        align = self.task == "transcribe" if self.align is None else self.align
        return Options(listening, align=align, speakers=self.speakers() if self.diarize else None)
