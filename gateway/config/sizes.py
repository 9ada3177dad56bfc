"""Amounts of bytes as people write them: "512m", "4g", "1.5g"; a plain number means bytes. Units are powers of 1024."""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.config.problems import described, quoted

_UNITS = {"t": 1024**4, "g": 1024**3, "m": 1024**2, "k": 1024}
_NUMBER = r"[0-9]{1,16}(?:\.[0-9]{1,9})?"
_WELL_FORMED = re.compile(rf"(?P<number>{_NUMBER})(?:(?P<unit>[kmgt])(?:i?b)?|b)?", re.IGNORECASE)
_LIKELY = re.compile(rf"\D{{0,9}}?(?P<number>{_NUMBER})\s*(?P<unit>[kmgt])?(?:i?b|ilo\w*|ega\w*|iga\w*|era\w*)?\s*")

LARGEST = 1024**5
"""One pebibyte: beyond what one machine has, and far below what a counter cannot hold."""


def parse_size(value: object) -> int:
    """Bytes: a positive whole number, at most a pebibyte. Raises ValueError with a remedy."""
    text = _as_text(value)
    found = _WELL_FORMED.fullmatch(text) if text.isascii() else None
    size = _bytes(found["number"], found["unit"]) if found else None
    if found is None or size is None:
        raise ValueError(f"{quoted(text)} is not a size (try {quoted(_suggestion(text))})")
    if size < 1:
        raise ValueError(f"{quoted(text)} is too small (it must be at least one byte)")
    if size > LARGEST:
        raise ValueError(f'{quoted(text)} is too large (at most "1024t")')
    return size


def format_size(size: int | None) -> str | None:
    """The shortest exact way to write it: "4g", "1536m", "100"; None stays None."""
    if size is None:
        return None
    unit = next((unit for unit, length in _UNITS.items() if size and size % length == 0), "")
    return f"{size // _UNITS.get(unit, 1)}{unit}"


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or isinstance(value, bool):
        raise ValueError('a size is missing (try "4g")')
    raise ValueError(f'a size is expected, not {described(value)} (try "4g")')


def _bytes(number: str, unit: str | None) -> int | None:
    """None for a part of a byte, as in "1.5": a unit was forgotten. What a unit leaves over is cut off."""
    if unit is None and "." in number:
        return None
    return int(Decimal(number) * _UNITS.get((unit or "").lower(), 1))


def _suggestion(text: str) -> str:
    """What was probably meant: "4 GB" is "4g", "1.5 gigabytes" is "1536m"."""
    found = _LIKELY.fullmatch(text.strip().lower()[:100])
    size = _bytes(found["number"], found["unit"] or "g") if found else None
    return format_size(size) or "4g" if size and 0 < size <= LARGEST else "4g"
