#!/usr/bin/python3
"""Prints the hostnames that a certificate has to name, one a line: those of config.yaml that are in the domain.

    hostnames.py CONFIG DOMAIN...

The gateway's list stays the only one: a new engine's hostname is in the certificate a moment later. Runs beside a copy
of five of the gateway's files, and needs PyYAML. Exit status 1: there is none, and standard error says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.config.document import read_document
from gateway.config.hosts import parse_hostname
from gateway.config.yaml_nodes import NotYaml


def hostnames(data: Any) -> list[str]:
    """Every hostname of a configuration, each once, in the order of the file. What is no hostname is left out."""
    return list(dict.fromkeys(name for name in map(_hostname, _written(data)) if name))


def _written(data: Any) -> Iterator[Any]:
    for section in _sections(data, "engines"):
        for engine in section.values():
            hosts = engine.get("hosts") if isinstance(engine, dict) else None
            yield from hosts if isinstance(hosts, list) else ()
    for section in _sections(data, "gateway"):
        yield section.get("portal")


def _sections(data: Any, name: str) -> list[dict[str, Any]]:
    section = data.get(name) if isinstance(data, dict) else None
    return [section] if isinstance(section, dict) else []


def _hostname(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return parse_hostname(value)
    except ValueError:
        return None  # `whisper-gateway check` tells about it


def served(name: str, domains: list[str]) -> bool:
    """Whether nginx answers for this name, and so for the challenge."""
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def main(file: str, *domains: str) -> str | None:
    """Returns what is wrong, for sys.exit."""
    try:
        document = read_document(Path(file).read_text(encoding="utf-8"), os.environ)
    except (OSError, UnicodeDecodeError) as error:
        return f"{file} cannot be read: {error}"
    except NotYaml as error:
        return error.problem.printed(file)
    # Without one of its names a certificate that was good would be replaced by one that is not.
    wrong = [
        problem.printed(file) for problem in document.problems if "hosts" in problem.path or "portal" in problem.path
    ]
    if wrong:
        return "\n".join(wrong)
    found = hostnames(document.data)
    wanted = [name for name in found if served(name, list(domains))]
    for name in found:
        if name not in wanted:
            sys.stderr.write(f"{name} is left out: it is not in DOMAIN ({' '.join(domains)})\n")
    if not wanted:
        return f"{file} has no hostname in DOMAIN ({' '.join(domains)}): one of the two is wrong"
    sys.stdout.writelines(f"{name}\n" for name in wanted)
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
