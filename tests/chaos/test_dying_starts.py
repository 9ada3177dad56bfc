"""An engine that exits while it starts: who waits hears of it when Docker tells, and not at the timeout."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.e2e.conftest import Engine
from tests.fixtures.process_gateway import GatewayProcess

TRIES = scaled(3, 20)
WITHIN = 0.2
"""Seconds from Docker's event to the answer."""


@pytest.mark.docker
def test_the_exit_of_an_engine_that_starts_is_told_at_once(
    trial: Trial, make_engine: Callable[..., Engine], standin_image: str, tmp_path: Path
) -> None:
    trial.must(f"told within {WITHIN * 1000:.0f} ms of Docker's event, with the exit code")
    broken = make_engine(
        standin_image, environment={"START_DELAY_MS": "60000", "EXIT_AFTER_MS": "100", "EXIT_CODE": "3"}
    )
    entry = {"hosts": ["engine.test"], "docker": {"container": broken.name}, "port": 8000}
    told = []
    with closing(GatewayProcess(tmp_path, {"engine": entry})) as gateway, broken.counting("die") as died:
        gateway.start()
        for _ in range(TRIES):
            answer = gateway.post("/api/engines/engine/wake?wait=true")  # which does not wait for the rest in between
            told.append(time.time_ns())
            assert (answer.status_code, answer.json()["failure"]) == (503, "exited with code 3")
    late = [(heard - happened) / 1e6 for heard, happened in zip(told, died, strict=True)]
    trial.measured(f"{TRIES} exits, told after {statistics.median(late):.0f} ms, at most {max(late):.0f}")
    trial.in_time(statistics.median(late) / 1000, WITHIN)
