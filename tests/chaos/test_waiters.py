"""A thousand uploads wait for one sleeping engine."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.bodies import Body
from tests.chaos.client import Client, Told
from tests.chaos.process import MB, memory_of, watched
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.e2e.conftest import HOST, Engine
from tests.fixtures.process_gateway import GatewayProcess

WAITERS = 1000
SIZE = scaled(150_000, 5_000_000)
BOOT = scaled(3, 20)
"""Seconds: long enough that all uploads are there, if there is room for them."""


async def uploads(port: int) -> list[tuple[Body, Told]]:
    async def one(number: int) -> tuple[Body, Told]:
        body = Body(SIZE + number, number, chunked=number % 2 == 0)
        async with Client(port, HOST, patience=600) as client:
            return body, await client.ask("/sum", body=body)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(WAITERS)]
    return [task.result() for task in tasks]


@pytest.mark.docker
def test_a_thousand_waiters_on_one_cold_engine(
    trial: Trial, make_engine: Callable[..., Engine], standin_image: str, tmp_path: Path
) -> None:
    trial.must("one start, all right, memory growth ≤ 128 MB")
    engine = make_engine(standin_image, environment={"START_DELAY_MS": str(BOOT * 1000)})
    entry = {
        "hosts": [HOST], "docker": {"container": engine.name}, "port": 8000, "start_timeout": "3m",
        "queue": {"limit": 2 * WAITERS},
    }  # fmt: skip
    gateway = GatewayProcess(tmp_path, {"engine": entry}, spool={"total": "1g"})
    with ExitStack() as stack:
        stack.callback(gateway.close)
        gateway.start()
        assert gateway.process is not None
        pid = gateway.process.pid
        before = memory_of(pid)
        with engine.counting("start") as starts, watched(pid) as peak:
            answers = asyncio.run(uploads(gateway.port))
        growth = (peak.memory - before) / MB
        gateway.until("engine", serving=0, waiting=0)
    endings = Counter(str(told) for _, told in answers)
    longest = max(told.took for _, told in answers)
    trial.measured(
        f"{WAITERS:,} uploads of {SIZE / MB:.2f} MB: {dict(endings)}, {len(starts)} start, "
        f"memory {before / MB:.0f} + {growth:.0f} MB, the last answer after {longest:.1f} s"
    )
    assert all(told.has_summed(body) for body, told in answers)
    assert len(starts) == 1
    assert growth <= 128
