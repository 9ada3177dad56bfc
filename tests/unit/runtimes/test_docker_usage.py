"""What a container takes, by what different versions of Docker say."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.runtimes.docker_usage import working_set


@pytest.mark.parametrize(
    ("memory", "taken"),
    [
        ({"usage": 900, "stats": {"inactive_file": 300}}, 600),
        ({"usage": 900, "stats": {"total_inactive_file": 200, "inactive_file": 1}}, 700),
        ({"usage": 900, "stats": {}}, 900),
        ({"usage": 900}, 900),
        ({"usage": 900, "stats": {"inactive_file": 901}}, 900),
        ({"usage": 900, "stats": None}, 900),
        ({}, None),
        (None, None),
        ({"usage": 0}, None),
        ({"usage": "900"}, None),
        ({"usage": 900, "stats": {"inactive_file": "x"}}, 900),
    ],
)
def test_pages_of_files_that_nobody_uses_do_not_count(memory: Any, taken: int | None) -> None:
    """Of cgroup v2, v1, Podman, a container that does not run, and nonsense."""
    assert working_set({"memory_stats": memory}) == taken


def test_where_nothing_is_said_nothing_is_known() -> None:
    assert working_set({}) is None
