"""The list of all settings, read off the schema: for the reference page, for suggestions and for tests."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from gateway.config.problems import Path
from gateway.config.schema import Config, Section
from gateway.config.values import Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `path` has "*" where the user chooses a name; `default` is None if there is none worth telling."""

    path: tuple[str, ...]
    words: str
    required: bool
    default: str | None
    meaning: str

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


def settings(model: type[Section] = Config, prefix: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting that is not itself a section, in the schema's order."""
    for found, section in sections(model, prefix):
        for name, field in section.model_fields.items():
            if _section_of(field.annotation) is None:
                meaning = " ".join((field.description or "").split())
                yield Setting(
                    (*found, name), _words(field), field.is_required(), _written(default_of(section, name)), meaning
                )


Pattern = tuple[str, ...]


def sections(model: type[Section] = Config, prefix: Pattern = ()) -> Iterator[tuple[Pattern, type[Section]]]:
    """Every section with its path: (), ("gateway",), ("gateway", "log"), ..., ("engines", "*", "docker"), ..."""
    yield prefix, model
    for name, field in model.model_fields.items():
        inner = _section_of(field.annotation)
        if inner:
            yield from sections(inner, (*prefix, name, "*") if _is_mapping(field.annotation) else (*prefix, name))


def section_at(path: Path) -> type[Section] | None:
    """The section that a path in a file leads to, if the schema has one there."""
    for pattern, section in sections():
        if len(pattern) == len(path) and all(want in ("*", step) for want, step in zip(pattern, path, strict=True)):
            return section
    return None


def _section_of(annotation: Any) -> type[Section] | None:
    """The section behind `Section`, `Section | None` or `dict[str, Section]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if get_origin(annotation) in (types.UnionType, Union, dict, Annotated):
        return next(filter(None, map(_section_of, get_args(annotation))), None)
    return None


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict


def _words(field: FieldInfo) -> str:
    kind = next((entry.words for entry in field.metadata if isinstance(entry, Kind)), None)
    return kind or _words_of(field.annotation)


def _words_of(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        kind = next((entry.words for entry in arguments[1:] if isinstance(entry, Kind)), None)
        return kind or _words_of(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return f"list of {_words_of(arguments[0])}s"
    if origin is dict:
        return f"{_words_of(arguments[0])}: {_words_of(arguments[1])}"
    if origin in (types.UnionType, Union):
        return _words_of(next(argument for argument in arguments if argument is not type(None)))
    raise TypeError(f"{annotation!r} has no words; give it a Kind")


def default_of(section: type[Section], name: str) -> Any:
    """As it would be written in a file; None for a required setting, and for a default that is "nothing"."""
    field = section.model_fields[name]
    if field.is_required():
        return None
    if _section_of(field.annotation):
        return None
    annotated: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    value = TypeAdapter(annotated).dump_python(field.default, mode="json")
    return None if value in ([], {}) else value


def _written(default: Any) -> str | None:
    match default:
        case None:
            return None
        case bool():
            return str(default).lower()
        case list():
            return ", ".join(map(str, default))
        case _:
            return str(default)
