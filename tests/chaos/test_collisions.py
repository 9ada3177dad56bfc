"""Clients who think about as long as an engine stays awake: stops and arrivals collide all the time."""

from __future__ import annotations

import asyncio
import math
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
from tests.chaos.scale import scaled, source_for
from tests.e2e.conftest import Engine
from tests.fixtures.gateway import Engine as MemoryEngine
from tests.fixtures.gateway import Gateway, running_gateway
from tests.fixtures.process_gateway import GatewayProcess

MakeEngine = Callable[..., Engine]
CONTAINERS = scaled(1, 3)
CLIENTS = 2
"""Of one engine. Where there are more, somebody always comes before it would stop."""
DEMAND = "0 errors caused by the gateway; starts = stops ± 1"


async def visits(port: int, hostname: str, source: random.Random, *, count: int, idle: float) -> list[Told]:
    """So many requests by two clients, who mostly rest between two for as long as the engine stays awake.

    Each is a small question or an upload, on a kept connection or a new one. A wrong answer counts as none.
    """
    told: list[Told] = []
    numbers = iter(range(count))

    async def one(client: Client, source: random.Random) -> None:
        for _ in numbers:
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
        for _ in range(CLIENTS):
            client = await stack.enter_async_context(Client(port, hostname))
            group.create_task(one(client, random.Random(source.random())))
    return told


@pytest.mark.docker
def test_stops_and_arrivals_collide_at_containers(
    trial: Trial, make_engine: MakeEngine, standin_image: str, tmp_path: Path
) -> None:
    trial.must(DEMAND)
    count = scaled(30, 10_000)
    engines = {name: make_engine(standin_image) for name in ("a", "b", "c")[:CONTAINERS]}
    entries = {name: {"docker": {"container": engine.name}, "port": 8000} for name, engine in engines.items()}
    gateway = GatewayProcess(
        tmp_path, {name: {"hosts": [f"{name}.test"], "idle_after": "50ms", **entry} for name, entry in entries.items()}
    )

    async def act() -> list[Told]:
        each = math.ceil(count / CONTAINERS)
        async with asyncio.TaskGroup() as group:
            visiting = [
                group.create_task(visits(gateway.port, f"{name}.test", source_for(name), count=each, idle=0.05))
                for name in engines
            ]
        return [told for one in visiting for told in one.result()]

    with ExitStack() as stack:
        stack.callback(gateway.close)
        gateway.start()
        with ExitStack() as counting:
            starts = [counting.enter_context(engine.counting("start")) for engine in engines.values()]
            stops = [counting.enter_context(engine.counting("die")) for engine in engines.values()]
            told = asyncio.run(act())
            for name in engines:
                gateway.until(name, phase="asleep")
                gateway.until(name, serving=0)
    assert len(told) >= count
    endings = Counter(map(str, told))
    counts = [(len(started), len(stopped)) for started, stopped in zip(starts, stops, strict=True)]
    trial.measured(f"{len(told):,} requests: {dict(endings)}; {counts} starts and stops")
    assert endings == {"whole 200": len(told)}
    assert all(abs(started - stopped) <= 1 for started, stopped in counts)
    assert sum(started for started, _ in counts) > count / 20, "they hardly ever collided"
    assert gateway.events("request.failed") == []


def test_stops_and_arrivals_collide_without_a_container(trial: Trial, source: random.Random) -> None:
    """Where a start and a stop take no time there are ten times as many collisions in a second."""
    trial.must(DEMAND)
    count = scaled(1000, 100_000)
    with Opening() as opening, running_gateway({"whisper": MemoryEngine(opening.port, idle_after="5ms")}) as gateway:
        runtime = gateway.runtimes["whisper"]
        runtime.on_start, runtime.on_stop = opening.open, opening.shut
        told = asyncio.run(visits(gateway.port, "whisper.test", source, count=count, idle=0.005))
        settled(gateway)
        assert len(told) >= count
        endings = Counter(map(str, told))
        trial.measured(f"{len(told):,} requests: {dict(endings)}; {runtime.starts:,} starts, {runtime.stops:,} stops")
        assert endings == {"whole 200": len(told)}
        assert abs(runtime.starts - runtime.stops) <= 1
        assert runtime.starts > count / 20, "they hardly ever collided"


def settled(gateway: Gateway) -> None:
    gateway.until(gateway.is_free)
    gateway.until(lambda: gateway.engine().at_rest)
