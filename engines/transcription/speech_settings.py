"""`chunking_strategy` and `vad_parameters`, as clients write them → settings for telling speech from the rest.

`vad_parameters` is faster-whisper's and has the names of its settings. `chunking_strategy` is OpenAI's: `auto`, or an
object of the type `server_vad`, of whose settings three have a counterpart here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Settings = dict[str, Any]
"""faster-whisper's names, and values that they may have."""

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class _Number:
    """What a setting may be. optional: null is a value, too, and so is infinity, which means the same."""

    lowest: float
    highest: float
    whole: bool = False
    optional: bool = False

    def read(self, name: str, value: object) -> float | None:
        """Raises ValueError with what is allowed."""
        if self.optional and value in (None, math.inf):
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.lowest <= value <= self.highest:
            raise ValueError(f"{name} must be {self}")
        if self.whole and value != int(value):
            raise ValueError(f"{name} must be {self}")
        return int(value) if self.whole else float(value)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.lowest:g} to {self.highest:.10g}{' or null' if self.optional else ''}"


_PARAMETERS = {
    "threshold": _Number(0, 1),
    "neg_threshold": _Number(0, 1, optional=True),
    "min_speech_duration_ms": _Number(0, DAY_MS, whole=True),
    "max_speech_duration_s": _Number(1, DAY_MS / 1000, optional=True),
    "min_silence_duration_ms": _Number(0, DAY_MS, whole=True),
    "speech_pad_ms": _Number(0, DAY_MS, whole=True),
}
_STRATEGY = {
    "threshold": "threshold",
    "prefix_padding_ms": "speech_pad_ms",
    "silence_duration_ms": "min_silence_duration_ms",
}
"""What OpenAI calls it, and what we do."""


def parse_parameters(text: str) -> Settings:
    """A JSON object. Raises ValueError that names what is wrong."""
    given = _object(text)
    return {name: _PARAMETERS[_known(name, _PARAMETERS)].read(name, value) for name, value in given.items()}


def parse_strategy(text: str) -> Settings:
    """`auto`, which is to use the defaults, or a JSON object. Raises ValueError that names what is wrong."""
    if text.strip().lower() == "auto":
        return {}
    try:
        given = _object(text)
    except ValueError as exc:
        raise ValueError(f"{exc}, nor is it auto") from None
    if given.pop("type", None) != "server_vad":
        raise ValueError("the object's type must be server_vad")
    return {
        _STRATEGY[_known(name, _STRATEGY)]: _PARAMETERS[_STRATEGY[name]].read(name, value)
        for name, value in given.items()
    }


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # the latter: a megabyte of brackets
        raise ValueError("is not JSON") from None
    if isinstance(value, dict):
        return value
    raise ValueError("is not a JSON object")


def _known(name: str, names: Mapping[str, object]) -> str:
    if name not in names:
        raise ValueError(f"there is no setting {name[:40]!r}; there are {', '.join(names)}")
    return name
