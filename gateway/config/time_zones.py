"""Names of time zones, as in the tz database."""

from __future__ import annotations

import zoneinfo

from gateway.config.problems import described, did_you_mean, quoted


def parse_time_zone(value: object) -> str:
    """A name that `zoneinfo.ZoneInfo` knows on this machine, such as "Europe/Berlin". Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f'a time zone is expected, not {described(value)} (try "Europe/Berlin")')  # noqa: TRY004 - pydantic wants ValueError
    known = zoneinfo.available_timezones()
    if value not in known:  # asking for it could end in a folder, or in any file that a strange name leads to
        words = value.strip().lower().replace(" ", "_")
        alike = sorted((name for name in known if words in (name.lower(), name.lower().rpartition("/")[2])), key=len)
        hint = did_you_mean(alike[0] if alike else value, known) or ' (try "Europe/Berlin" or "UTC")'
        raise ValueError(f"{quoted(value)} is not a time zone{hint}")
    return value
