"""An engine that ends while it starts: who waits hears of it when Docker tells, or is answered by another start."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.e2e.conftest import Engine
from tests.e2e.docker_events import Happening, happenings
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.process_gateway import GatewayProcess

TRIES = scaled(3, 20)
KILLED = scaled(1, 20)
WAITERS = 5
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


@pytest.mark.docker
def test_an_engine_is_killed_while_it_starts(
    trial: Trial, make_engine: Callable[..., Engine], standin_image: str, tmp_path: Path
) -> None:
    """A kill may be somebody's hand: it is started once more for those who wait, and once only."""
    trial.must("killed once, who waits is answered by a second start; killed twice, told so, with a time to come again")
    delays = {"late": "1000", "never": "600000"}
    engines = {name: make_engine(standin_image, environment={"START_DELAY_MS": ms}) for name, ms in delays.items()}
    entries = {
        name: {"hosts": [f"{name}.test"], "docker": {"container": engine.name}, "port": 8000, "start_timeout": "5m"}
        for name, engine in engines.items()
    }
    told: dict[str, Counter[str]] = {name: Counter() for name in engines}
    with (
        closing(GatewayProcess(tmp_path, entries)) as gateway,
        ThreadPoolExecutor(WAITERS) as pool,
        happenings([engine.name for engine in engines.values()], ["start"]) as starts,
    ):
        gateway.start()
        for _ in range(KILLED):
            for name, kills in (("late", 1), ("never", 2)):
                seen = len(starts)
                gateway.post(f"/api/engines/{name}/wake")  # which does not wait for the rest after the last try
                asked = [pool.submit(ask, gateway, name) for _ in range(WAITERS)]
                if kills > 1:
                    gateway.until(name, waiting=WAITERS)
                for number in range(kills):
                    until_more(starts, than=seen + number)
                    engines[name].container.kill()
                told[name].update(one.result() for one in asked)
            gateway.until("late", serving=0)
            gateway.post("/api/engines/late/sleep?wait=true")
    counted = Counter(start.container for start in starts)
    once, twice = (f"{dict(told[name])} in {counted[engine.name]} starts" for name, engine in engines.items())
    trial.measured(f"{WAITERS} waiting, {KILLED} x killed once: {once}; {KILLED} x twice: {twice}")
    assert told["late"] == {"200": KILLED * WAITERS}
    assert told["never"] == {"503 engine_start_failed, come again": KILLED * WAITERS}


def ask(gateway: GatewayProcess, name: str) -> str:
    """The answer's status, and what the gateway says of it."""
    answer = httpx.get(f"{gateway.url}/hello", headers={"Host": f"{name}.test"}, timeout=LONG_PATIENCE)
    said = f" {answer.headers['x-gateway-error']}" if "x-gateway-error" in answer.headers else ""
    return f"{answer.status_code}{said}{', come again' if 'retry-after' in answer.headers else ''}"


def until_more(events: list[Happening], than: int) -> None:
    """Docker's events come when they come, with a deadline."""
    deadline = time.monotonic() + LONG_PATIENCE
    while len(events) <= than:
        assert time.monotonic() < deadline
        time.sleep(0.01)
