"""Names and texts that the schema lets in, each with what it may look like and what is said when it does not."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.config.problems import described, quoted

ENGINE_NAME = r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$"
CONTAINER_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$"  # what Docker itself allows, ids included
COMPOSE_NAME = r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}$"
URL_PATH = r"^/[!-\"$-~]*$"  # visible ASCII; a "#" would never be sent
QUIET_PATH = r"^/[!-\"$->@-~]*$"  # a query would never be looked at
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"


def shaped(pattern: str, what: str, remedy: str) -> Callable[[str], str]:
    """A check that a whole text looks like `pattern`. Raises ValueError with the remedy."""
    # JSON Schema's "$" is the end; Python's would also let a last line break in.
    whole = re.compile(pattern.removesuffix("$") + r"\Z")

    def check(text: str) -> str:
        if not whole.match(text):
            raise ValueError(f"{quoted(text)} is not {what} ({remedy})")
        return text

    return check


def without_nul(text: str) -> str:
    """A text that can be handed to the operating system. Raises ValueError, without showing what may be secret."""
    if "\0" in text:
        raise ValueError("this value holds a NUL character, which no program can be given")
    return text


def path_text(value: object) -> object:
    """A path that names something. Raises ValueError; what is no text is left to the next check."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError('a path is missing (try "./state")')
        without_nul(value)
    return value


def flag(value: object) -> bool:
    """Reads true or false. Raises ValueError with a remedy."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in ("true", "false"):
        raise ValueError(f"{described(value)} is neither true nor false")
    return value.lower() == "true"
