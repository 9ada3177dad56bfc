"""Lists as they are written into environment variables. Each raises ValueError with a remedy."""

from __future__ import annotations

import json

from engines.transcription.settings import parse_duration


def parse_names(value: object) -> tuple[str, ...]:
    """`a,b`, or as JSON, which is how faster-whisper-server wants it: `["a", "b"]`. In order, each once."""
    text = str(value).strip()
    if not text.startswith("["):
        return _each_once(text.split(","))
    try:
        names = json.loads(text)
    except ValueError:
        raise ValueError('is neither a list such as "small,large-v3" nor valid JSON') from None
    if not all(isinstance(name, str) for name in names):
        raise ValueError('holds something that is no name (try ["small", "large-v3"])')
    return _each_once(names)


def parse_preload(value: object) -> tuple[str, ...]:
    """Names, of which `default` stands for the default model; `none` for no names."""
    names = parse_names(value)
    if len(names) > 1 and "none" in names:
        raise ValueError('"none" and names exclude each other (leave out one of them)')
    return () if names == ("none",) else names


def parse_aliases(value: object) -> dict[str, str]:
    """`name=model,…`"""
    aliases: dict[str, str] = {}
    for entry in parse_names(value):
        name, _, model = (part.strip() for part in entry.partition("="))
        if not name or not model:
            raise ValueError(f'{entry!r} is no alias (try "meetings=large-v3")')
        if name in aliases:
            raise ValueError(f"{name!r} cannot stand for both {aliases[name]!r} and {model!r} (leave out one of them)")
        aliases[name] = model
    return aliases


def parse_ttl(value: object) -> dict[str, float | None]:
    """`never,large-v3=60`: seconds by model, None for never. The key "" is for all that are not named."""
    limits: dict[str, float | None] = {}
    for entry in parse_names(value):
        name, _, limit = (part.strip() for part in entry.rpartition("="))
        if name in limits:
            raise ValueError(f"{entry!r}: there is a limit for {name or 'all models'} already (leave out one of them)")
        limits[name] = None if limit.lower() in ("never", "-1") else parse_duration(limit)
    return {"": None, **limits}


def _each_once(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for entry in names if (name := entry.strip())))
