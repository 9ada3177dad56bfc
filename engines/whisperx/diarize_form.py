"""The form of POST /diarize."""

from __future__ import annotations

from pathlib import PurePath

from pydantic import Field

from engines.whisperx.form_parts import RecordingForm, SpeakersForm
from engines.whisperx.outputs import TurnsOutput


class DiarizeForm(SpeakersForm, RecordingForm):
    """Fields that are not listed here are ignored."""

    output: TurnsOutput = Field(TurnsOutput.JSON, description="`json`, or `rttm`: NIST's format, a line for each turn.")

    def name(self) -> str:
        """The recording's, by the name of its file: RTTM has a place for it. A form's charset may produce half a
        character there, which could not be sent back.
        """
        return PurePath(self.file.filename or "").stem.encode(errors="replace").decode()
