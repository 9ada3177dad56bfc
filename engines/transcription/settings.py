"""Environment → frozen settings. What every engine has; each engine adds its own.

The alias of a field is the variable's name and its description the meaning; the reference page is tested against both.
Attribute docstrings would read better, but pydantic finds them by parsing the source: 20 ms of every wake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class BadSettings(Exception):
    """The environment cannot be used. One printable line for each problem."""


def parse_size(value: object) -> int:
    """Bytes: plain, or as "500m" or "2g" (powers of 1024). Raises ValueError with a remedy."""
    match = re.fullmatch(r"(\d+)\s*([kmg]?)i?b?", str(value).strip().lower(), re.ASCII)
    if match is None or int(match[1]) == 0:
        raise ValueError(f'{value!r} is not a size (try "500m" or "2g")')
    return int(match[1]) * _UNITS[match[2]]


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

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads the variables that the fields name. An empty one counts as absent. Raises BadSettings."""
        names = [str(field.alias) for field in cls.model_fields.values()]
        try:
            return cls.model_validate({name: environment[name] for name in names if environment.get(name)})
        except ValidationError as exc:
            problems = (f"{error['loc'][0]}={error['input']}: {_reason(error['msg'])}" for error in exc.errors())
            raise BadSettings("\n".join(problems)) from None


def _reason(message: str) -> str:
    """The sentence, without what pydantic puts before ours."""
    return message.removeprefix("Value error, ")
