"""What a folder's compose files say of the containers in them: names, published ports, health checks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import names
from gateway.config.document import read_document
from gateway.config.files import LARGEST, read_text
from gateway.config.problems import quoted
from gateway.config.yaml_nodes import NotYaml
from gateway.migration.published_ports import published
from gateway.migration.variables import interpolated, read_env_file

_COMPOSE_NAME, _CONTAINER_NAME = re.compile(names.COMPOSE_NAME), re.compile(names.CONTAINER_NAME)
_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_CHECKED = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(?P<port>\d{1,5}))?(?P<path>/[\w./~-]*)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class ComposeService:
    """ports: published port → port inside. checked: port → path that the health check asks for, if it asks by HTTP."""

    name: str
    container: str | None
    ports: Mapping[int, int]
    checked: Mapping[int, str]
    on_host_network: bool
    restart: str


@dataclass(frozen=True, slots=True)
class ComposeFolder:
    """project: under which compose knows its containers."""

    project: str
    services: tuple[ComposeService, ...]

    def of_container(self, name: str) -> ComposeService | None:
        """The service whose container has this name, given or made by compose (v1 wrote "_")."""
        for service in self.services:
            made = {f"{self.project}{mark}{service.name}{mark}1" for mark in "-_"}
            if name == service.container or (service.container is None and name in made):
                return service
        return None

    def named(self, name: str) -> ComposeService | None:
        """The service of this name, whose container is called something else."""
        return next((service for service in self.services if service.name == name), None)


def read_compose_folder(folder: Path, environment: Mapping[str, str]) -> ComposeFolder:
    """Raises ValueError: one clause about the folder, such as "has no compose file"."""
    own = _env_file(folder)
    values = {**own, **environment}
    files = list(_files(folder, own))  # who migrates is not who ran compose: COMPOSE_… of their shell count for nothing
    if not files:
        raise ValueError("has no compose file" if folder.is_dir() else "does not exist")
    data: dict[str, Any] = {}
    services: dict[str, dict[str, Any]] = {}
    for file in files:
        read = _data(file)
        data |= read
        for name, service in _mapping(read.get("services")).items():
            services[name] = _merged(services.get(name, {}), _mapping(service))
    project = own.get("COMPOSE_PROJECT_NAME") or _filled(data.get("name"), values) or _project(folder)
    if not _COMPOSE_NAME.fullmatch(project):
        raise ValueError(f"has a compose project without a usable name, {quoted(project)}")
    usable = {name: service for name, service in services.items() if _COMPOSE_NAME.fullmatch(name)}
    return ComposeFolder(project, tuple(_service(name, service, values) for name, service in usable.items()))


def _env_file(folder: Path) -> dict[str, str]:
    try:
        return read_env_file(read_text(folder / ".env", LARGEST))
    except ValueError:
        return {}


def _files(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    if listed := environment.get("COMPOSE_FILE"):
        yield from (folder / name for name in listed.split(environment.get("COMPOSE_PATH_SEPARATOR") or ":") if name)
        return
    for name in _NAMES:
        if (file := folder / name).is_file():
            yield file
            break
    else:
        return
    for name in _NAMES:
        stem, _, ending = name.rpartition(".")
        if (file := folder / f"{stem}.override.{ending}").is_file():
            yield file
            break


def _data(file: Path) -> dict[str, Any]:
    """Its variables are left as they are written: doubled, they come out single."""
    try:
        data = read_document(read_text(file, LARGEST).replace("$", "$$"), {}).data
    except NotYaml as exc:
        raise ValueError(f"has {quoted(file.name)}, which cannot be read: {exc.problem.message}") from exc
    except ValueError as exc:
        raise ValueError(f"has {quoted(file.name)}, which {exc}") from exc
    return _mapping(data)


def _merged(service: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """As compose does it with a second file: ports are added, most else is replaced."""
    ports = [*_listed(service.get("ports")), *_listed(more.get("ports"))]
    return {**service, **more, "ports": ports}


def _service(name: str, data: Mapping[str, Any], environment: Mapping[str, str]) -> ComposeService:
    ports: dict[int, int] = {}
    for entry in _listed(data.get("ports")):
        filled = (
            {key: _filled(value, environment) for key, value in entry.items()}
            if isinstance(entry, Mapping)
            else _filled(entry, environment)
        )
        for outside, inside in published(filled):
            ports.setdefault(outside, inside)
    check = _mapping(data.get("healthcheck")).get("test")
    words = " ".join(_filled(word, environment) for word in (check if isinstance(check, list) else [check]))
    container = _filled(data.get("container_name"), environment)
    return ComposeService(
        name=name,
        container=container if _CONTAINER_NAME.fullmatch(container) else None,
        ports=ports,
        checked={int(found["port"] or 80): found["path"] or "/" for found in _CHECKED.finditer(words)},
        on_host_network=data.get("network_mode") == "host",
        restart=_filled(data.get("restart"), environment),
    )


def _filled(value: Any, environment: Mapping[str, str]) -> str:
    """A text with its variables filled in; empty where it is none, or a variable is missing."""
    try:
        return interpolated(value, environment).strip() if isinstance(value, str) else ""
    except ValueError:
        return ""


def _project(folder: Path) -> str:
    return re.sub(r"[^a-z0-9_-]", "", folder.absolute().name.lower()).lstrip("_-")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
