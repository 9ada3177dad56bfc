"""The Docker daemon goes away in the middle of a start.

Docker (20.10) may lose the container then, whoever has started it: it runs on, unknown to the daemon, which refuses
each further start with "task ...: already exists", also after another restart. So who asks need not be answered; but
each is told, and nobody else suffers.
"""

from __future__ import annotations

import asyncio
import functools
import random
import signal
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.apart import apart
from tests.chaos.client import Client, Told
from tests.chaos.private_docker import PrivateDocker
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.chaos.test_daemon import CLEAR, DEADLINE, Load, prepared
from tests.fixtures.process_gateway import GatewayProcess

HOWS = scaled([signal.SIGTERM], [signal.SIGTERM, signal.SIGKILL] * 5)
CLIENTS = 3
A_START = 0.4
"""Seconds that Docker takes for one."""


async def interrupted(how: signal.Signals, daemon: PrivateDocker, gateway: GatewayProcess, load: Load) -> list[Told]:
    """What those are told who ask for an engine that sleeps, just before the daemon ends, and once it is back."""

    async def one(to: str = "sleepy") -> Told:
        async with Client(gateway.port, f"{to}.test", patience=3 * DEADLINE) as client:
            return await load.ask(client, to, "quick", 0)

    await asyncio.to_thread(gateway.until, "sleepy", phase="asleep")
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(one()) for _ in range(CLIENTS)]
        await asyncio.sleep(load.source.uniform(0, A_START))
        await asyncio.to_thread(daemon.stop, how)
        await asyncio.to_thread(daemon.start, keep=True)
        asking += [group.create_task(one()) for _ in range(CLIENTS)]
        assert (await one("awake")).ok
    return [task.result() for task in asking]


@pytest.mark.docker
@pytest.mark.root
def test_the_docker_daemon_ends_in_the_middle_of_a_start(
    trial: Trial, source: random.Random, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standin_image: str
) -> None:
    trial.must("no request hangs past its deadline, each is answered or told why; the other engine is served")
    told: list[Told] = []

    def work(mount: Path, how: signal.Signals) -> None:
        folder = tmp_path / mount.name
        folder.mkdir()
        with prepared(mount, folder, monkeypatch) as (daemon, gateway):
            load = Load(gateway.port, source)
            asyncio.run(load.recovered())
            told.extend(asyncio.run(interrupted(how, daemon, gateway, load)))

    for how in HOWS:
        with tempfile.TemporaryDirectory(prefix="wg-docker-") as mount:
            apart(functools.partial(work, Path(mount), how), network=True)
    slowest = max(one.took for one in told)
    trial.measured(f"{len(HOWS)} x: {dict(Counter(map(str, told)))}, the slowest after {slowest:.1f} s")
    assert [str(one) for one in told if not one.ok and (one.status, one.code) not in CLEAR] == []
    assert slowest < DEADLINE
