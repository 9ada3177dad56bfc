"""Reads, decides, writes; and reads again what it has written before anybody else does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from gateway.config import load_config
from gateway.config.files import LARGEST, read_text
from gateway.config.problems import Problem
from gateway.errors import ConfigError
from gateway.migration.autostart_file import read_autostart_file
from gateway.migration.compose_folder import read_compose_folder
from gateway.migration.engines import engines_of
from gateway.migration.writing import written


@dataclass(frozen=True, slots=True)
class Migration:
    """text: a configuration that loads. checks: what its reader should look at, as in its comments."""

    text: str
    checks: tuple[str, ...]


def migrated(source: Path, environment: Mapping[str, str]) -> Migration:
    """environment: for variables in compose files. Raises ConfigError if nothing can be made of the file."""
    try:
        read = read_autostart_file(read_text(source, LARGEST), source)
    except ValueError as exc:
        raise ConfigError([Problem(str(exc)).printed(str(source))]) from exc
    engines, left_out = engines_of(read.services, cache(partial(read_compose_folder, environment=environment)))
    notes = [*read.notes, *left_out]
    if not engines:
        problems = ["nothing to migrate: none of its services can become an engine", *notes]
        raise ConfigError([Problem(problem).printed(str(source)) for problem in problems])
    text = written(source.name, engines, notes)
    _load(text)
    return Migration(text, (*notes, *(f"{engine.name}: {note}" for engine in engines for note in engine.notes)))


def write(text: str, output: Path, *, replace: bool) -> None:
    """Raises OSError; FileExistsError if the file is there already and not to be replaced."""
    with output.open("w" if replace else "x", encoding="utf-8") as file:
        file.write(text)


def _load(text: str) -> None:
    """Raises ConfigError. Nobody shall find out at the next start of the gateway."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_text(text, encoding="utf-8")
        load_config(file, environment={})
