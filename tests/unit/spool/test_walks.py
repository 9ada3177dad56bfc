"""Whatever writers, readers and quotas do, in whatever order: readers get the same bytes, and all comes back."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.spool.folder import SpoolFolder
from gateway.spool.quota import Quota
from gateway.spool.spool import MEMORY, Reader, Spool
from gateway.stream import Shares
from tests.fixtures.patience import PATIENCE
from tests.unit.spool.bodies import body, until_free

BODY = body(1024 * 1024)
SIZES = st.sampled_from([1, 5_000, 30_000, MEMORY, MEMORY + 1, Shares.MOST])
STEPS = st.one_of(
    st.tuples(st.just("append"), SIZES),
    st.tuples(st.just("cancel an append"), SIZES),
    st.tuples(st.just("read"), st.integers(0, 3)),
    st.tuples(st.just("cancel a read"), st.integers(0, 3)),
    st.tuples(st.just("new reader"), st.just(0)),
    st.tuples(st.just("drop reader"), st.integers(0, 3)),
    st.tuples(st.just("turn"), st.integers(0, 5)),
    st.tuples(st.just("settle"), st.just(0)),
)


class Walk:
    """One spool, its writer's task and its readers' tasks."""

    def __init__(self, folder: SpoolFolder, quota: Quota, per_request: int) -> None:
        self.spool = Spool(folder, quota, per_request)
        self.loop = asyncio.get_running_loop()
        self.written = 0
        self.writing: asyncio.Task[None] | None = None
        self.reading: asyncio.Task[None] | None = None
        self.readers: list[tuple[Reader, bytearray]] = []

    async def step(self, what: str, number: int) -> None:
        match what:
            case "append" | "cancel an append":
                await self.end(self.writing)
                data = BODY[self.written : self.written + number]
                self.written += len(data)
                self.writing = self.loop.create_task(self.spool.append(data))
                if what != "append":
                    await asyncio.sleep(0)
                    self.writing.cancel()
            case "read" | "cancel a read" if self.readers:
                await self.end(self.reading)
                self.reading = self.loop.create_task(self.read(number % len(self.readers)))
                if what != "read":
                    await asyncio.sleep(0)
                    self.reading.cancel()
            case "new reader" if self.spool.replayable:
                self.begin_reader()
            case "drop reader" if self.spool.replayable and len(self.readers) > 1:
                await self.end(self.reading)
                self.readers.pop(number % len(self.readers))[0].close()
            case "turn":
                for _ in range(number):
                    await asyncio.sleep(0)
            case "settle" if self.readers:
                self.spool.settle()
            case _:
                pass

    def begin_reader(self) -> None:
        """It counts from now on: a pipe keeps what it has not read."""
        self.readers.append((self.spool.reader(), bytearray()))
        self.spool.began(self.readers[-1][0])

    async def read(self, number: int) -> None:
        reader, seen = self.readers[number]
        seen += (await reader.receive())["body"]

    async def end(self, task: asyncio.Task[None] | None) -> None:
        """It may have to wait for the other side; then it is given up."""
        if task is not None:
            await asyncio.wait({task}, timeout=0.003)
            task.cancel()
            await asyncio.wait({task})

    async def finish(self) -> None:
        await self.end(self.reading)
        await self.end(self.writing)
        await self.spool.append(b"", end=[])
        if self.spool.replayable:
            self.begin_reader()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            for number in range(len(self.readers)):
                tasks.create_task(self.read_rest(number))
        for _, seen in self.readers:
            assert bytes(seen) == BODY[: self.written]

    async def read_rest(self, number: int) -> None:
        reader, seen = self.readers[number]
        while True:
            message = await reader.receive()
            seen += message["body"]
            if not message["more_body"]:
                return


async def walk(steps: list[tuple[str, int]], per_request: int, total: int) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder, quota = SpoolFolder(Path(path)), Quota(total)
        one = Walk(folder, quota, per_request)
        try:
            for what, number in steps:
                await one.step(what, number)
                assert quota.used <= total
            await one.finish()
        finally:
            one.spool.close()
            await until_free(quota)
            folder.close()


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=5, max_size=40),
    per_request=st.sampled_from([1 << 30, 300_000, 100_000]),
    total=st.sampled_from([1 << 30, 200_000]),
)
def test_every_reader_gets_the_same_bytes(steps: list[tuple[str, int]], per_request: int, total: int) -> None:
    asyncio.run(walk(steps, per_request, total))


@pytest.mark.anyio
async def test_many_spools_share_threads_and_a_small_quota(folder: SpoolFolder) -> None:
    """More than fit: each is held back until it is read, and all arrive whole."""
    quota = Quota(1024 * 1024)

    async def one(size: int) -> None:
        spool = Spool(folder, quota, 1 << 30)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(write(spool, BODY[:size]))
                await asyncio.sleep(0.001 * (size % 7))
                reader, seen = spool.reader(), bytearray()
                while (message := await reader.receive())["more_body"]:
                    seen += message["body"]
                assert bytes(seen) + message["body"] == BODY[:size]
        finally:
            spool.close()

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(one(number * 7_001))
    await until_free(quota)


async def write(spool: Spool, data: bytes) -> None:
    for at in range(0, len(data), 50_000):
        await spool.append(data[at : at + 50_000])
    await spool.append(b"", end=[])
