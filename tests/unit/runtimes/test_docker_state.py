"""What `docker inspect` says, as ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.runtimes.base import NotRunning
from gateway.runtimes.docker_state import ContainerState

STARTED = "2026-11-21T15:58:55.960552088Z"


def state(**told: Any) -> ContainerState:
    return ContainerState.of({"Id": "0123456789abcdef", "State": {"StartedAt": STARTED, **told}})


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"StartedAt": "0001-01-01T00:00:00Z"}, NotRunning("was never started")),
        ({"StartedAt": None}, NotRunning("was never started")),
        ({"ExitCode": 3}, NotRunning("exited with code 3", 3)),
        ({"Running": True, "Paused": True}, NotRunning("is paused")),
        ({"ExitCode": 137, "OOMKilled": True}, NotRunning("ran out of memory (code 137)", 137, oom=True)),
        (
            {"Running": True, "Restarting": True, "ExitCode": 5},
            NotRunning("exits again and again (code 5), and waits for Docker to restart it", 5),
        ),
    ],
)
def test_why_it_does_not_run(told: dict[str, Any], reason: NotRunning) -> None:
    assert not state(**told).running
    assert state(**told).not_running() == reason


def test_running_is_neither_paused_nor_waiting() -> None:
    assert state(Running=True).running
    assert state(Running=True).begun
    assert state(Running=True, Paused=True).begun
    assert state(Running=True, Restarting=True).begun
    assert not state().begun


def test_the_instance_differs_for_every_start_and_every_container() -> None:
    assert state().instance == f"0123456789ab-{STARTED}"


@pytest.mark.parametrize(
    ("started", "age"),
    [
        ("2026-11-21T15:59:00.123456789Z", 59.876544),
        ("2026-11-21T16:59:00+01:00", 60.0),
        ("2026-11-21T15:59:00", 60.0),
        ("2026-11-21T16:30:00Z", 0.0),
        ("yesterday", 0.0),
    ],
    ids=["docker", "podman", "naive", "ahead", "odd"],
)
def test_age_by_any_spelling_of_the_time(started: str, age: float) -> None:
    now = datetime(2026, 11, 21, 16, 0, 0, tzinfo=UTC)
    assert state(StartedAt=started).age(now) == pytest.approx(age, abs=1e-5)


def test_what_podman_or_an_old_docker_leaves_out_has_a_default() -> None:
    bare = ContainerState.of({"Id": "abc"})
    assert not bare.begun
    assert bare.not_running() == NotRunning("was never started")
    assert ContainerState.of({"Id": "abc", "State": {"Health": {"Status": "none"}}}).health == ""
    assert ContainerState.of({"Id": "abc", "State": {"Health": {"Status": "healthy"}}}).health == "healthy"
