"""The fields of a form that say how subtitles are laid out; the same in both engines."""

from __future__ import annotations

from pydantic import BaseModel, Field

from engines.transcription.errors import BadParameter
from engines.transcription.fields import Limit, Nothing
from engines.transcription.formats import ResponseFormat
from engines.transcription.subtitles import CueLimits

_SUBTITLES = frozenset([ResponseFormat.SRT, ResponseFormat.VTT])


class SubtitlesForm(BaseModel):
    max_line_width: Limit | Nothing = Field(
        None, description="Characters in a line of subtitles. Needs `srt` or `vtt`. An extension of OpenAI's API."
    )
    max_line_count: Limit | Nothing = Field(
        None,
        description="Lines in a cue of subtitles; counts only with `max_line_width`. Needs `srt` or `vtt`. An "
        "extension of OpenAI's API.",
    )
    max_words_per_line: Limit | Nothing = Field(
        None,
        description="Words in a cue of subtitles; counts unless both of the others are given. Needs `srt` or `vtt`. "
        "An extension of OpenAI's API.",
    )

    def limits(self, form: ResponseFormat) -> CueLimits | None:
        """Raises BadParameter if there are some for an answer of a form that has no cues."""
        limits = {name: getattr(self, name) for name in SubtitlesForm.model_fields}
        given = [name for name, limit in limits.items() if limit is not None]
        if not given:
            return None
        if form not in _SUBTITLES:
            raise BadParameter(f"{given[0]} needs response_format=srt or vtt.", param=given[0])
        return CueLimits(*limits.values())
