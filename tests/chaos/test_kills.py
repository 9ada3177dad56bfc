"""The engine is killed in the middle of whatever it does, again and again: nothing is lost that could be saved."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.bodies import Body
from tests.chaos.client import Client, Ending, Told
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.e2e.conftest import HOST, Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.process_gateway import GatewayProcess

KILLS = scaled(7, 100)
CLIENTS = 5
MOST = 50_000_000
KINDS = {"upload": 5, "waiting": 3, "echo": 3, "download": 2, "question": 2}
"""How often each is chosen."""


async def ask(client: Client, source: random.Random) -> tuple[str, Told]:
    """One request of some kind. Raises AssertionError if its answer is whole and not right."""
    (kind,) = source.choices([*KINDS], [*KINDS.values()])
    body = Body(int(MOST * source.random() ** 3), source.randrange(1000), chunked=source.random() < 0.5)
    rate = source.choice([None, 15e6])
    match kind:
        case "upload":
            told = await client.ask("/sum", body=body, rate=rate)
            assert not told.ok or told.has_summed(body)
        case "waiting":  # the engine has all of it, and thinks
            told = await client.ask(f"/sum?ms={source.randrange(1500)}", body=body)
            assert not told.ok or told.has_summed(body)
        case "echo":  # its answer begins while it is still being sent
            told = await client.ask("/echo", body=body, rate=rate)
            assert not told.ok or (told.size, told.sha256) == (body.size, body.sha256)
        case "download":
            size = source.randrange(MOST)
            told = await client.ask(f"/{source.choice(['big', 'stream'])}?bytes={size}")
            assert not told.ok or told.size == size
        case _:
            told = await client.ask(f"/slow?ms={source.randrange(1500)}")
            assert not told.ok or told.size == 200
    return kind, told


def was_cut(told: Told) -> bool:
    """The answer had begun, and everybody can see that it is not all of it."""
    return told.status == 200 and told.ending in (Ending.CUT, Ending.RESET)


class Round:
    """Some requests at once, and one kill in their midst. told: kind and answer of each. struck: of how many."""

    def __init__(self, port: int, engine: Engine, source: random.Random) -> None:
        self.told: list[tuple[str, Told]] = []
        self.struck = 0
        self._port = port
        self._engine = engine
        self._source = source

    async def run(self) -> None:
        async with Client(self._port, HOST, patience=LONG_PATIENCE) as client:
            assert (await client.ask("/hello")).ok  # it is no fault that counts if it dies now
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._client(random.Random(self._source.random()))) for _ in range(CLIENTS)]
            await asyncio.sleep(self._source.uniform(0, 1.2))
            await asyncio.to_thread(self._engine.container.kill)
            self.struck = sum(not task.done() for task in asking)

    async def _client(self, source: random.Random) -> None:
        await asyncio.sleep(source.uniform(0, 0.3))
        async with Client(self._port, HOST, patience=LONG_PATIENCE) as client:
            self.told.append(await ask(client, source))


@pytest.mark.docker
def test_the_engine_is_killed(
    trial: Trial, source: random.Random, make_engine: Callable[..., Engine], standin_image: str, tmp_path: Path
) -> None:
    trial.must("every request not yet answered is replayed and right; every cut answer is detectable")
    engine = make_engine(standin_image)
    gateway = GatewayProcess(
        tmp_path, {"engine": {"hosts": [HOST], "docker": {"container": engine.name}, "port": 8000}}
    )
    endings: Counter[str] = Counter()
    lost: list[str] = []
    kills = struck = 0
    longest = 0.0
    with ExitStack() as stack:
        stack.callback(gateway.close)
        gateway.start()
        deadline = time.monotonic() + KILLS * LONG_PATIENCE
        while kills < KILLS and time.monotonic() < deadline:
            one = Round(gateway.port, engine, source)
            asyncio.run(one.run())
            kills += bool(one.struck)
            struck += one.struck
            for kind, told in one.told:
                longest = max(longest, told.took)
                endings["right" if told.ok else "cut" if was_cut(told) else "lost"] += 1
                if not (told.ok or (was_cut(told) and kind in ("echo", "download"))):
                    lost.append(f"{kind}: {told} {told.body[:200]!r}")
        gateway.until("engine", serving=0, waiting=0)
        replayed = len(gateway.events("request.replayed"))
    trial.measured(
        f"{kills} kills under {struck} running requests of {endings.total()}: {dict(endings)}, {replayed} replayed; "
        f"the longest took {longest:.1f} s"
    )
    assert lost == []
    assert kills == KILLS
    assert replayed > KILLS / 2
