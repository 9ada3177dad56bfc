"""pydantic's findings in plain language."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import ErrorDetails

from gateway.config.problems import Path, described, did_you_mean, dotted, quoted
from gateway.config.reference import section_at, sections

_CHOICE = re.compile("'([^']+)'")


def path_of(error: ErrorDetails) -> Path:
    """Where the finding belongs in the file; pydantic's own marker for "the key, not the value" is left out."""
    return error["loc"][:-1] if error["loc"][-1:] == ("[key]",) else error["loc"]


def explained(error: ErrorDetails) -> str:
    """One clause: what is wrong, and what would be right where that can be said."""
    value: Any = error["input"]
    limits = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(limits["error"])
        case "missing":
            return "this setting is required"
        case "extra_forbidden":
            return _unknown(path_of(error))
        case "literal_error":
            return _not_a_choice(value, limits["expected"])
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"settings are expected here (name: value), not {described(value)}"
        case "tuple_type":
            example = "" if isinstance(value, dict | list) else f" (try [{quoted(value)}])"
            return f"a list is expected here, not {described(value)}{example}"
        case "string_type" | "path_type":
            return f"a text is expected here, not {described(value)}"
        case "too_short":
            return "at least one entry is needed"
        case "int_type" | "int_parsing" | "int_parsing_size" | "int_from_float":
            return f"{described(value)} is not a whole number"
        case "greater_than_equal":
            return f"{quoted(value)} is too small (at least {limits['ge']})"
        case "less_than_equal":
            return f"{quoted(value)} is too large (at most {limits['le']})"
        case _:
            return f"{described(value)} does not fit here: {error['msg']}"


def _unknown(path: Path) -> str:
    name = path[-1]
    section = section_at(path[:-1])
    known = list(section.model_fields) if section else []
    hint = did_you_mean(name, known) or _elsewhere(name) or _listed(known)
    return f"unknown setting {quoted(name)}{hint}"


def _elsewhere(name: object) -> str:
    places = [dotted((*path, str(name))) for path, section in sections() if name in section.model_fields]
    return f" (did you mean {' or '.join(f'`{place}`' for place in places[:2])}?)" if places else ""


def _listed(known: list[str]) -> str:
    return f" (known here: {', '.join(known)})" if known else ""


def _not_a_choice(value: object, expected: str) -> str:
    choices = _CHOICE.findall(expected)
    return f"{described(value)} is not one of {', '.join(choices)}{did_you_mean(value, choices)}"
