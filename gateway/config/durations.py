"""Spans of time as people write them: "250ms", "90s", "5m", "1h30m", "2d"; a plain number means seconds."""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.config.problems import described, quoted

# The unit's length in milliseconds. Decimal, so that "0.1s" is the float 0.1 and not its neighbour.
_UNITS = {"d": Decimal(86_400_000), "h": Decimal(3_600_000), "m": Decimal(60_000), "s": Decimal(1000), "ms": Decimal(1)}
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_WELL_FORMED = re.compile("".join(f"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _UNITS))
_PLAIN_NUMBER = re.compile(_NUMBER)

LONGEST = 3650 * 86_400.0
"""Ten years, in seconds: far below what would overflow a timer."""

_WORDS = r"ms|milli[a-z]*|s(?:ec[a-z]*)?|m(?:in[a-z]*)?|h(?:rs?|ours?)?|d(?:ays?)?"
_LIKELY = re.compile(rf"({_NUMBER})\s*({_WORDS})(?![a-z])")
_BETWEEN = re.compile(r"(?:[-+\s,]|and)*")
_MEANS_NEVER = {"always", "false", "forever", "inf", "infinite", "infinity", "never", "no", "none", "null", "off"}


def parse_duration(value: object) -> float:
    """Seconds: positive, finite, at most ten years. Raises ValueError with a remedy."""
    text = _as_text(value)
    milliseconds = _milliseconds(text)
    if milliseconds is None:
        raise ValueError(f"{quoted(text)} is not a duration (try {quoted(_suggestion(text))})")
    if milliseconds == 0:
        raise ValueError(f"{quoted(text)} is too short (it must be longer than zero)")
    seconds = float(milliseconds / 1000)
    if seconds > LONGEST:
        raise ValueError(f'{quoted(text)} is too long (at most "3650d")')
    return seconds


def parse_pause(value: object) -> float:
    """Like `parse_duration`; zero is one, too."""
    text = _as_text(value)
    return 0.0 if _milliseconds(text) == 0 else parse_duration(text)


def parse_idle(value: object) -> float | None:
    """Like `parse_duration`; "never" gives None. Raises ValueError with a remedy."""
    if value == "never":
        return None
    if isinstance(value, str) and value.strip().lower() in _MEANS_NEVER:
        raise ValueError(f'{quoted(value)} is not a duration (try "never")')
    return parse_duration(value)


def format_duration(seconds: float | None) -> str:
    """The shortest way to write it, exact to the millisecond: "15m", "1h30m", "250ms"; None is "never"."""
    if seconds is None:
        return "never"
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    rest = Decimal(round(seconds * 1000))
    if rest == 0:
        return f"{seconds * 1000:.3g}ms" if seconds else "0s"
    text = ""
    for unit, length in _UNITS.items():
        count, rest = divmod(rest, length)
        text += f"{count}{unit}" if count else ""
    return text


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Not str(): that writes small floats as 1e-07.
        return f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    if value is None or isinstance(value, bool):
        raise ValueError('a duration is missing (try "15m")')
    raise ValueError(f'a duration is expected, not {described(value)} (try "15m")')


def _milliseconds(text: str) -> Decimal | None:
    if _PLAIN_NUMBER.fullmatch(text):
        return Decimal(text) * 1000
    found = _WELL_FORMED.fullmatch(text)
    if found is None or not text:
        return None
    return sum((Decimal(number) * _UNITS[unit] for unit, number in found.groupdict().items() if number), Decimal(0))


def _suggestion(text: str) -> str:
    """What was probably meant: "5 mins" is "5m", "30m 1h" is "1h30m"."""
    text = text.strip().lower()[:100]
    found = _LIKELY.findall(text)
    if not _BETWEEN.fullmatch(_LIKELY.sub("", text)):
        return "15m"
    units = ("ms" if word.startswith(("ms", "mill")) else word[0] for _, word in found)
    total = sum((Decimal(number) * _UNITS[unit] for (number, _), unit in zip(found, units, strict=True)), Decimal(0))
    seconds = float(total / 1000)
    return format_duration(seconds) if 0 < seconds <= LONGEST else "15m"
