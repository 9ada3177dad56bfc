"""The fields by which OpenAI's API introduces speakers → who they are and how they sound."""

from __future__ import annotations

from itertools import chain
from unicodedata import bidirectional, category

from pydantic import BaseModel, Field

from engines.transcription.errors import BadParameter
from engines.transcription.fields import Words
from engines.whisperx.data_urls import parse_data_url
from engines.whisperx.options import KnownSpeaker

MOST = 4
"""Speakers that can be introduced; OpenAI's figure."""
LONGEST_NAME = 100
"""Characters. It stands in every segment."""
_DIRECTIONS = frozenset(["LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"])
_NAMES, _REFERENCES = "known_speaker_names[]", "known_speaker_references[]"


class KnownSpeakersForm(BaseModel):
    """Both lists may come with and without the brackets."""

    names: Words = Field(
        [],
        alias=_NAMES,
        description="Names of up to four speakers whose voices are known. Who sounds like one of them is called so. "
        "Needs `diarized_json`.",
    )
    plain_names: Words = Field([], alias="known_speaker_names", description=f"The same as `{_NAMES}`.")
    references: Words = Field(
        [],
        alias=_REFERENCES,
        description="For each name, in the same order, a recording of 2 to 10 seconds in which nobody else speaks, as "
        "a data URL.",
        examples=[["data:audio/wav;base64,UklGRg…"]],
    )
    plain_references: Words = Field([], alias="known_speaker_references", description=f"The same as `{_REFERENCES}`.")

    def known(self) -> tuple[KnownSpeaker, ...]:
        """Raises BadParameter."""
        names = [" ".join(name.split()) for name in (*self.names, *self.plain_names)]
        references = [*self.references, *self.plain_references]
        _check_names(names)
        if len(names) != len(references):
            lacking = _NAMES if len(names) < len(references) else _REFERENCES
            raise BadParameter(
                f"{_NAMES} has {len(names)}, {_REFERENCES} has {len(references)}: each name needs one recording.",
                param=lacking,
            )
        return tuple(map(_introduced, names, references))

    def nobody_known(self, needed: str) -> None:
        """For a request in which nobody is named. Raises BadParameter if somebody is introduced all the same.

        needed: what such a request should have beside.
        """
        if self.names or self.plain_names:
            raise BadParameter(f"known_speaker_names needs {needed}.", param=_NAMES)
        if self.references or self.plain_references:
            raise BadParameter(f"known_speaker_references needs {needed}.", param=_REFERENCES)


def _check_names(names: list[str]) -> None:
    if len(names) > MOST:
        raise BadParameter(f"known_speaker_names: {MOST} speakers at most can be introduced.", param=_NAMES)
    if not all(names):
        raise BadParameter("known_speaker_names: a name is blank.", param=_NAMES)
    if any(len(name) > LONGEST_NAME for name in names):
        raise BadParameter(f"known_speaker_names: a name has more than {LONGEST_NAME} characters.", param=_NAMES)
    if any(map(_controls, chain.from_iterable(names))):
        raise BadParameter("known_speaker_names: a name has control characters.", param=_NAMES)
    if len(set(names)) < len(names):
        raise BadParameter("known_speaker_names: two have the same name.", param=_NAMES)


def _controls(character: str) -> bool:
    """A terminal, or the direction of all that follows. Those that only join letters belong to some languages."""
    return category(character) == "Cc" or bidirectional(character) in _DIRECTIONS


def _introduced(name: str, reference: str) -> KnownSpeaker:
    try:
        return KnownSpeaker(name, parse_data_url(reference))
    except ValueError as exc:
        raise BadParameter(f"known_speaker_references: that of {name[:40]!r} {exc}.", param=_REFERENCES) from None
