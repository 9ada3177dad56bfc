"""Reads docker-autostart's file: under "services", one entry for each hostname.

    {"services": {"whisper.example.org": {
        "name": "Fast transcription",       for people
        "composeDir": "/opt/whisper",       folder of the compose file
        "proxyPort": 8001,                  port that the container publishes on the host
        "blocking": true,                   hold the caller until the container answers
        "containers": ["faster-whisper"]    what is started for it
    }}}

What it does not understand it names, so that nothing gets lost without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config.hosts import parse_hostname
from gateway.config.names import CONTAINER_NAME, shaped
from gateway.config.problems import Problem, dotted, printable, quoted
from gateway.errors import ConfigError

_ENTRY = ("name", "composeDir", "proxyPort", "blocking", "containers")
_LONGEST = 200
_as_container = shaped(CONTAINER_NAME, "the name of a container", 'such as "faster-whisper"')


@dataclass(slots=True)
class Service:
    """One hostname's entry, as far as it can be used. `notes`: what of it cannot, or has no counterpart here.

    port: the published one, None if the entry has none that could be one.
    """

    host: str
    name: str = ""
    compose_dir: Path | None = None
    port: int | None = None
    containers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class AutostartFile:
    services: list[Service] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_autostart_file(text: str, path: Path) -> AutostartFile:
    """path: of the file; a relative composeDir begins at its folder. Raises ConfigError if it is no such file."""
    read, twice = AutostartFile(), list[str]()

    def remembering(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(dict.fromkeys(name for name in names if names.count(name) > 1))
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=remembering)
    except json.JSONDecodeError as exc:
        raise ConfigError([Problem(f"not valid JSON: {exc.msg}", line=exc.lineno).printed(str(path))]) from exc
    except (ValueError, RecursionError) as exc:  # a number of thousands of digits, or brackets as deep
        raise ConfigError([Problem("not JSON that can be read").printed(str(path))]) from exc
    services = data.get("services") if isinstance(data, dict) else None
    if not isinstance(services, dict) or not services:
        raise ConfigError([Problem('"services" is missing: an entry for each hostname').printed(str(path))])
    read.notes += [f"{quoted(name, _LONGEST)} is written twice in one place; the last one counts" for name in twice]
    read.notes += [_unknown(name, value) for name, value in data.items() if name != "services"]
    for host, entry in services.items():
        _read_service(read, host, entry, path.absolute().parent)
    return read


def _read_service(read: AutostartFile, host: str, entry: Any, folder: Path) -> None:
    where = dotted(("services", host)) if len(host) <= _LONGEST else f"services.{quoted(host, _LONGEST)}"
    if not isinstance(entry, dict):
        read.notes.append(f"{where} is left out: it is {_shown(entry)}, and settings were expected")
        return
    try:
        service = Service(parse_hostname(host))
    except ValueError as exc:
        read.notes.append(f"{where} is left out: {exc}; it said {_shown(entry)}")
        return
    if any(service.host == other.host for other in read.services):
        read.notes.append(f"{where} is left out: the hostname has an entry already; it said {_shown(entry)}")
        return
    _fill(service, entry, folder)
    read.services.append(service)


def _fill(service: Service, entry: Mapping[str, Any], folder: Path) -> None:
    notes = service.notes
    match entry.get("name", ""):
        case str(name):
            service.name = name.strip()
        case other:
            notes.append(_unknown("name", other))
    match entry.get("composeDir"):
        case str(place) if place.strip() and "\0" not in place:
            service.compose_dir = folder / place
        case None:
            pass
        case other:
            notes.append(_unknown("composeDir", other))
    if "proxyPort" in entry:
        service.port = _port(entry["proxyPort"])
        if service.port is None:
            notes.append(f"proxyPort is no port: {_shown(entry['proxyPort'])}")
    if entry.get("blocking") is False:
        notes.append("blocking: false has no counterpart: a call is held until the engine answers it")
    elif entry.get("blocking", True) is not True:
        notes.append(_unknown("blocking", entry["blocking"]))
    _read_containers(service, entry.get("containers", []))
    notes.extend(_unknown(name, value) for name, value in entry.items() if name not in _ENTRY)


def _read_containers(service: Service, value: Any) -> None:
    for name in value if isinstance(value, list) else [value]:
        try:
            if not isinstance(name, str):
                raise ValueError(f"{_shown(name)} is not the name of a container")  # noqa: TRY004  one way out
            if _as_container(name) not in service.containers:
                service.containers.append(name)
        except ValueError as exc:
            service.notes.append(f"containers: {exc}")


def _port(value: Any) -> int | None:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    return number if 1 <= number <= 65535 else None


def _unknown(name: str, value: Any) -> str:
    return f"{quoted(name, _LONGEST)} is not understood: {_shown(value)}"


def _shown(value: Any) -> str:
    """As it was written, on one line, and cut if it is long."""
    text = printable(json.dumps(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
