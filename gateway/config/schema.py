"""Every setting, with its default and its meaning. The reference page and config.schema.json are made from this file."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from gateway.config.durations import parse_duration, parse_idle
from gateway.config.hosts import Listen, parse_hostname, parse_listen

Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"type": ["string", "number"], "examples": ["15m", "1h30m"]})
]
IdleDuration = Annotated[
    float | None,
    BeforeValidator(parse_idle),
    WithJsonSchema({"type": ["string", "number"], "examples": ["15m", "never"]}),
]
Hostname = Annotated[str, BeforeValidator(parse_hostname)]
ListenAddress = Annotated[
    Listen, BeforeValidator(parse_listen), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8890"]})
]
Network = Annotated[str, BeforeValidator(lambda text: str(ipaddress.ip_network(text, strict=False)))]
Port = Annotated[int, Field(ge=1, le=65535)]
EngineName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$")]


class Section(BaseModel):
    """A part of the file: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DockerTarget(Section):
    """Which container is the engine: by `container`, or by compose `project` and `service`."""

    container: str | None = None
    """Name of the container that serves the engine's hostnames."""
    depends_on: tuple[str, ...] = ()
    """Names of containers that are started before it, in this order, and stopped after it. Only with `container`."""
    project: str | None = None
    """Compose project of the service below. What the service depends on in compose is started before it."""
    service: str | None = None
    """Compose service that serves the engine's hostnames."""

    @model_validator(mode="after")
    def _one_way_of_naming(self) -> Self:
        if (self.container is None) == (self.project is None and self.service is None):
            raise ValueError("name the engine by `container`, or by `project` and `service`")
        if self.container is None and (self.project is None or self.service is None):
            raise ValueError("`project` and `service` go together")
        if self.depends_on and self.container is None:
            raise ValueError("`depends_on` goes with `container`; compose services bring their own depends_on")
        return self


class ProcessTarget(Section):
    """A local command as the engine; no container needed."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """Program and arguments. `{port}` in an argument becomes the engine's port. It must listen on 127.0.0.1."""
    environment: dict[str, str] = {}
    """Variables added to the gateway's own environment."""
    directory: Path | None = None
    """Where the command runs; by default the folder of the configuration file."""


class Ready(Section):
    """How the gateway finds out that the engine answers."""

    path: Annotated[str, Field(pattern=r"^/[!-~]*$")] = "/health"
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
    idle_after: IdleDuration = 15 * 60
    """The engine is stopped when it has served nothing for this long. `never` keeps it."""
    start_timeout: Duration = 60
    """How long a start may take until the engine is ready. After that, waiting requests get 504."""
    stop_timeout: Duration = 10
    """How long the engine may take to stop by itself before it is killed."""
    answer_timeout: Duration = 3600
    """How long the engine may take to begin an answer once it has the request. After that, 504."""

    @model_validator(mode="after")
    def _one_runtime(self) -> Self:
        if (self.docker is None) == (self.process is None):
            raise ValueError("an engine needs exactly one of `docker` and `process`")
        return self


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

    format: Literal["auto", "console", "json"] = "auto"
    """`console` is for people, `json` for journald; `auto` picks `console` on a terminal."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe event that is logged."""
    requests: Literal["notable", "all"] = "notable"
    """`notable`: requests that woke or waited for an engine, or failed. `all`: every request."""


class GatewaySettings(Section):
    """The gateway itself."""

    listen: ListenAddress = Listen("127.0.0.1", 8890)
    """Address for clients. Anything but loopback needs `trusted_proxies`."""
    admin: ListenAddress = Listen("127.0.0.1", 8891)
    """Loopback address of the control API, used by `whisper-gateway status` and friends."""
    portal: Hostname | None = None
    """The gateway's own hostname, where the control API is served to clients."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks whose X-Forwarded-*, Forwarded, X-Request-ID and X-Remote-User are believed."""
    state_dir: Path = Path("state")
    """Folder for what must survive a restart, such as the ids and logs of `process` engines."""
    on_exit: Literal["leave", "stop"] = "leave"
    """Whether engines go on running when the gateway stops; a restarted gateway adopts them."""
    drain_timeout: Duration = 30
    """How long running answers may take to finish when the gateway stops."""
    head_timeout: Duration = 30
    """How long a client may take to send a request's head."""
    head_limit: Annotated[int, Field(ge=1024, le=1024 * 1024)] = 32 * 1024
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
    def _public_needs_a_proxy(self) -> Self:
        if not self.listen.is_loopback and not self.trusted_proxies:
            raise ValueError(
                f"`listen: {self.listen}` is open to the network, and the gateway has no passwords of its own: "
                "put a proxy in front and name it in `trusted_proxies`, or listen on 127.0.0.1"
            )
        return self


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
        if not isinstance(defaults, dict) or not isinstance(engines, dict):
            return data
        known = {key: value for key, value in defaults.items() if key in EngineDefaults.model_fields}
        return {
            **data,
            "engines": {
                name: {**known, **spec} if isinstance(spec, dict) else spec for name, spec in engines.items()
            },
        }

    @model_validator(mode="after")
    def _hostnames_are_unique(self) -> Self:
        owners: dict[str, str] = {}
        if self.gateway.portal:
            owners[self.gateway.portal] = "gateway.portal"
        for name, spec in self.engines.items():
            for host in spec.hosts:
                if host in owners:
                    raise ValueError(f"hostname {host!r} of engines.{name} already belongs to {owners[host]}")
                owners[host] = f"engines.{name}"
        return self
