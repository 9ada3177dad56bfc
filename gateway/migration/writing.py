"""The configuration as text: what the engines need, and a comment for whatever its reader should look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from gateway.config.problems import printable
from gateway.migration.engines import Engine

_PLAIN = re.compile(r"[a-z][a-z0-9._-]*")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

_HEAD = """\
# Made by `whisper-gateway migrate` from {source}.
# Look at the lines that begin with "# Check:"; then let `whisper-gateway check` read the file. Other settings, such as
# how long an engine idles before it is stopped, have their defaults: docs/configuration.md has them all.
"""
_GATEWAY = """\
gateway:
  listen: 127.0.0.1:8890            # docker-autostart's address, if it had its default: stop it before
  trusted_proxies: [127.0.0.1/32]   # Nginx on this machine, which must say who logged in: nginx/README.md tells how
  state_dir: ./state                # what must survive a restart; beside this file
"""


def written(source: str, engines: Iterable[Engine], notes: Iterable[str]) -> str:
    """The whole file. `notes` belong to none of the engines."""
    lines = [_HEAD.format(source=printable(source)).rstrip(), *_checks(notes), "", _GATEWAY.rstrip(), "", "engines:"]
    for engine in engines:
        lines += ["", *(f"  {line}" for line in _lines(engine))]
    return "\n".join(lines) + "\n"


def _lines(engine: Engine) -> Iterator[str]:
    yield from (f"# {printable(title)}" for title in engine.titles)
    yield f"{_text(engine.name)}:"
    yield f"  hosts: [{', '.join(_text(host) for host in engine.hosts)}]"
    yield "  docker:"
    if engine.service:
        yield f"    project: {_text(engine.project)}"
        yield f"    service: {_text(engine.service)}"
    else:
        yield f"    container: {_text(engine.container)}"
    if engine.depends_on:
        yield f"    depends_on: [{', '.join(_text(name) for name in engine.depends_on)}]"
    moved = engine.published not in (None, engine.port)
    yield f"  port: {engine.port}" + (
        f"   # inside the container; compose publishes it as {engine.published}" if moved else ""
    )
    if engine.ready is not None:
        yield f"  ready: {{path: {json.dumps(engine.ready)}}}   # as its health check in the compose file"
    yield from (f"  {line}" for line in _checks(engine.notes))


def _checks(notes: Iterable[str]) -> Iterator[str]:
    return (f"# Check: {printable(note)}" for note in notes)


def _text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text not in _WORDS else json.dumps(text)
