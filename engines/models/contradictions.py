"""Settings that are fine alone but do not fit together. All are found at once, each with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engines.models.sources import SIZES, id_of, is_possible, place_of

if TYPE_CHECKING:
    from engines.models.settings import ModelSettings

Problems = Iterator[tuple[str, str]]
"""Variable, and what is wrong with it and what to do."""


def problems_of(settings: ModelSettings) -> Problems:
    yield from _sources(settings)
    yield from _names(settings)
    yield from _default(settings)
    yield from _uses(settings)
    yield from _aliases(settings)


def _sources(settings: ModelSettings) -> Problems:
    variable = "WHISPER_MODELS" if settings.models else "WHISPER_MODEL"
    for source in settings.models or (settings.model,):
        if source == "auto" and settings.models and settings.CHOOSES:
            yield variable, "auto is no model to choose from (set WHISPER_MODEL=auto instead)"
        elif not (source == "auto" and settings.CHOOSES) and not is_possible(source):
            kinds = f"a folder, nor a name on the hub such as {SIZES['small']}, nor one of {', '.join(SIZES)}"
            yield variable, f"{source!r} is neither {kinds}"


def _names(settings: ModelSettings) -> Problems:
    by_id: dict[str, str] = {}
    by_place: dict[str, str] = {}
    for source in settings.models:
        same = by_place.setdefault(place_of(source), source)
        if same != source:
            remedy = f"leave out the second; WHISPER_ALIASES={source}={same} keeps its name"
            yield "WHISPER_MODELS", f"{same} and {source} are the same model ({remedy})"
            continue
        other = by_id.setdefault(id_of(source), source)
        if other != source:
            yield "WHISPER_MODELS", f"{other} and {source} would both be called {id_of(source)} (rename a folder)"


def _default(settings: ModelSettings) -> Problems:
    if settings.model == "auto" and settings.CHOOSES:
        if not settings.models:
            yield "WHISPER_MODEL", "there is nothing to choose from (try WHISPER_MODELS=small,medium,large-v3)"
    elif settings.models and "model" in settings.model_fields_set and settings.source_of(settings.model) is None:
        yield "WHISPER_MODEL", "is not among WHISPER_MODELS (add it there, or choose one of them)"


def _uses(settings: ModelSettings) -> Problems:
    """Names that must be allowed models."""
    preloaded = [name for name in settings.preload if name != "default"]
    limited = [name for name in settings.ttl if name]
    for variable, names in (("WHISPER_PRELOAD", preloaded), ("WHISPER_TTL", limited)):
        for name in names:
            if settings.source_of(name) is None:
                yield variable, not_allowed(settings, name)


def _aliases(settings: ModelSettings) -> Problems:
    for alias, name in settings.aliases.items():
        if settings.source_of(name) is None:
            yield "WHISPER_ALIASES", f"{alias}={name}: {not_allowed(settings, name)}"
        if alias in map(id_of, settings.allowed):
            yield "WHISPER_ALIASES", f"{alias} is itself a model that is served (choose another alias)"


def not_allowed(settings: ModelSettings, name: str) -> str:
    """What is wrong with a name that no model has, and what to do."""
    served = ", ".join(id_of(source) for source in settings.allowed if source != "auto")
    remedy = f"add it to WHISPER_MODELS, or choose from {served}" if served else "add it to WHISPER_MODELS"
    return f"there is no model {name!r} here ({remedy})"
