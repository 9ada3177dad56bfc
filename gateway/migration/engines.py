"""Which engines come of docker-autostart's entries: a container each, with all the hostnames that lead to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.problems import quoted
from gateway.migration.autostart_file import Service
from gateway.migration.compose_folder import ComposeFolder, ComposeService

_READY = "ready: it must answer GET /health with 200 to 399 once it is ready; if not, add such as ready: {path: /docs}"

Read = Callable[[Path], ComposeFolder]
"""What a folder's compose files say. Raises ValueError, a clause about the folder."""


@dataclass(slots=True)
class Engine:
    """One engine as it will be written. Either `container`, or `project` and `service`.

    port: inside the container. published: on the host, where it was found. ready: a path that answers when it is ready,
    if the health check tells one. notes: what its operator should look at.
    """

    name: str
    titles: list[str]
    hosts: list[str]
    container: str
    project: str
    service: str
    depends_on: list[str]
    port: int
    published: int | None
    ready: str | None
    notes: list[str] = field(default_factory=list)


def engines_of(services: Iterable[Service], read: Read) -> tuple[list[Engine], list[str]]:
    """The engines, and what is to be said of entries that came to none."""
    engines: dict[tuple[str, str, str], Engine] = {}
    left_out: list[str] = []
    for service in services:
        try:
            engine = _engine(service, read)
        except ValueError as exc:
            left_out.append(f"{service.host} is left out: {exc}")
            left_out.extend(f"{service.host}: {note}" for note in service.notes)
            continue
        key = (engine.container, engine.project, engine.service)
        if key not in engines:
            engine.name = _unique(engine.name, {other.name for other in engines.values()})
            engines[key] = engine
        else:
            _join(engines[key], engine)
    _separate(engines.values())
    return list(engines.values()), left_out


def _engine(service: Service, read: Read) -> Engine:
    """Raises ValueError: why there is none."""
    folder, trouble = _folder(service, read)
    serving, found = _serving(service, folder)
    notes = [*service.notes]
    if len(service.containers) > 1 and (found is None or service.port not in found.ports):
        notes.append(f"which container answers could not be found out: {serving} is a guess, as it comes first")
    inside = _port_inside(service, found, notes, trouble)
    if found and found.restart not in ("", "no"):
        notes.append(f'compose says restart: {found.restart}; make that "no": the gateway alone decides when it runs')
    if found is None or inside not in found.checked:
        notes.append(_READY)
    by_service = folder is not None and found is not None and folder.of_container(serving) is None
    depends_on = [name for name in service.containers if name != serving]
    if by_service and depends_on:
        names = ", ".join(depends_on)
        notes.append(f"{names}: what compose's own depends_on names is started before it, and nothing else")
    return Engine(
        name=_slug(serving) or "engine",
        titles=[service.name] if service.name else [],
        hosts=[service.host],
        container="" if by_service else serving,
        project=folder.project if by_service and folder else "",
        service=serving if by_service else "",
        depends_on=[] if by_service else depends_on,
        port=inside,
        published=service.port if found and not found.on_host_network else None,
        ready=found.checked.get(inside) if found else None,
        notes=notes,
    )


def _folder(service: Service, read: Read) -> tuple[ComposeFolder | None, str]:
    """What the compose files say, or why they say nothing."""
    if service.compose_dir is None:
        return None, "there is no composeDir to look into"
    try:
        return read(service.compose_dir), ""
    except ValueError as exc:
        return None, f"composeDir {quoted(service.compose_dir, longest=300)} {exc}"


def _serving(service: Service, folder: ComposeFolder | None) -> tuple[str, ComposeService | None]:
    """The container that serves, and its compose service. Raises ValueError where none can be meant."""
    services = folder.services if folder else ()
    if not service.containers:
        publishing = [one for one in services if service.port in one.ports]
        if len(publishing) != 1:
            raise ValueError("it names no container")
        return publishing[0].container or publishing[0].name, publishing[0]
    found = [
        (name, (folder.of_container(name) or folder.named(name)) if folder else None) for name in service.containers
    ]
    for name, one in found:
        if one is not None and service.port in one.ports:
            return name, one
    return found[0]


def _port_inside(service: Service, found: ComposeService | None, notes: list[str], trouble: str) -> int:
    """Raises ValueError where there is no port at all."""
    if found is not None and service.port is not None and service.port in found.ports:
        return found.ports[service.port]
    if found is not None and service.port is None and len(found.ports) == 1:
        return next(iter(found.ports.values()))
    if service.port is None:
        raise ValueError("it has no proxyPort")
    if found is None or not found.on_host_network:
        why = trouble or (
            f"compose publishes no port {service.port} for it" if found else "it was not found in the compose file"
        )
        notes.append(f"port: {service.port} is the one on the host; the one inside the container is needed, but {why}")
    return service.port


def _join(engine: Engine, other: Engine) -> None:
    """Another hostname of the same container."""
    if engine.port != other.port:
        host = other.hosts[0]
        engine.notes.append(f"{host} is left out: it leads to port {other.port} of the container, an engine has one")
        engine.notes.extend(f"{host}: {note}" for note in other.notes)
        return
    engine.hosts += other.hosts
    engine.titles += [title for title in other.titles if title not in engine.titles]
    engine.depends_on += [name for name in other.depends_on if name not in engine.depends_on]
    engine.notes += [note for note in other.notes if note not in engine.notes]


def _separate(engines: Iterable[Engine]) -> None:
    """An engine cannot be what another depends on: each sleeps when nobody asks for it."""
    owners = {engine.container: engine.name for engine in engines if engine.container}
    for engine in engines:
        for name in [name for name in engine.depends_on if name in owners]:
            engine.depends_on.remove(name)
            engine.notes.append(f"{name} is not started with it any more: it is the engine {owners[name]}")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:60].strip("-")


def _unique(name: str, taken: set[str]) -> str:
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name[:58].rstrip('-')}-{number}", number + 1
    return unique
