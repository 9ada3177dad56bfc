"""Requests of all kinds, for a long time: the gateway's memory and open files stay what they were."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.bodies import Body
from tests.chaos.client import Client, Ending
from tests.chaos.process import MB, files_of, memory_of
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.e2e.conftest import HOST, Engine
from tests.fixtures.process_gateway import GatewayProcess

CLIENTS = 16
ROUNDS = 10
EACH = scaled(400, 20_000)
"""Requests of a round."""
SETTLED = scaled(5, 1)
"""Rounds after which memory must not grow any more: in the long form, 20,000 requests."""


async def ask(client: Client, source: random.Random) -> str:
    """One request of some kind; returns what kind it was. Raises AssertionError if it did not end as it should."""
    kind = source.choices(
        ["small", "upload", "large", "stream", "leaving", "cut", "broken", "refused", "missing"],
        [50, 20, 5, 5, 3, 3, 3, 3, 8],
    )[0]
    match kind:
        case "small":
            told = await client.ask("/hello", headers=(("X-Round", str(source.random())),))
            assert told.ok
            assert told.size == 200
        case "upload":
            body = Body(source.choice([0, 100, 50_000, 300_000]), source.randrange(500), chunked=source.random() < 0.5)
            assert (await client.ask("/sum", body=body)).has_summed(body)
        case "large":
            told = await client.ask("/big?bytes=300000")
            assert told.ok
            assert told.size == 300_000
        case "stream":
            told = await client.ask("/sse?n=3&interval_ms=1")
            assert told.ok
            assert told.body.count(b"data:") == 3
        case "leaving":
            asked = asyncio.get_running_loop().create_task(client.ask("/slow?ms=5000"))
            await asyncio.wait({asked}, timeout=source.uniform(0, 0.02))
            asked.cancel()
            await asyncio.wait({asked})
        case "cut":
            framing = source.choice(["length", "chunked"])
            told = await client.ask(f"/{source.choice(['cut', 'reset'])}?when=body&framing={framing}")
            assert told.ending in (Ending.CUT, Ending.RESET, Ending.SILENT) or told.status == 502, str(told)
        case "broken":
            told = await client.ask(source.choice(["/garbage", "/both-lengths", "/huge-head", "/reset", "/cut"]))
            assert str(told) == "whole 502 engine_broke"
        case "refused":
            told = await client.ask("/x", headers=(("Transfer-Encoding", "gzip"),))
            assert told.status == 400
        case _:
            assert (await client.ask(f"/missing?{source.random()}")).status == 404
    return kind


async def round_of(port: int, source: random.Random) -> Counter[str]:
    kinds: Counter[str] = Counter()

    async def one(source: random.Random) -> None:
        async with Client(port, HOST) as client:
            for _ in range(EACH // CLIENTS):
                kinds[await ask(client, source)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(one(random.Random(source.random())))
    return kinds


async def connections(port: int) -> int:
    """How many the gateway keeps to the engine: they are let go after a minute without use, and are at most 512."""
    async with Client(port, HOST) as client:
        count: int = (await client.ask("/stats")).json()["open_connections"]
        return count


@pytest.mark.docker
def test_soak(
    trial: Trial, source: random.Random, make_engine: Callable[..., Engine], standin_image: str, tmp_path: Path
) -> None:
    trial.must("memory flat (≤ 5 % growth), no growth of open files")
    engine = make_engine(standin_image)
    gateway = GatewayProcess(
        tmp_path, {"engine": {"hosts": [HOST], "docker": {"container": engine.name}, "port": 8000}}
    )
    kinds: Counter[str] = Counter()
    memory, files, kept = [], [], []
    with ExitStack() as stack:
        stack.callback(gateway.close)
        gateway.start()
        assert gateway.process is not None
        for _ in range(ROUNDS):
            kinds += asyncio.run(round_of(gateway.port, source))
            gateway.until("engine", serving=0, waiting=0)
            memory.append(memory_of(gateway.process.pid))
            kept.append(asyncio.run(connections(gateway.port)))
            files.append(files_of(gateway.process.pid) - kept[-1])
    before, after = memory[SETTLED - 1], max(memory[SETTLED:])
    trial.measured(
        f"{kinds.total():,} requests {dict(kinds)}: memory {before / MB:.1f} -> {after / MB:.1f} MB "
        f"({(after - before) / before:+.1%}), open files {files[SETTLED - 1]} -> {files[-1]} "
        f"beside {max(kept)} connections kept to the engine"
    )
    assert after <= 1.05 * before, memory
    assert max(files[SETTLED:]) <= max(files[:SETTLED]) + 3, files
    assert max(kept) <= 512 + CLIENTS
