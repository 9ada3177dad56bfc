"""Hours of the week in which an engine is kept awake: "Mon-Fri 08:00-18:00", "Sat,Sun 10:00-12:30", "always".

Pure text and numbers. Which moment a time of day is, and when the clocks change, is for who knows the time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.config.problems import described, did_you_mean, quoted

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""In the order of `datetime.weekday()`."""
DAY = 24 * 60
"""In minutes."""

_EVERY_DAY = frozenset(range(7))
_EXAMPLE = "Mon-Fri 08:00-18:00"
_SHAPE = re.compile(r"(?P<days>\S+) +(?P<start>[0-9]{1,2}:[0-9]{2})-(?P<end>[0-9]{1,2}:[0-9]{2})")
_TIME = r"(\d{1,2})(?:[:.h](\d{2}))?\s*(am|pm)?"
_LIKELY = re.compile(rf"(?P<days>[a-z ,;&/+-]*?),?\s*{_TIME}\s*(?:-|to|until)\s*{_TIME}\s*(?:h|uhr)?")
_GROUPS = {
    **dict.fromkeys(("weekday", "weekdays", "workdays"), "Mon-Fri"),
    **dict.fromkeys(("weekend", "weekends"), "Sat,Sun"),
    **dict.fromkeys(("everyday", "always", "all", "*"), "daily"),
}
_EVERY = re.compile(r"(?:daily|every ?day|all days|each day)?")


@dataclass(frozen=True, slots=True)
class WarmHours:
    """`start` and `end` are minutes after the midnight that begins one of `days` (0 is Monday).

    `end` is greater than `start` and at most a day later: hours that pass midnight belong to the day they begin on.
    """

    days: frozenset[int]
    start: int
    end: int

    def __str__(self) -> str:
        """As it is written in a file; what is parsed from it is equal to this."""
        if self == ALWAYS:
            return "always"
        end = self.end if self.end <= DAY else self.end - DAY
        return f"{_days_text(self.days)} {_clock(self.start)}-{_clock(end)}"


ALWAYS = WarmHours(_EVERY_DAY, 0, DAY)


def parse_warm_hours(value: object) -> WarmHours:
    """Raises ValueError with a remedy."""
    if isinstance(value, WarmHours):
        return value
    if not isinstance(value, str):
        raise ValueError(f"hours of the week are expected, not {described(value)} (try {quoted(_EXAMPLE)})")  # noqa: TRY004 - pydantic wants ValueError
    if value.lower() == "always":
        return ALWAYS
    found = _SHAPE.fullmatch(value) if value.isascii() else None
    if found is None:
        raise ValueError(f"{quoted(value)} are no hours of the week (try {quoted(_suggestion(value))})")
    days = _days(found["days"])
    start, end = _minutes(found["start"]), _minutes(found["end"])
    if start == DAY:
        raise ValueError(f'{quoted(value)} begins at the end of a day (write 00:00 and the next day, or "always")')
    if start == end:
        raise ValueError(f"{quoted(value)} begins and ends at the same time (00:00-24:00 is the whole day)")
    return WarmHours(days, start, end if end > start else end + DAY)


def _days(text: str) -> frozenset[int]:
    """Reads "Mon", "Mon-Fri", "Sat,Sun", "Mon,Wed-Fri" or "daily"; a range may pass Sunday. Raises ValueError."""
    if text.lower() == "daily":
        return _EVERY_DAY
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _day(first)
        length = (_day(last) - begin) % 7 if dash else 0
        days.update((begin + n) % 7 for n in range(length + 1))
    return frozenset(days)


def _day(text: str) -> int:
    if text.capitalize() in DAYS:
        return DAYS.index(text.capitalize())
    likely = next((day for day in DAYS if text.lower().startswith(day.lower())), _GROUPS.get(text.lower()))
    hint = f" (try {quoted(likely)})" if likely else did_you_mean(text.capitalize(), DAYS)
    raise ValueError(f"{quoted(text)} is not a day{hint or ' (try Mon-Fri, or daily)'}")


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > DAY:
        raise ValueError(f"{quoted(text)} is no time of day (00:00 to 24:00)")
    return hour * 60 + minute


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days_text(days: frozenset[int]) -> str:
    """Ranges where three or more follow each other; "daily" for all."""
    if days == _EVERY_DAY:
        return "daily"
    parts = []
    for day in sorted(day for day in days if (day - 1) % 7 not in days):
        length = next(n for n in range(1, 8) if (day + n) % 7 not in days)
        names = [DAYS[(day + n) % 7] for n in range(length)]
        parts.append(f"{names[0]}-{names[-1]}" if length > 2 else ",".join(names))
    return ",".join(parts)


def _suggestion(text: str) -> str:
    """What was probably meant: "weekdays 8am-6pm" is "Mon-Fri 08:00-18:00"."""
    text = text.strip().lower().replace("\u2013", "-").replace("\u2014", "-")[:100]
    found = _LIKELY.fullmatch(text)
    if text in ("24/7", "all day", "forever", "yes", "true", "ever", "daily", "everyday", "every day"):
        return "always"
    if found is None:
        return _EXAMPLE
    _, hour, minute, half, to_hour, to_minute, to_half = found.groups()
    try:
        return str(
            parse_warm_hours(
                f"{_likely_days(found['days'])} {_likely_time(hour, minute, half or to_half)}-"
                f"{_likely_time(to_hour, to_minute, to_half)}"
            )
        )
    except ValueError:
        return _EXAMPLE


def _likely_days(text: str) -> str:
    text = text.strip(" ,:")
    if _EVERY.fullmatch(text):
        return "daily"
    text = _GROUPS.get(text, text).lower()
    words = re.sub(r"\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*", r"\1", text)
    words = re.sub(r"\s*(?:-|\bto\b|\buntil\b)\s*", "-", words)
    return re.sub(r"\s*(?:[,;&/+]|\band\b)\s*|\s+", ",", words)


def _likely_time(hour: str, minute: str | None, half: str | None) -> str:
    number = int(hour) % 12 + (12 if half == "pm" else 0) if half else int(hour)
    return f"{number:02}:{minute or '00'}"
