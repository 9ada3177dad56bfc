"""Every setting of a complete file, replaced by rubbish, is a problem at its own path and line, in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.config.document import read_document
from gateway.config.problems import dotted
from gateway.config.reference import settings

Problems = Callable[..., list[str]]

COMPLETE = """\
gateway:
  listen: 127.0.0.1:8890
  admin: 127.0.0.1:8891
  portal: portal.example.org
  trusted_proxies:
    - 127.0.0.1/32
  access: known
  admins:
    - anna
  state_dir: ./state
  on_exit: leave
  drain_timeout: 30s
  head_timeout: 30s
  head_limit: 32768
  time_zone: UTC
  spool:
    dir: ./state/spool
    per_request: 1g
    total: 4g
  log:
    format: auto
    level: info
    requests: notable
budget:
  memory: 8g
  gpu_memory: 24g
  turn: 30s
defaults:
  idle_after: 15m
  start_timeout: 60s
  stop_timeout: 10s
  answer_timeout: 1h
  concurrency: unlimited
  queue:
    limit: 1024
    max_wait: 10m
    bytes: 8g
  replay: true
  min_awake: 0s
engines:
  one:
    hosts:
      - a.example.org
    docker:
      container: a
      depends_on:
        - cache
    port: 8000
    ready:
      path: /health
    cors:
      - https://www.example.org
    forward_authorization: true
    idle_after: 1m
    start_timeout: 1m
    stop_timeout: 1m
    answer_timeout: 1m
    concurrency: 2
    queue:
      limit: 10
      max_wait: 1m
      bytes: 1g
    replay: false
    min_awake: 1m
    needs:
      memory: 4g
      gpu_memory: 6g
    keep_warm:
      - Mon-Fri 08:00-18:00
    preload: true
    quiet_paths:
      - /health
  two:
    hosts:
      - b.example.org
    docker:
      project: p
      service: s
    port: 8000
  three:
    hosts:
      - c.example.org
    process:
      command:
        - serve
      environment:
        NAME: value
      environment_files:
        KEY: config.yaml
      directory: .
    port: 8801
"""
LINES = COMPLETE.splitlines()
FREE_TEXT = {"admins", "command", "NAME", "KEY", "state_dir", "dir", "directory"}
"""Where any text is right, unless no program can be given it."""
RUBBISH = ["'?!'", '"a\\0b"', "[[x]]", "{x: {y: z}}", "", "${NO_SUCH_VARIABLE}", "'\U0001f600'", f"'{'9' * 5000}'"]

JARGON = re.compile(
    r"Input should|Value error|[Vv]alid(ation)?\b|Field required|Extra inputs"
    r"|tuple|dict|str\b|int\b|pydantic|Python|NoneType|does not fit"
)


def leaves(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*path, key))
    else:
        yield path


DOCUMENT = read_document(COMPLETE, {})
LEAVES = list(leaves(DOCUMENT.data))
SECTIONS = sorted({path[:n] for path in LEAVES for n in range(1, len(path))}, key=str)


def replaced(path: tuple[str | int, ...], rubbish: str) -> tuple[int, str]:
    """The complete file with one value replaced, and the line of that value."""
    line = DOCUMENT.line_of(path) or 0
    text = LINES[line - 1]
    begin = re.match(r"\s*(- |[\w]+: ?)", text)
    assert begin
    indent = len(text) - len(text.lstrip())
    rest = LINES[line:]
    if path in SECTIONS:
        while rest and len(rest[0]) - len(rest[0].lstrip()) > indent:
            rest = rest[1:]
    changed = [*LINES[: line - 1], f"{begin.group().rstrip()} {rubbish}", *rest]
    return line, "\n".join(changed) + "\n"


def test_the_file_is_complete_and_right(problems: Problems) -> None:
    assert problems(COMPLETE) == []
    written = {re.sub(r"\[\d\]", "", dotted(path)) for path in LEAVES}
    written = {re.sub(r"^engines\.\w+", "engines.*", path) for path in written}
    for setting in settings():
        assert any(path == setting.dotted or path.startswith(f"{setting.dotted}.") for path in written), setting.dotted


@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("path", LEAVES, ids=dotted)
def test_rubbish_in_a_value_is_told_at_its_path_and_line(
    problems: Problems, path: tuple[str | int, ...], rubbish: str
) -> None:
    line, text = replaced(path, rubbish)
    found = problems(text)
    if rubbish.startswith("'") and FREE_TEXT.intersection(path[-2:]) and "KEY" not in path:
        assert found == []
        return
    here = [problem for problem in found if problem.startswith(f"config.yaml:{line} {dotted(path)}")]
    assert here, found
    assert len(found) == 1, found
    for problem in found:
        assert problem.isprintable()
        assert not JARGON.search(problem), problem
        assert len(problem) < 400


@pytest.mark.parametrize("rubbish", ["text", "[x, y]", "", "${NO_SUCH_VARIABLE}", "{no_such_setting_anywhere: 1}"])
@pytest.mark.parametrize("path", [path for path in SECTIONS if isinstance(path[-1], str)], ids=dotted)
def test_rubbish_instead_of_a_section_is_told_at_its_path_and_line(
    problems: Problems, path: tuple[str | int, ...], rubbish: str
) -> None:
    line, text = replaced(path, rubbish)
    found = problems(text)
    if rubbish == "{no_such_setting_anywhere: 1}" and path[-1] == "environment":
        assert found == []
        return
    if rubbish == "[x, y]" and path[-1] in ("hosts", "depends_on", "command", "admins"):
        assert found == []
        return
    assert any(problem.startswith(f"config.yaml:{line} {dotted(path)}") for problem in found), found
    for problem in found:
        assert not JARGON.search(problem), problem


@pytest.mark.parametrize("path", [path for path in LEAVES if isinstance(path[-1], str)], ids=dotted)
def test_a_misspelt_name_is_told_with_the_right_one(problems: Problems, path: tuple[str | int, ...]) -> None:
    if "environment" in path or "environment_files" in path:
        return  # these names are free
    line, name = DOCUMENT.line_of(path) or 0, str(path[-1])
    misspelt = f"{name[:-1]}x{name[-1]}"
    changed = [*LINES[: line - 1], LINES[line - 1].replace(f"{name}:", f"{misspelt}:", 1), *LINES[line:]]
    wanted = (
        f'config.yaml:{line} {dotted((*path[:-1], misspelt))}: unknown setting "{misspelt}" (did you mean "{name}"?)'
    )
    assert wanted in problems("\n".join(changed))
