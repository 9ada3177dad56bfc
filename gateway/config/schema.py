"""Every setting, with its default and its meaning. The reference page and config.schema.json are made from this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.config import contradictions
from gateway.config.hosts import DEFAULT_ADMIN, DEFAULT_LISTEN, Listen
from gateway.config.values import (
    ComposeName,
    Concurrency,
    ContainerName,
    Duration,
    EngineName,
    Flag,
    FolderPath,
    Hostname,
    IdleDuration,
    Kind,
    ListenAddress,
    Network,
    Origin,
    Pause,
    Port,
    QuietPath,
    Size,
    Text,
    TimeZone,
    UrlPath,
    VariableName,
    WarmHoursText,
)


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


class QueueSettings(Section):
    """Requests that wait for an engine: while it starts, for its turn in the budget, or for a free place."""

    limit: Annotated[int, Field(ge=1, le=100_000), Kind("1 to 100000")] = 1024
    """How many may wait. More are refused with 429."""
    max_wait: Duration = 600
    """How long one may wait. After that, 503."""
    bytes: Size | None = None
    """How large the bodies of those that wait may be together, by what they declare. More are refused with 429. Chunked
    bodies declare nothing, and count as nothing."""


class Needs(Section):
    """What the engine takes of the `budget` while it runs. What is not said counts as nothing."""

    memory: Size | None = None
    """Main memory."""
    gpu_memory: Size | None = None
    """Memory of the GPU."""


class Budget(Section):
    """What all engines together may take. One that does not fit waits until others have been put to sleep."""

    memory: Size | None = None
    """Main memory. Not limited where it is not set."""
    gpu_memory: Size | None = None
    """Memory of the GPU. Not limited where it is not set."""
    turn: Duration = 30
    """How long an engine that others wait for may go on before it has to make room. No running request is cut."""


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
    concurrency: Concurrency = None
    """Requests that are with the engine at once; more wait in the queue."""
    queue: QueueSettings = QueueSettings()
    """The requests that wait for it."""
    replay: Flag = True
    """Whether a request is sent once more when the engine dies before it has begun an answer. `false` where sending
    one twice would do harm."""
    min_awake: Pause = 0
    """Not put to sleep sooner than this after it became ready, be it for idling or to make room."""
    needs: Needs = Needs()
    """What it takes of the budget."""
    keep_warm: tuple[WarmHoursText, ...] = ()
    """Hours of the week, such as `Mon-Fri 08:00-18:00`, in which it is woken and kept awake; or `always`."""
    preload: Flag = False
    """Woken when the gateway starts, or by the reload that says so."""
    quiet_paths: tuple[QuietPath, ...] = (
        "/health",
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/v1/models",
    )
    """GET and HEAD for these neither wake the engine nor keep it awake; the gateway answers them while it sleeps."""

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
    concurrency: Concurrency = None
    """See `engines.*.concurrency`."""
    queue: QueueSettings = QueueSettings()
    """The requests that wait for an engine."""
    replay: Flag = True
    """See `engines.*.replay`."""
    min_awake: Pause = 0
    """See `engines.*.min_awake`."""


class LogSettings(Section):
    """What is logged, and how it looks."""

    format: Literal["auto", "console", "journal", "json"] = "auto"
    """`console` is for people, `journal` for journald, `json` for other machines; `auto` finds out which it is."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe event that is logged."""
    requests: Literal["notable", "all"] = "notable"
    """`notable`: requests that woke or waited for an engine, or failed. `all`: every request."""


class SpoolSettings(Section):
    """The folder where request bodies are kept until their engine has answered. Its files have no names."""

    dir: FolderPath | None = None
    """By default the folder `spool` in `state_dir`."""
    per_request: Size = 1024**3
    """The most that is kept of one request. One that is larger is slowed down, and cannot be sent once more."""
    total: Size = 4 * 1024**3
    """The most that is kept of all requests together. A quarter of it is left for requests that engines are
    reading; those that still wait are slowed down before that."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self._obeying(contradictions.in_spool)


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
    time_zone: TimeZone = "UTC"
    """Whose clock `keep_warm` goes by, such as `Europe/Berlin`."""
    spool: SpoolSettings = SpoolSettings()
    """Where request bodies are kept."""
    log: LogSettings = LogSettings()
    """Logging."""

    @property
    def spool_folder(self) -> Path:
        return self.spool.dir or self.state_dir / "spool"

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
    budget: Budget | None = None
    """What all engines together may take."""
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
        usable = {key: value for key, value in defaults.items() if _is_usable({key: value})}
        filled = {name: _filled(spec, usable) if isinstance(spec, dict) else spec for name, spec in engines.items()}
        return {**data, "engines": filled}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self._obeying(contradictions.in_file)


def _filled(spec: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """What the engine says wins, inside `queue` key by key."""
    own, default = spec.get("queue"), defaults.get("queue")
    if isinstance(own, QueueSettings):
        own = own.model_dump(exclude_unset=True)
    if isinstance(own, dict) and isinstance(default, dict):
        spec = {**spec, "queue": {**default, **own}}
    return {**defaults, **spec}


def _is_usable(default: dict[str, Any]) -> bool:
    """Whether a default can be handed to the engines. One that cannot is reported once, where it is written."""
    try:
        EngineDefaults.model_validate(default)
    except ValidationError:
        return False
    return True
