"""What is wrong between settings that may each be right by themselves.

These rules read the file as it was written, valid or not, as well as the finished models. So a misspelt duration in
one engine does not hide that two others claim the same hostname: all problems are told together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.config.hosts import DEFAULT_ADMIN, DEFAULT_LISTEN, Listen, parse_hostname, parse_listen
from gateway.config.problems import Path, quoted
from gateway.config.sizes import format_size, parse_size

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """`path` is relative to the section that the rule looked at."""

    message: str
    path: Path = ()


def in_docker(docker: Any) -> Iterator[Contradiction]:
    """A container is named in one of two ways."""
    container, project, service = (_read(docker, name) for name in ("container", "project", "service"))
    depends_on = _texts(_read(docker, "depends_on"))
    if container is not None and (project is not None or service is not None):
        yield Contradiction("name the engine either by `container`, or by `project` and `service`, not both")
    elif container is None and project is None and service is None:
        yield Contradiction("name the engine by `container`, or by `project` and `service`")
    elif container is None and (project is None or service is None):
        yield Contradiction("`project` and `service` go together; one of them is missing")
    if depends_on and container is None:
        message = "`depends_on` goes with `container`; compose services bring their own depends_on"
        yield Contradiction(message, ("depends_on",))
    for index, name in enumerate(depends_on):
        if name == container:
            yield Contradiction("a container cannot depend on itself", ("depends_on", index))


def in_process(process: Any) -> Iterator[Contradiction]:
    """A variable comes from one place."""
    environment, files = _read(process, "environment"), _read(process, "environment_files")
    if isinstance(environment, Mapping) and isinstance(files, Mapping):
        for name in files:
            if name in environment:
                yield Contradiction("this variable is also given in `environment`", ("environment_files", name))


def in_engine(engine: Any) -> Iterator[Contradiction]:
    """An engine has exactly one runtime."""
    given = [name for name in ("docker", "process") if _read(engine, name) is not None]
    if not given:
        yield Contradiction("say what runs this engine: `docker` or `process` is missing")
    if len(given) > 1:
        yield Contradiction("an engine is run by `docker` or by `process`, not by both")


def in_gateway(gateway: Any) -> Iterator[Contradiction]:
    """Two servers need two addresses. Whether an open address is guarded depends on keys: `auth.opening` knows."""
    listen, admin = _listening(gateway)
    if listen and admin and listen.collides_with(admin):
        yield Contradiction(f"`listen` and `admin` cannot share {quoted(admin)} (try another port)", ("admin",))


def in_spool(spool: Any) -> Iterator[Contradiction]:
    """One request is not given more than all together. Only what is written counts: a default gives way."""
    written = spool if isinstance(spool, Mapping) else {name: getattr(spool, name) for name in spool.model_fields_set}
    one, total = (_parsed(parse_size, written.get(name)) for name in ("per_request", "total"))
    if one and total and one > total:
        yield Contradiction(f"one request cannot keep more than `total`, {format_size(total)}", ("per_request",))


def in_file(config: Any) -> Iterator[Contradiction]:
    """Engines do not share what only one can have."""
    engines = _read(config, "engines")
    if isinstance(engines, Mapping):
        yield from _shared_hostnames(_read(config, "gateway"), engines)
        yield from _shared_containers(engines)
        yield from _shared_ports(_read(config, "gateway"), engines)
        yield from _budget(_read(config, "budget"), engines)


def _shared_hostnames(gateway: Any, engines: Mapping[str, Any]) -> Iterator[Contradiction]:
    owners: dict[str, str] = {}
    portal = _parsed(parse_hostname, _read(gateway, "portal"))
    if portal:
        owners[portal] = "gateway.portal"
    for name, engine in engines.items():
        for index, text in enumerate(_texts(_read(engine, "hosts"))):
            host = _parsed(parse_hostname, text)
            if host and host in owners:
                owner = "this engine" if owners[host] == f"engines.{name}" else owners[host]
                message = f"hostname {quoted(host)} already belongs to {owner}"
                yield Contradiction(message, ("engines", name, "hosts", index))
            elif host:
                owners[host] = f"engines.{name}"


def _shared_containers(engines: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Two engines in one container would stop each other, and so would an engine and another that depends on it."""
    owners: dict[object, str] = {}
    for name, engine in engines.items():
        docker = _read(engine, "docker")
        what, setting = _read(docker, "container"), "container"
        if what is None and _read(docker, "service") is not None:
            what, setting = (_read(docker, "project"), _read(docker, "service")), "service"
        if not _is_text(what):
            continue
        if what in owners:
            message = f"this {setting} is already the engine {quoted(owners[what])}"
            yield Contradiction(message, ("engines", name, "docker", setting))
        owners.setdefault(what, name)
    for name, engine in engines.items():
        for index, container in enumerate(_texts(_read(engine, "docker", "depends_on"))):
            if _is_text(container) and owners.get(container, name) != name:
                message = f"{quoted(container)} is engine {quoted(owners[container])}; engines cannot depend on engines"
                yield Contradiction(message, ("engines", name, "docker", "depends_on", index))


def _shared_ports(gateway: Any, engines: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Commands run on the gateway's own machine, where a port has one owner. Containers each have their own ports."""
    listen, admin = _listening(gateway)
    owners = [(address, path) for address, path in ((listen, "gateway.listen"), (admin, "gateway.admin")) if address]
    for name, engine in engines.items():
        port = str(_read(engine, "port"))
        if _read(engine, "process") is None or not (port.isascii() and port.isdigit() and len(port) <= 5):
            continue
        address = Listen("127.0.0.1", int(port))
        owner = next((path for other, path in owners if other.collides_with(address)), None)
        if owner:
            yield Contradiction(f"port {int(port)} is already used by {owner}", ("engines", name, "port"))
        else:
            owners.append((address, f"engines.{name}"))


def _budget(budget: Any, engines: Mapping[str, Any]) -> Iterator[Contradiction]:
    """An engine that needs more than there is would never start, and a budget that nobody needs does nothing."""
    for resource in ("memory", "gpu_memory"):
        there_is = _parsed(parse_size, _read(budget, resource))
        needs = {
            name: need for name, engine in engines.items() if (need := _read(engine, "needs", resource)) is not None
        }
        if there_is and not needs:
            message = f"no engine says what it needs of it (add `needs: {{{resource}: ...}}` to each)"
            yield Contradiction(message, ("budget", resource))
        for name, need in needs.items():
            size = _parsed(parse_size, need)
            if there_is and size and size > there_is:
                message = f"this is more than the budget has, {format_size(there_is)}"
                yield Contradiction(message, ("engines", name, "needs", resource))


def _listening(gateway: Any) -> tuple[Listen | None, Listen | None]:
    listen, admin = _read(gateway, "listen"), _read(gateway, "admin")
    return (
        DEFAULT_LISTEN if listen is None else _parsed(parse_listen, listen),
        DEFAULT_ADMIN if admin is None else _parsed(parse_listen, admin),
    )


def _read(section: Any, *names: str) -> Any:
    """A setting of a model, or of what was written in its place; None where there is nothing."""
    for name in names:
        section = section.get(name) if isinstance(section, Mapping) else getattr(section, name, None)
    return section


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(part, str) for part in value))


def _texts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _parsed(parse: Callable[[object], T], value: object) -> T | None:
    """What is not valid is reported where it is checked, not here."""
    try:
        return parse(value) if value is not None else None
    except ValueError:
        return None
