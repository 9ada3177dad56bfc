"""What several forms have in common. What no single field can tell, the methods find out: they raise BadParameter."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, Field

from engines.transcription.errors import BadParameter
from engines.transcription.fields import Nothing
from engines.transcription.request_ids import PATTERN
from engines.whisperx.options import SpeakerOptions

Speakers = Annotated[int, Field(ge=1, le=100)]
Windows = Annotated[int, Field(ge=1, le=256)]


def _request_id(name: str) -> str:
    if not re.fullmatch(PATTERN, name):
        raise ValueError("must be up to 128 characters, each a letter (A to Z, a to z), a digit, or one of . _ : -")
    return name


RequestId = Annotated[str, AfterValidator(_request_id), Field(json_schema_extra={"pattern": f"^{PATTERN}$"})]


class RecordingForm(BaseModel):
    """In every form."""

    file: UploadFile = Field(
        description="The recording: flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav, webm, and most other formats with sound."
    )
    request_id: RequestId | Nothing = Field(
        None,
        description="A name for this request, by which `/progress/{request_id}` tells how far it is. Left out: that of "
        "the header X-Request-ID, or a new one; the answer's header says which.",
        examples=["meeting-2026-11-21"],
    )


class SpeakersForm(BaseModel):
    """In the forms of routes that tell speakers apart."""

    min_speakers: Speakers | Nothing = Field(None, description="There are at least so many.")
    max_speakers: Speakers | Nothing = Field(None, description="There are at most so many.")
    num_speakers: Speakers | Nothing = Field(None, description="There are exactly so many.")

    def speakers(self) -> SpeakerOptions:
        """Raises BadParameter if the numbers contradict each other."""
        least, most, exactly = self.min_speakers, self.max_speakers, self.num_speakers
        if least is not None and most is not None and least > most:
            raise BadParameter("min_speakers is more than max_speakers.", param="min_speakers")
        if exactly is not None and least is not None and exactly < least:
            raise BadParameter("num_speakers is less than min_speakers.", param="num_speakers")
        if exactly is not None and most is not None and exactly > most:
            raise BadParameter("num_speakers is more than max_speakers.", param="num_speakers")
        return SpeakerOptions(exactly=exactly, at_least=least, at_most=most)

    def no_speakers(self, needed: str) -> None:
        """For a request that does not ask for speakers. Raises BadParameter if it says how many there are.

        needed: what such a request should have beside.
        """
        for name in SpeakersForm.model_fields:
            if getattr(self, name) is not None:
                raise BadParameter(f"{name} needs {needed}.", param=name)
