"""What Docker's statistics say about a container's memory, read with care for what other versions leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def working_set(stats: Mapping[str, Any]) -> int | None:
    """Bytes that the container takes, without the pages of files that the kernel would give up first.

    As `docker stats` counts: a model that was only read through stays in the page cache, and that is nobody's need.
    Under cgroup v1 the number is called `total_inactive_file`. None if it does not run.
    """
    memory = _mapping(stats.get("memory_stats"))
    used = memory.get("usage")
    if not isinstance(used, int) or used <= 0:
        return None
    details = _mapping(memory.get("stats"))
    cached = details.get("total_inactive_file", details.get("inactive_file", 0))
    return used - cached if isinstance(cached, int) and 0 < cached < used else used


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
