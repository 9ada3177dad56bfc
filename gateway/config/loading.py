"""Reads a configuration file: text, then data, then models. All that is wrong with it is told at once.

This is the one place of the configuration that reads the environment (but for the home folder behind "~").
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

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
    try:
        config = Config.model_validate(data)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        found += _found_by_schema(errors)
        raise ConfigError(_in_order(document, found, _unknown(errors), file)) from exc
    if found or document.problems:
        raise ConfigError(_in_order(document, found, set(), file))
    return config


def _contradictions(data: dict[str, Any]) -> Iterator[tuple[SettingPath, str]]:
    """Read from what was written, so that they are found whether or not the single values are right."""
    engines = data.get("engines")
    looks: list[tuple[SettingPath, Any, Callable[[Any], Iterator[Contradiction]]]] = [
        ((), data, contradictions.in_file),
        (("gateway",), data.get("gateway", {}), contradictions.in_gateway),
    ]
    gateway = data.get("gateway")
    if isinstance(gateway, dict):
        looks.append((("gateway", "spool"), gateway.get("spool"), contradictions.in_spool))
    for name, engine in engines.items() if isinstance(engines, dict) else ():
        looks.append((("engines", name), engine, contradictions.in_engine))
        if isinstance(engine, dict):
            looks.append((("engines", name, "docker"), engine.get("docker"), contradictions.in_docker))
            looks.append((("engines", name, "process"), engine.get("process"), contradictions.in_process))
    for path, section, rule in looks:
        if isinstance(section, dict):
            yield from (((*path, *found.path), found.message) for found in rule(section))


def _found_by_schema(errors: list[ErrorDetails]) -> Iterator[tuple[SettingPath, str]]:
    """Leaves out what is known already: values found wrong while reading, and contradictions."""
    for error in errors:
        known = error["type"] == "contradiction" or error["input"] is UNUSABLE or _only_wrong_entries(error)
        if not known or error["type"] == "extra_forbidden":
            yield path_of(error), explained(error)


def _only_wrong_entries(error: ErrorDetails) -> bool:
    """A list of nothing but wrong entries is called too short; each of them is told already."""
    return error["type"] == "too_short" and len(error["input"]) > 0


def _unknown(errors: list[ErrorDetails]) -> set[SettingPath]:
    return {path_of(error) for error in errors if error["type"] == "extra_forbidden"}


def _in_order(
    document: Document, found: list[tuple[SettingPath, str]], unknown: set[SettingPath], file: str
) -> list[str]:
    """As in the file, each once. What is inside an unknown setting needs no mending."""
    problems = [Problem(message, path, document.line_of(path)) for path, message in found]
    problems += [
        problem
        for problem in document.problems
        if not any(problem.path[:length] in unknown for length in range(len(problem.path) + 1))
    ]
    problems.sort(key=lambda problem: (problem.line or 0, dotted(problem.path), problem.message))
    return list(dict.fromkeys(problem.printed(file) for problem in problems))
