"""The `ports` of a compose service: which port inside the container is which one on the host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


def published(entry: Any) -> Iterator[tuple[int, int]]:
    """(on the host, inside) for each TCP port that one entry publishes under a number known beforehand.

    Short form: "8001:8000", "127.0.0.1:8001:8000", "[::1]:8001-8002:8000-8001/tcp"; long form: target and published.
    """
    if isinstance(entry, Mapping):
        outside, inside = str(entry.get("published", "")), str(entry.get("target", ""))
        protocol = entry.get("protocol", "tcp")
    else:
        ports, _, protocol = str(entry).partition("/")
        rest, _, inside = ports.rpartition(":")
        outside = rest.rpartition(":")[2]
    if protocol in ("", "tcp"):
        yield from zip(_numbers(outside), _numbers(inside), strict=False)


def _numbers(text: str) -> range:
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return range(0)
    first = int(found[1])
    return range(max(first, 1), min(int(found[2] or first), 65535) + 1)
