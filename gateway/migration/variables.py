"""Variables in compose files: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-…}`, `${NAME:?…}`, `${NAME:+…}`; `$$`.

Our own configuration knows fewer forms (gateway/config/substitution.py). docs.docker.com, "Interpolation".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST = 1000
"""Characters of a value with variables. Those we read are ports and names; defaults may be nested."""

_BEGIN = re.compile(r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z_]\w*)|(?P<brace>\{))", re.ASCII)
_INSIDE = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<word>.*))?", re.ASCII | re.DOTALL)
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", re.ASCII)


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """Raises ValueError, a clause, where a variable is needed that is not set, or what is written is none."""
    if "$" in text and len(text) > LONGEST:
        raise ValueError("a value with variables is too long")
    done, at = "", 0
    while found := _BEGIN.search(text, at):
        done += text[at : found.start()]
        at = found.end()
        if found["dollar"]:
            done += "$"
        elif found["name"]:
            done += _value(found["name"], "", "", environment)
        else:
            end = _closing(text, at)
            inside = _INSIDE.fullmatch(text[at:end])
            if inside is None:
                raise ValueError('a "${" begins no variable')
            done += _value(inside["name"], inside["how"] or "", inside["word"] or "", environment)
            at = end + 1
    return done + text[at:]


def _closing(text: str, at: int) -> int:
    """Where the brace is closed that was opened just before `at`."""
    depth = 1
    for match in re.compile(r"\$\{|\}").finditer(text, at):
        depth += 1 if match.group() == "${" else -1
        if not depth:
            return match.start()
    raise ValueError('a "${" is never closed')


def _value(name: str, how: str, word: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    given = bool(value) if how.startswith(":") else value is not None
    if how.endswith("+"):
        return interpolated(word, environment) if given else ""
    if given and value is not None:
        return value
    if how.endswith("-"):
        return interpolated(word, environment)
    raise ValueError(f"the variable {name} is not set")


def read_env_file(text: str) -> dict[str, str]:
    """Compose's `.env`: NAME=value, comments, values in quotes. What is none of that is passed over."""
    values = {}
    for line in text.splitlines():
        if found := _ASSIGNMENT.fullmatch(line):
            name, value = found.groups()
            quoted = value[:1] in ("'", '"')
            values[name] = value[1:].partition(value[0])[0] if quoted else re.sub(r"(^|\s+)#.*", "", value)
    return values
