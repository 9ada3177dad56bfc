"""What a single value of the configuration may be: how it is read, written back, and described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from gateway.config import names
from gateway.config.concurrency import parse_concurrency
from gateway.config.durations import format_duration, parse_duration, parse_idle, parse_pause
from gateway.config.hosts import Listen, parse_hostname, parse_listen, parse_network, parse_origin
from gateway.config.sizes import format_size, parse_size
from gateway.config.time_zones import parse_time_zone
from gateway.config.warm_hours import WarmHours, parse_warm_hours


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is, in the words of the reference page."""

    words: str


def _idle(value: object) -> float | None:
    """None is what "never" has become; in a file, a setting without a value is refused before it comes here."""
    return None if value is None else parse_idle(value)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["15m", "1h30m"]}),
    Kind("duration"),
]
IdleDuration = Annotated[
    float | None,
    BeforeValidator(_idle),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["15m", "never"]}),
    Kind("duration or `never`"),
]
Pause = Annotated[
    float,
    BeforeValidator(parse_pause),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["0s", "5m"]}),
    Kind("duration or `0s`"),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["512m", "4g"]}),
    Kind("size"),
]
Concurrency = Annotated[
    int | None,
    BeforeValidator(parse_concurrency),
    PlainSerializer(lambda value: "unlimited" if value is None else value, when_used="json"),
    WithJsonSchema({"type": ["integer", "string"], "examples": [2, "unlimited"]}),
    Kind("1 to 10000, or `unlimited`"),
]
WarmHoursText = Annotated[
    WarmHours,
    BeforeValidator(parse_warm_hours),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["Mon-Fri 08:00-18:00", "always"]}),
    Kind("warm hour"),
]
TimeZone = Annotated[str, BeforeValidator(parse_time_zone), Kind("time zone")]
Hostname = Annotated[str, BeforeValidator(parse_hostname), Kind("hostname")]
ListenAddress = Annotated[
    Listen,
    BeforeValidator(parse_listen),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8890"]}),
    Kind("IP address and port"),
]
Network = Annotated[str, BeforeValidator(parse_network), Kind("network")]
Origin = Annotated[str, BeforeValidator(parse_origin), Kind("origin")]
Flag = Annotated[
    bool,
    BeforeValidator(names.flag),
    WithJsonSchema({"type": "boolean"}),
    Kind("`true` or `false`"),
]
Port = Annotated[int, Field(ge=1, le=65535), Kind("1 to 65535")]
Text = Annotated[
    str,
    AfterValidator(names.without_nul),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),  # what is not quoted is taken as it is written
    Kind("text"),
]
FolderPath = Annotated[Path, BeforeValidator(names.path_text), Kind("path")]
EngineName = Annotated[
    str,
    AfterValidator(names.shaped(names.ENGINE_NAME, "a name for an engine", 'use a-z, 0-9, "-" and "_"')),
    Field(json_schema_extra={"pattern": names.ENGINE_NAME}),
]
ContainerName = Annotated[
    str,
    AfterValidator(names.shaped(names.CONTAINER_NAME, "the name of a container", 'try "faster-whisper"')),
    Field(json_schema_extra={"pattern": names.CONTAINER_NAME}),
    Kind("container name"),
]
ComposeName = Annotated[
    str,
    AfterValidator(names.shaped(names.COMPOSE_NAME, "a name that compose allows", 'try "whisper"')),
    Field(json_schema_extra={"pattern": names.COMPOSE_NAME}),
    Kind("compose name"),
]
VariableName = Annotated[
    str,
    AfterValidator(names.shaped(names.VARIABLE_NAME, "the name of a variable", 'try "WHISPER_MODEL"')),
    Field(json_schema_extra={"pattern": names.VARIABLE_NAME}),
    Kind("name"),
]
QuietPath = Annotated[
    str,
    AfterValidator(names.shaped(names.QUIET_PATH, "a path without a query", 'try "/health"')),
    Field(json_schema_extra={"pattern": names.QUIET_PATH}),
    Kind("URL path"),
]
UrlPath = Annotated[
    str,
    AfterValidator(names.shaped(names.URL_PATH, "a path", 'try "/health"')),
    Field(json_schema_extra={"pattern": names.URL_PATH}),
    Kind("URL path"),
]
