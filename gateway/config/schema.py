"""Every setting, with its default and its meaning. The reference page and config.schema.json are made from this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.config import contradictions, names
from gateway.config.durations import format_duration, parse_duration, parse_idle
from gateway.config.hosts import (
    DEFAULT_ADMIN,
    DEFAULT_LISTEN,
    Listen,
    parse_hostname,
    parse_listen,
    parse_network,
    parse_origin,
)


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
UrlPath = Annotated[
    str,
    AfterValidator(names.shaped(names.URL_PATH, "a path", 'try "/health"')),
    Field(json_schema_extra={"pattern": names.URL_PATH}),
    Kind("URL path"),
]


class Section(BaseModel):
    """A part of the file: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def _obeying(self, rule: Callable[[Any], Iterator[contradictions.Contradiction]]) -> Self:
        """For a model that is built by hand. A file's contradictions are found by the loader, all of them at once."""
        for found in rule(self):
            raise PydanticCustomError("contradiction", "{reason}", {"reason": found.message})
        return self


class DockerTarget(Section):
    """Which container is the engine: by `container`, or by compose `project` and `service`."""

    container: ContainerName | None = None
    """Name of the container that serves the engine's hostnames."""
    depends_on: tuple[ContainerName, ...] = ()
    """Names of containers that are started before it, in this order, and stopped after it. Only with `container`."""
    project: ComposeName | None = None
    """Compose project of the service below. What the service depends on in compose is started before it."""
    service: ComposeName | None = None
    """Compose service that serves the engine's hostnames."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self._obeying(contradictions.in_docker)


class ProcessTarget(Section):
    """A local command as the engine; no container needed."""

    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Program and arguments. `{port}` in an argument becomes the engine's port. It must listen on 127.0.0.1."""
    environment: dict[VariableName, Text] = Field(default={}, repr=False)
    """Variables added to the gateway's own environment."""
    environment_files: dict[VariableName, FolderPath] = {}
    """Variables whose values are read from files, for secrets. One line break at a file's end is left out."""
    directory: FolderPath | None = None
    """Where the command runs; by default the folder of the configuration file."""


class Ready(Section):
    """How the gateway finds out that the engine answers."""

    path: UrlPath = "/health"
    """Asked with GET until the engine answers with a status from 200 to 399."""


class EngineSpec(Section):
    """One engine: its hostnames, what runs it, and how long it may idle."""

    hosts: Annotated[tuple[Hostname, ...], Field(min_length=1)]
    """Hostnames that lead to this engine."""
    docker: DockerTarget | None = None
    """Run the engine as a Docker container."""
    process: ProcessTarget | None = None
    """Run the engine as a local command."""
    port: Port
    """Port on which the engine listens (inside its container)."""
    ready: Ready = Ready()
    """The readiness probe."""
    cors: tuple[Origin, ...] = ()
    """Web pages of these origins may use the engine; `*` means any. The gateway answers their preflights by itself."""
    forward_authorization: Flag = False
    """Whether the engine is sent the Authorization header, for one that asks for a key of its own."""
    idle_after: IdleDuration = 15 * 60
    """The engine is stopped when it has served nothing for this long. `never` keeps it."""
    start_timeout: Duration = 60
    """How long a start may take until the engine is ready. After that, waiting requests get 504."""
    stop_timeout: Duration = 10
    """How long the engine may take to stop by itself before it is killed."""
    answer_timeout: Duration = 3600
    """How long the engine may take to begin an answer once it has the request. After that, 504."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self._obeying(contradictions.in_engine)


class EngineDefaults(Section):
    """Values for every engine that does not set its own."""

    idle_after: IdleDuration = 15 * 60
    """See `engines.*.idle_after`."""
    start_timeout: Duration = 60
    """See `engines.*.start_timeout`."""
    stop_timeout: Duration = 10
    """See `engines.*.stop_timeout`."""
    answer_timeout: Duration = 3600
    """See `engines.*.answer_timeout`."""


class LogSettings(Section):
    """What is logged, and how it looks."""

    format: Literal["auto", "console", "journal", "json"] = "auto"
    """`console` is for people, `journal` for journald, `json` for other machines; `auto` finds out which it is."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe event that is logged."""
    requests: Literal["notable", "all"] = "notable"
    """`notable`: requests that woke or waited for an engine, or failed. `all`: every request."""


class GatewaySettings(Section):
    """The gateway itself."""

    listen: ListenAddress = DEFAULT_LISTEN
    """Address for clients. Anything but loopback needs `trusted_proxies` or API keys."""
    admin: ListenAddress = DEFAULT_ADMIN
    """Loopback address of the control API, used by `whisper-gateway status` and friends."""
    portal: Hostname | None = None
    """The gateway's own hostname, where the control API is served to clients."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks whose X-Forwarded-*, Forwarded, X-Request-ID and X-Remote-User are believed."""
    access: Literal["auto", "known", "everybody"] = "auto"
    """Who is let in. `known`: API keys, and users whom a trusted proxy has asked for a password. `everybody`: no
    questions. `auto`: `known` as soon as there are keys, trusted proxies or an open address; before that, everybody on
    this machine."""
    admins: tuple[Text, ...] = ()
    """Users who may wake engines, put them to sleep and read their logs at the portal."""
    state_dir: FolderPath = Path("state")
    """Folder for what must survive a restart: API keys, and the ids and logs of `process` engines."""
    on_exit: Literal["leave", "stop"] = "leave"
    """Whether engines go on running when the gateway stops; a restarted gateway adopts them."""
    drain_timeout: Duration = 30
    """How long running answers may take to finish when the gateway stops."""
    head_timeout: Duration = 30
    """How long a client may take to send a request's head."""
    head_limit: Annotated[int, Field(ge=1024, le=1024 * 1024), Kind("1024 to 1048576 bytes")] = 32 * 1024
    """Largest request head, or head of an engine's answer, in bytes."""
    log: LogSettings = LogSettings()
    """Logging."""

    @field_validator("admin")
    @classmethod
    def _admin_is_loopback(cls, value: Listen) -> Listen:
        if not value.is_loopback:
            raise ValueError("the admin address has no password; keep it on loopback, such as 127.0.0.1:8891")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self._obeying(contradictions.in_gateway)


class Config(Section):
    """The whole file."""

    gateway: GatewaySettings = GatewaySettings()
    """The gateway itself."""
    defaults: EngineDefaults = EngineDefaults()
    """Values for every engine that does not set its own."""
    engines: Annotated[dict[EngineName, EngineSpec], Field(min_length=1)]
    """The engines, by name. The name appears in logs and in the control API."""

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, data: object) -> object:
        """Fills `defaults` into each engine, so that the rest of the program reads one place."""
        if not isinstance(data, dict):
            return data
        defaults, engines = data.get("defaults"), data.get("engines")
        if isinstance(defaults, EngineDefaults):
            defaults = defaults.model_dump(exclude_unset=True)
        if not isinstance(defaults, dict) or not isinstance(engines, dict):
            return data
        usable = {key: value for key, value in defaults.items() if _is_usable(key, value)}
        return {
            **data,
            "engines": {name: {**usable, **spec} if isinstance(spec, dict) else spec for name, spec in engines.items()},
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self._obeying(contradictions.in_file)


def _is_usable(key: object, value: object) -> bool:
    """Whether a default can be handed to the engines. One that cannot is reported once, where it is written."""
    try:
        EngineDefaults.model_validate({key: value})
    except ValidationError:
        return False
    return True
