"""The gateway is killed and started again under load: what runs is adopted, and nothing runs twice or for ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.bodies import Body
from tests.chaos.client import Client, Ending, Told
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.e2e.conftest import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.standin import STANDIN

MakeEngine = Callable[..., Engine]
IDLE = 1.0
NAMES = ("container", "program")
BROKEN_BY_A_KILL = {Ending.REFUSED, Ending.SILENT, Ending.RESET, Ending.CUT}


class Load:
    """Clients who ask one engine after the other, and rest now and then for so long that it falls asleep.

    lull: nobody asks anything for a while. told: what they were told, each with whether the gateway was up all the time
    from the question to the answer.
    """

    def __init__(self, port: int, source: random.Random) -> None:
        self.told: list[tuple[Told, bool]] = []
        self.kills = 0
        self.up = True
        self.lull = False
        self._port = port
        self._source = source
        self._over = asyncio.Event()

    async def run(self, chaos: asyncio.Task[None]) -> None:
        chaos.add_done_callback(lambda _: self._over.set())
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(self._client(random.Random(self._source.random()), NAMES[number % 2]))

    async def _client(self, source: random.Random, name: str) -> None:
        async with Client(self._port, f"{name}.test", patience=LONG_PATIENCE) as client:
            while not self._over.is_set():
                if self.lull:
                    await asyncio.sleep(0.05)
                    continue
                body = Body(source.choice([0, 1000, 3_000_000]), source.randrange(1000), chunked=source.random() < 0.5)
                before, was_up = self.kills, self.up
                told = await client.ask(f"/sum?ms={source.choice([0, 0, 50, 300])}", body=body)
                assert not told.ok or told.has_summed(body)
                self.told.append((told, was_up and before == self.kills))
                rest = source.choice([0, 0.02, 0.2, 2 * IDLE])
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), rest)


def programs(mark: str) -> list[int]:
    """The processes that have this among their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.fixture
def gateway(make_engine: MakeEngine, standin_image: str, tmp_path: Path) -> Iterator[tuple[GatewayProcess, Engine]]:
    """Before an engine in a container, and one that is a program of the gateway's own machine."""
    (port,) = free_ports(1)
    starts = tmp_path / "starts"
    words = [sys.executable, str(STANDIN), f"PORT={port}", "HOST=127.0.0.1", f"STARTS_FILE={starts}"]
    engine = make_engine(standin_image)
    often = {"idle_after": f"{IDLE:g}s"}
    engines = {
        "container": {"hosts": ["container.test"], "docker": {"container": engine.name}, "port": 8000, **often},
        "program": {"hosts": ["program.test"], "process": {"command": words}, "port": port, **often},
    }
    with ExitStack() as stack:
        made = GatewayProcess(tmp_path, engines)
        stack.callback(made.close)
        made.start()
        yield made, engine
        for pid in programs(f"STARTS_FILE={starts}"):
            os.kill(pid, 9)


@pytest.mark.docker
def test_the_gateway_is_killed_under_load(
    trial: Trial, source: random.Random, gateway: tuple[GatewayProcess, Engine], tmp_path: Path
) -> None:
    trial.must("engines adopted, none started twice, none left running past idle; new requests right at once")
    killed, engine = gateway
    load = Load(killed.port, source)
    most = 0
    kept: list[str] = []

    async def chaos() -> None:
        nonlocal most
        for _ in range(scaled(4, 20)):
            load.lull = source.random() < 0.5  # then the kill comes about when the engines are put to sleep
            await asyncio.sleep(source.uniform(0.8, 1.5) * IDLE if load.lull else source.uniform(0.1, 1.5))
            load.kills += 1
            load.up = False
            await asyncio.to_thread(killed.kill)
            running = programs(f"STARTS_FILE={tmp_path / 'starts'}")
            most = max(most, len(running))
            await asyncio.to_thread(killed.start)
            load.kills += 1
            load.up = True
            load.lull = False
            if running:
                kept.append("kept" if running == programs(f"STARTS_FILE={tmp_path / 'starts'}") else "lost")
            for name in NAMES:
                async with Client(killed.port, f"{name}.test", patience=LONG_PATIENCE) as client:
                    told = await client.ask("/instance")
                assert told.ok, f"after the restart {name} says {told}"

    async def act() -> None:
        async with asyncio.TaskGroup() as group:
            await load.run(group.create_task(chaos()))

    with engine.counting("start") as starts, engine.counting("die") as stops:
        asyncio.run(act())
        for name in NAMES:
            killed.until(name, phase="asleep", serving=0, waiting=0)
    undisturbed = Counter(str(told) for told, calm in load.told if calm)
    disturbed = Counter(str(told) for told, calm in load.told if not calm)
    trial.measured(
        f"{load.kills // 2} kills; {dict(undisturbed)}, around a kill {dict(disturbed)}; "
        f"container: {len(starts)} starts, {len(stops)} stops; program: at most {most} at once, {Counter(kept)}"
    )
    assert undisturbed == {"whole 200": undisturbed.total()}
    assert all(told.ok or told.ending in BROKEN_BY_A_KILL for told, calm in load.told if not calm)
    assert len(starts) == len(stops)
    assert most <= 1
    assert engine.status == "exited"
    assert programs(f"STARTS_FILE={tmp_path / 'starts'}") == []
