"""Reads a configuration file: text, then data, then models. All that is wrong with it is told at once.

This is the one place of the configuration that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.config import contradictions
from gateway.config.contradictions import Contradiction
from gateway.config.document import UNUSABLE, Document, read_document
from gateway.config.explaining import explained, path_of
from gateway.config.files import LARGEST, read_environment_files, read_text, settle_paths
from gateway.config.problems import Path as SettingPath
from gateway.config.problems import Problem, described, dotted
from gateway.config.schema import Config, GatewaySettings
from gateway.config.yaml_nodes import NotYaml
from gateway.errors import ConfigError


def load_config(path: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file, with `${VAR}` filled in and paths made absolute.

    environment: what `${VAR}` reads; by default the process's own.
    Raises ConfigError with every problem found, in the file's order. Nothing else is raised for a bad file.
    """
    file = os.fspath(path)
    try:
        text = read_text(Path(file), LARGEST)
    except ValueError as exc:
        raise ConfigError([Problem(str(exc)).printed(file)]) from exc
    try:
        document = read_document(text, os.environ if environment is None else environment)
    except NotYaml as exc:
        raise ConfigError([exc.problem.printed(file)]) from exc
    return _validated(document, file)


def _validated(document: Document, file: str) -> Config:
    data = document.data
    if not isinstance(data, dict):
        message = f"settings are expected at the top (engines: ...), not {described(data)}"
        raise ConfigError([Problem(message, line=document.line_of(())).printed(file)])
    folder = Path(file).absolute().parent  # not resolve(): where a link lies is where its neighbours are
    found = list(_contradictions(data))
    settle_paths(data, folder, str(GatewaySettings.model_fields["state_dir"].default))
    found += read_environment_files(data)
    config = None
    try:
        config = Config.model_validate(data)
    except ValidationError as exc:
        found += _found_by_schema(document, exc)
    problems = document.problems + [Problem(message, path, document.line_of(path)) for path, message in found]
    if config is None or problems:
        raise ConfigError(_in_order(problems, file))
    return config


def _contradictions(data: dict[str, Any]) -> Iterator[tuple[SettingPath, str]]:
    """Read from what was written, so that they are found whether or not the single values are right."""
    engines = data.get("engines")
    looks: list[tuple[SettingPath, Any, Callable[[Any], Iterator[Contradiction]]]] = [
        ((), data, contradictions.in_file),
        (("gateway",), data.get("gateway", {}), contradictions.in_gateway),
    ]
    for name, engine in engines.items() if isinstance(engines, dict) else ():
        looks.append((("engines", name), engine, contradictions.in_engine))
        if isinstance(engine, dict):
            looks.append((("engines", name, "docker"), engine.get("docker"), contradictions.in_docker))
            looks.append((("engines", name, "process"), engine.get("process"), contradictions.in_process))
    for path, section, rule in looks:
        if isinstance(section, dict):
            yield from (((*path, *found.path), found.message) for found in rule(section))


def _found_by_schema(document: Document, exc: ValidationError) -> Iterator[tuple[SettingPath, str]]:
    """Leaves out what is known already: values found wrong while reading, and contradictions."""
    for error in exc.errors(include_url=False):
        path = path_of(error)
        if error["type"] == "extra_forbidden":
            # What is inside a setting that does not exist needs no mending.
            document.problems = [known for known in document.problems if known.path[: len(path)] != path]
            yield path, explained(error)
        elif error["type"] != "contradiction" and error["input"] is not UNUSABLE:
            yield path, explained(error)


def _in_order(problems: list[Problem], file: str) -> list[str]:
    """As in the file, each once."""
    ordered = sorted(problems, key=lambda problem: (problem.line or 0, dotted(problem.path), problem.message))
    return list(dict.fromkeys(problem.printed(file) for problem in ordered))
