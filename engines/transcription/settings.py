"""Environment → frozen settings. What every engine has; each engine adds its own.

The alias of a field is the variable's name and its docstring the meaning; the reference page is tested against both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class BadSettings(Exception):
    """The environment cannot be used. One printable line for each problem."""


def parse_size(value: object) -> int:
    """Bytes: plain, or as "500m" or "2g" (powers of 1024). Raises ValueError with a remedy."""
    match = re.fullmatch(r"(\d+)\s*([kmg]?)i?b?", str(value).strip().lower())
    if match is None or int(match[1]) == 0:
        raise ValueError(f'{value!r} is not a size (try "500m" or "2g")')
    return int(match[1]) * _UNITS[match[2]]


def lower_case(value: object) -> object:
    """So that LOG_LEVEL=INFO is no riddle."""
    return value.strip().lower() if isinstance(value, str) else value


class ServiceSettings(BaseModel):
    """What any engine needs to serve."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    host: Annotated[str, Field(alias="HOST")] = "127.0.0.1"
    """Address to listen on. The image sets `0.0.0.0`, which is all addresses of the container."""
    port: Annotated[int, Field(alias="PORT", ge=1, le=65535)] = 8000
    """Port to listen on."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(lower_case), Field(alias="LOG_LEVEL")
    ] = "info"
    """The least severe event that is logged: `debug`, `info`, `warning` or `error`."""
    max_upload: Annotated[int, BeforeValidator(parse_size), Field(alias="MAX_UPLOAD", validate_default=True)] = "2g"  # type: ignore[assignment]  # parsed like any other value
    """Largest request body, such as `500m` or `2g`; a larger one is refused with 413."""
    max_audio_hours: Annotated[float, Field(alias="MAX_AUDIO_HOURS", gt=0, allow_inf_nan=False)] = 4
    """Longest recording in hours. Small files can hold very long silence, and decoded audio is kept in memory."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads the variables that the fields name. An empty one counts as absent. Raises BadSettings."""
        names = [str(field.alias) for field in cls.model_fields.values()]
        given: dict[str, Any] = {name: environment[name] for name in names if environment.get(name)}
        try:
            return cls.model_validate(given)
        except ValidationError as exc:
            problems = (f"{error['loc'][0]}={error['input']}: {error['msg']}" for error in exc.errors())
            raise BadSettings("\n".join(problems)) from None
