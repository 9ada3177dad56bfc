"""How many requests an engine is given at once: a number, or "unlimited"."""

from __future__ import annotations

import re

from gateway.config.problems import described, quoted

MOST = 10_000
_NUMBER = re.compile(r"[0-9]{1,15}")
_MEANS_UNLIMITED = {"all", "any", "inf", "infinite", "never", "no", "none", "null", "off", "unbounded", "unlimited"}


def parse_concurrency(value: object) -> int | None:
    """A number of requests; None for "unlimited". Raises ValueError with a remedy."""
    if value is None or value == "unlimited":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f'a number is expected, not {described(value)} (try 2, or "unlimited")')  # noqa: TRY004 - pydantic wants it
    text = str(value)
    if not _NUMBER.fullmatch(text):
        likely = '"unlimited"' if text.strip().lower() in _MEANS_UNLIMITED else '2, or "unlimited"'
        raise ValueError(f"{quoted(text)} is not a number of requests (try {likely})")
    number = int(text)
    if number < 1:
        raise ValueError(f"{quoted(text)} is too small (at least 1)")
    if number > MOST:
        raise ValueError(f'{quoted(text)} is too large (at most {MOST}, or "unlimited")')
    return number
