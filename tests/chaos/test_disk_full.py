"""The disk for request bodies fills up: what does not fit is refused clearly, and everybody else is served."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.lifecycle.phases import Phase
from gateway.spool import spool
from tests.chaos.apart import apart, mount_tmpfs
from tests.chaos.bodies import Body
from tests.chaos.client import Client, Told
from tests.chaos.openings import Opening
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.fixtures.gateway import Engine, Gateway, running_gateway

MB = 1024 * 1024
WAITING = 6
LARGE, SMALL = 3 * MB, 20_000
"""Two or three of the large ones fit on the disk; a small one needs none of it."""
PATIENCE = scaled(2.5, 20.0)
"""What the gateway has with a full disk."""


@dataclass
class Scene:
    """A gateway whose disk is small; an engine `awake`, and one `asleep` that does not wake before `opening.open`."""

    disk: Path
    gateway: Gateway
    opening: Opening

    def free(self) -> tuple[int, int]:
        """Blocks and files that there is room for."""
        seen = os.statvfs(self.disk)
        return seen.f_bfree, seen.f_ffree

    async def ask(self, name: str, body: Body) -> Told:
        async with Client(self.gateway.port, f"{name}.test", patience=PATIENCE + 30) as client:
            return await client.ask("/sum", body=body)

    async def until_full(self) -> None:
        await asyncio.to_thread(self.gateway.until, lambda: 0 in self.free())

    def fall_asleep(self) -> None:
        self.opening.shut()
        self.gateway.on_loop(self.gateway.runtimes["asleep"].stop_by_hand)
        self.gateway.reaches(Phase.ASLEEP, "asleep")


@contextmanager
def scene(disk: Path, *options: str) -> Iterator[Scene]:
    mount_tmpfs(str(disk), *options)
    with ExitStack() as stack:
        awake, opening = stack.enter_context(Opening()), stack.enter_context(Opening())
        awake.open()
        engines = {"awake": Engine(awake.port), "asleep": Engine(opening.port, start_timeout="10m")}
        yield Scene(disk, stack.enter_context(running_gateway(engines, spool={"dir": str(disk)})), opening)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(spool, "PATIENCE", PATIENCE)
    with tempfile.TemporaryDirectory(prefix="wg-disk-") as folder:
        yield Path(folder)


@pytest.mark.root
@pytest.mark.parametrize("short_of", ["size=8m", "nr_inodes=4"])
def test_the_disk_for_bodies_is_full(trial: Trial, source: random.Random, disk: Path, short_of: str) -> None:
    trial.must("refusals are clear, nothing crashes, others are served, space returns")
    refused: list[Told] = []
    kept: list[Told] = []
    beside: list[Told] = []

    async def fill(scene: Scene) -> None:
        bodies = [Body(LARGE, source.randrange(1000), chunked=source.random() < 0.5) for _ in range(WAITING)]
        small = [Body(SMALL, source.randrange(1000)) for _ in range(WAITING)]
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(scene.ask("asleep", body)) for body in bodies]
            await scene.until_full()
            waiting += [group.create_task(scene.ask("asleep", body)) for body in small]
            passing = [Body(5 * LARGE, source.randrange(1000), chunked=number % 2 == 0) for number in range(3)]
            while not any(task.done() for task in waiting):
                told = [await scene.ask("awake", body) for body in passing]
                assert [str(one) for one, body in zip(told, passing, strict=True) if not one.has_summed(body)] == []
                beside.extend(told)
            await asyncio.sleep(PATIENCE / 2)  # those that were refused make room for others
            scene.opening.open()
        for task, body in zip(waiting, bodies + small, strict=True):
            answered = task.result()
            (kept if answered.has_summed(body) else refused).append(answered)

    def work() -> None:
        with scene(disk, short_of) as here:
            free = here.free()
            for _ in range(scaled(2, 5)):
                asyncio.run(fill(here))
                here.gateway.until(lambda: here.gateway.is_free("asleep"))
                here.gateway.until(lambda: here.gateway.app.spools.quota.used == 0)
                here.gateway.until(lambda: here.free() == free)
                here.fall_asleep()

    apart(work)
    trial.measured(f"{short_of}: {len(kept)} kept, {len(refused)} refused, {len(beside)} passed by beside them")
    assert {str(told) for told in refused} == {"whole 507 spool_full"}
    assert {told.get("retry-after") for told in refused} == {"30"}
    assert all(PATIENCE * 0.9 < told.took < PATIENCE + 10 for told in refused)
    assert len(kept) > scaled(2, 5) * WAITING, "the small ones, and some of the large"


@pytest.mark.root
def test_somebody_else_fills_the_disk_for_a_while(trial: Trial, source: random.Random, disk: Path) -> None:
    trial.must("uploads wait for space, and go on when it returns")
    bodies = [Body(LARGE // 2, source.randrange(1000)) for _ in range(3)]

    async def wait_for_space(scene: Scene) -> list[Told]:
        filler = scene.disk / "somebody-elses"
        filler.write_bytes(bytes(8 * MB - 200_000))
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(scene.ask("asleep", body)) for body in bodies]
            await scene.until_full()
            filler.unlink()
            await asyncio.to_thread(
                scene.gateway.until, lambda: scene.gateway.app.spools.quota.used == sum(body.size for body in bodies)
            )
            scene.opening.open()
        return [task.result() for task in waiting]

    def work() -> list[Told]:
        with scene(disk, "size=8m") as here:
            return asyncio.run(wait_for_space(here))

    told = apart(work)
    trial.measured(f"{[str(one) for one in told]}")
    assert all(one.has_summed(body) for one, body in zip(told, bodies, strict=True))
