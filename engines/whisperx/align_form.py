"""The form of POST /align."""

from __future__ import annotations

from fastapi import UploadFile
from pydantic import Field

from engines.transcription.errors import BadParameter
from engines.transcription.fields import Language, Text
from engines.whisperx.brought import LARGEST, parse_transcript
from engines.whisperx.conversation import Segment
from engines.whisperx.form_parts import RecordingForm
from engines.whisperx.outputs import Output


class AlignForm(RecordingForm):
    """Fields that are not listed here are ignored."""

    transcript: Text | UploadFile = Field(
        description="What is said in the recording, as text or as a file. JSON: a list of segments with `start` and "
        "`end` in seconds and `text`, or an object that has such a list as `segments`, as this engine's own answers. "
        "Anything else is taken for the words themselves, of the whole recording.",
        examples=['[{"start": 0.4, "end": 2.9, "text": "Good morning."}]'],
    )
    language: Language = Field(description="The language spoken, as ISO 639-1 code.", examples=["en"])
    output: Output = Field(
        Output.JSON, description="`json`, or as a text: `srt`, `vtt`, `txt` or `tsv` (times in milliseconds)."
    )

    def segments(self) -> list[Segment]:
        """Takes a while for a long transcript. Raises BadParameter."""
        try:
            return parse_transcript(self._written())
        except ValueError as exc:
            raise BadParameter(f"transcript: {exc}.", param="transcript") from None

    def _written(self) -> str:
        """Raises ValueError."""
        if isinstance(self.transcript, str):
            return self.transcript
        content = self.transcript.file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"is larger than {LARGEST // 1024**2} MB")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError("is not valid UTF-8") from None
