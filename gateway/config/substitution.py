"""`${VAR}` and `${VAR:-default}` in the configuration's values; `$$` is a plain `$`."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST = 256 * 1024
"""The longest value, in characters, that may come out: more than the operating system hands to a program."""

# A "$" that begins nothing stays as it is, as in "pa$word".
_REFERENCE = re.compile(r"\$\$|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-[^{}]*)?\})?")


def substitute(text: str, environment: Mapping[str, str]) -> str:
    """The text with its variables filled in; `:-` also replaces an empty one, as in a shell.

    Raises ValueError, which names the variable that is not set.
    """
    length = 0

    def value(found: re.Match[str]) -> str:
        nonlocal length
        filled = _value(found, environment)
        length += len(filled)
        if length > LONGEST:
            raise ValueError(f"the variables in this value make it longer than {LONGEST} characters")
        return filled

    return _REFERENCE.sub(value, text) if "$" in text else text


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found.group() == "$$":
        return "$"
    name, fallback = found["name"], found["fallback"]
    if name is None:
        # Not quoted: it may be a piece of a password.
        raise ValueError('a "${" here begins no variable (write ${NAME} or ${NAME:-default}, and $$ for a plain $)')
    if fallback is not None:
        return environment.get(name) or fallback.removeprefix(":-")
    if name not in environment:
        raise ValueError(f"the variable {name} is not set (set it, or write ${{{name}:-default}})")
    return environment[name]
