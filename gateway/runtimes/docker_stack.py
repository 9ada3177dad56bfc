"""Which containers make up an engine, and in which order they start: read from names, or from compose's labels.

Compose writes what a service depends on into a label of its container, such as
`db:service_healthy:false,seed:service_completed_successfully:false`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.schema import DockerTarget
from gateway.errors import EngineMissing, StartRefused

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
DEPENDS_ON = "com.docker.compose.depends_on"
ONEOFF = "com.docker.compose.oneoff"
NUMBER = "com.docker.compose.container-number"
REPLACES = "com.docker.compose.replace"

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"

Summary = Mapping[str, Any]
"""One container as `GET /containers/json` lists it."""


@dataclass(frozen=True, slots=True)
class Need:
    """What must be true of another container first: STARTED, HEALTHY or COMPLETED."""

    container: str
    condition: str


@dataclass(frozen=True, slots=True)
class Member:
    """One container of an engine's stack."""

    container: str
    needs: tuple[Need, ...] = ()


Stack = tuple[Member, ...]
"""In the order of starting; the last one is the engine itself."""


def stack_of_names(target: DockerTarget) -> Stack:
    """The containers that the configuration names."""
    if target.container is None:
        raise ValueError("the engine is not named by its container")
    before = [name for name in dict.fromkeys(target.depends_on) if name != target.container]
    return (*(Member(name) for name in before), Member(target.container))


def stack_of_service(listed: Sequence[Summary], project: str, service: str) -> Stack:
    """The containers of a compose service and of all that it depends on, among those listed of its project.

    A service that was scaled to several containers is the engine with its first one, and a dependency with all.
    What is not there is left out: a program can run, and be stopped, when a dependency's container has been removed.
    Raises EngineMissing if the service itself has no container. Before a start, ask `what_is_wrong`.
    """
    services = _by_service(listed)
    if service not in services:
        raise EngineMissing(missing_service(project, service))
    order: dict[str, tuple[Need, ...]] = {}
    _visit(service, services, order, set())
    needs = order.pop(service)
    before = [Member(name, order[other]) for other in order for name in _names(services[other])]
    return (*before, Member(_names(services[service])[0], needs))


def _visit(
    service: str, services: Mapping[str, Sequence[Summary]], order: dict[str, tuple[Need, ...]], seen: set[str]
) -> None:
    """Depth first, so that `order` ends up with every service behind what it depends on."""
    seen.add(service)
    needs = {name: condition for name, condition in _needs(service, services).items() if name in services}
    for name in needs:
        if name not in seen:
            _visit(name, services, order, seen)
    order[service] = tuple(
        Need(container, condition) for name, condition in needs.items() for container in _names(services[name])
    )


def what_is_wrong(listed: Sequence[Summary], project: str, service: str) -> EngineMissing | StartRefused | None:
    """Why the service cannot be started: something that it depends on is not there, or depends on itself."""
    services = _by_service(listed)
    sound: set[str] = set()

    def check(name: str, path: tuple[str, ...]) -> EngineMissing | StartRefused | None:
        if name in path:
            return StartRefused(f"depends on itself: {' → '.join((*path, name))}")
        if name not in services:
            return EngineMissing(missing_service(project, name))
        for needed in [] if name in sound else _needs(name, services):
            if problem := check(needed, (*path, name)):
                return problem
        sound.add(name)
        return None

    return check(service, ())


def _needs(service: str, services: Mapping[str, Sequence[Summary]]) -> dict[str, str]:
    return depends_on(services[service][0])


def _by_service(listed: Sequence[Summary]) -> dict[str, list[Summary]]:
    """An image that compose has built hands project and service down to what is made of it; a number it does not."""
    services: dict[str, list[Summary]] = {}
    for summary in sorted(listed, key=_number):
        labels = summary.get("Labels") or {}
        of_compose = labels.get(NUMBER) and labels.get(ONEOFF, "False").lower() != "true"
        if labels.get(SERVICE) and of_compose and _names([summary]) and not _is_successor(summary):
            services.setdefault(labels[SERVICE], []).append(summary)
    return services


def _is_successor(summary: Summary) -> bool:
    """Compose makes a container anew under a name such as `d1f583825731_p-engine-1`, and renames it when the one that
    it replaces is gone. Until then it is nobody's.
    """
    return REPLACES in (summary.get("Labels") or {}) and all(map(_PASSING_NAME.match, _names([summary])))


_PASSING_NAME = re.compile("[0-9a-f]{12}_")


def _number(summary: Summary) -> int:
    number = (summary.get("Labels") or {}).get(NUMBER) or "1"
    return int(number) if number.isdigit() else 1


def depends_on(summary: Summary) -> dict[str, str]:
    """Service → condition, from the container's label."""
    needs: dict[str, str] = {}
    for entry in ((summary.get("Labels") or {}).get(DEPENDS_ON) or "").split(","):
        service, _, rest = entry.strip().partition(":")
        if service:
            needs[service] = rest.partition(":")[0] or STARTED
    return needs


def _names(summaries: Sequence[Summary]) -> list[str]:
    """Each container's own name; it is listed with those that others link to it by as well, such as `/other/alias`."""
    listed = [[name.removeprefix("/") for name in summary.get("Names") or []] for summary in summaries]
    return [name for names in listed for name in names if "/" not in name]


def missing_container(container: str) -> str:
    return (
        f"has no container: there is none named {container!r}; create it with `docker compose create`, "
        f"or with `docker create --name {container} ...`"
    )


def missing_service(project: str, service: str) -> str:
    return f"has no container: create it with `docker compose -p {project} create {service}`"
