"""Environment → frozen settings. What every engine has; each engine adds its own.

The alias of a field is the variable's name and its description the meaning; the reference page is tested against both.
Attribute docstrings would read better, but pydantic finds them by parsing the source: 20 ms of every wake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_NUMBER = r"\d{1,9}(?:\.\d{1,3})?"
_PLAIN = re.compile(_NUMBER, re.ASCII)
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _SECONDS), re.ASCII)


class BadSettings(Exception):
    """The environment cannot be used. One printable line for each problem."""


def parse_size(value: object) -> int:
    """Bytes: plain, or as "500m" or "2g" (powers of 1024). Raises ValueError with a remedy."""
    match = re.fullmatch(r"(\d+)\s*([kmg]?)i?b?", str(value).strip().lower(), re.ASCII)
    if match is None or int(match[1]) == 0:
        raise ValueError(f'{value!r} is not a size (try "500m" or "2g")')
    return int(match[1]) * _UNITS[match[2]]


def parse_duration(value: object) -> float:
    """Seconds: plain, or as "250ms", "90s", "5m", "1h30m" or "2d". Raises ValueError with a remedy."""
    text = str(value).strip().lower()
    match = _DURATION.fullmatch(f"{text}s" if _PLAIN.fullmatch(text) else text)
    if match is None or not text:
        raise ValueError(f'{value!r} is not a duration (try "300" or "5m")')
    return sum(float(number) * _SECONDS[unit] for unit, number in match.groupdict(default="0").items())


def lower_case(value: object) -> object:
    """So that LOG_LEVEL=INFO is no riddle."""
    return value.strip().lower() if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(parse_size)]
Level = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower_case)]


class ServiceSettings(BaseModel):
    """What any engine needs to serve."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    host: str = Field(
        "127.0.0.1",
        alias="HOST",
        description="Address to listen on. The image sets `0.0.0.0`: all addresses of its container.",
    )
    port: int = Field(8000, alias="PORT", ge=1, le=65535, description="Port to listen on.")
    log_level: Level = Field(
        "info",
        alias="LOG_LEVEL",
        description="The least severe event that is logged: `debug`, `info`, `warning` or `error`.",
    )
    max_upload: Size = Field(
        2 * 1024**3,
        alias="MAX_UPLOAD",
        description="Largest request body, as bytes or such as `500m` or `2g`. A larger one is refused with 413.",
    )
    max_audio_hours: float = Field(
        4,
        alias="MAX_AUDIO_HOURS",
        gt=0,
        allow_inf_nan=False,
        description="Longest recording, in hours. Small files can hold days of silence; decoded, it takes memory.",
    )

    OLD_NAMES: ClassVar[Mapping[str, str]] = {}
    """What a variable is called by those whom we follow → our name for it. Ours wins where both are set."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads the variables that the fields name. An empty one counts as absent. Raises BadSettings."""
        ours = [str(field.alias) for field in cls.model_fields.values()]
        old = {new: old for old, new in cls.OLD_NAMES.items() if environment.get(old)}
        names = {name: name if environment.get(name) else old.get(name, name) for name in ours}
        given = {name: environment[used] for name, used in names.items() if environment.get(used)}
        try:
            settings = cls.model_validate(given)
            problems = settings.contradictions()
        except ValidationError as exc:
            problems = [(str(error["loc"][0]), _reason(error["msg"])) for error in exc.errors()]
        if problems:
            lines = (f"{names[name]}={given.get(name, '')}: {problem}" for name, problem in problems)
            raise BadSettings("\n".join(lines))
        return settings

    def contradictions(self) -> list[tuple[str, str]]:
        """Settings that are fine alone but not together: variable, and what is wrong and what to do."""
        return []


def _reason(message: str) -> str:
    """The sentence, without what pydantic puts before ours."""
    return message.removeprefix("Value error, ")
