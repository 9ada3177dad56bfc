"""Clients who think about as long as an engine stays awake: stops and arrivals collide all the time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from tests.chaos.bodies import Body
from tests.chaos.client import Client, Told
from tests.chaos.openings import Opening
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.e2e.conftest import HOST, Engine
from tests.fixtures.gateway import Engine as MemoryEngine
from tests.fixtures.gateway import Gateway, running_gateway
from tests.fixtures.process_gateway import GatewayProcess

MakeEngine = Callable[..., Engine]
DEMAND = "0 errors caused by the gateway; starts = stops ± 1"


async def visits(
    port: int, hostname: str, source: random.Random, *, count: int, clients: int, idle: float
) -> list[Told]:
    """So many requests by a few clients, who mostly rest between two for as long as the engine stays awake.

    Each is a small question or an upload, on a kept connection or a new one. A wrong answer counts as none.
    """
    told: list[Told] = []

    async def one(client: Client, source: random.Random) -> None:
        while len(told) + clients <= count:
            body = Body(source.choice([0, 1, 1000, 200_000]), source.randrange(1000), chunked=source.random() < 0.5)
            answer = await client.ask("/sum", body=body) if source.random() < 0.5 else await client.ask("/instance")
            if answer.ok and "bytes" in answer.json():
                assert answer.has_summed(body)
            told.append(answer)
            if source.random() < 0.3:
                client.close()
            close_to_it = source.random() < 0.8
            await asyncio.sleep(idle * (source.uniform(0.98, 1.15) if close_to_it else source.uniform(0, 3)))

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(clients):
            client = await stack.enter_async_context(Client(port, hostname))
            group.create_task(one(client, random.Random(source.random())))
    return told


@pytest.mark.docker
def test_stops_and_arrivals_collide_at_a_container(
    trial: Trial, source: random.Random, make_engine: MakeEngine, standin_image: str, tmp_path: Path
) -> None:
    trial.must(DEMAND)
    engine = make_engine(standin_image)
    entry = {"hosts": [HOST], "docker": {"container": engine.name}, "port": 8000, "idle_after": "50ms"}
    gateway = GatewayProcess(tmp_path, {"engine": entry})
    count = scaled(30, 10_000)
    with ExitStack() as stack:
        stack.callback(gateway.close)
        gateway.start()
        with engine.counting("start") as starts, engine.counting("die") as stops:
            told = asyncio.run(visits(gateway.port, HOST, source, count=count, clients=scaled(2, 6), idle=0.05))
            gateway.until("engine", phase="asleep")
            gateway.until("engine", serving=0)
    endings = Counter(map(str, told))
    trial.measured(f"{len(told):,} requests: {dict(endings)}; {len(starts)} starts, {len(stops)} stops")
    assert endings == {"whole 200": len(told)}
    assert abs(len(starts) - len(stops)) <= 1
    assert len(starts) > count / 20, "they hardly ever collided"
    assert gateway.events("request.failed") == []


def test_stops_and_arrivals_collide_without_a_container(trial: Trial, source: random.Random) -> None:
    """Where a start and a stop take no time there are ten times as many collisions in a second."""
    trial.must(DEMAND)
    count = scaled(1000, 100_000)
    with Opening() as opening, running_gateway({"whisper": MemoryEngine(opening.port, idle_after="5ms")}) as gateway:
        runtime = gateway.runtimes["whisper"]
        runtime.on_start, runtime.on_stop = opening.open, opening.shut
        told = asyncio.run(visits(gateway.port, "whisper.test", source, count=count, clients=2, idle=0.005))
        settled(gateway)
        endings = Counter(map(str, told))
        trial.measured(f"{len(told):,} requests: {dict(endings)}; {runtime.starts:,} starts, {runtime.stops:,} stops")
        assert endings == {"whole 200": len(told)}
        assert abs(runtime.starts - runtime.stops) <= 1
        assert runtime.starts > count / 20, "they hardly ever collided"


def settled(gateway: Gateway) -> None:
    gateway.until(gateway.is_free)
    gateway.until(lambda: gateway.engine().at_rest)
