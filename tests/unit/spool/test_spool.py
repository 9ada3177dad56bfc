"""A body comes out as it went in, however often it is read, and memory holds a little of it at most."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.spool.folder import SpoolFolder
from gateway.spool.quota import Quota
from gateway.spool.spool import MEMORY, SMALL, Spool
from gateway.stream import Shares
from tests.fixtures.patience import PATIENCE
from tests.unit.spool.bodies import MIB, body, fill, open_files, read, read_all, settled, spool_in, until_free

pytestmark = pytest.mark.anyio


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The disk writes nothing until this is set."""
    event = threading.Event()
    write = os.pwritev

    def waiting(*arguments: Any) -> int:
        event.wait(PATIENCE)
        return write(*arguments)

    monkeypatch.setattr(os, "pwritev", waiting)
    return event


@pytest.mark.parametrize("size", [0, 1, MEMORY, MEMORY + 1, 3 * MIB])
@pytest.mark.parametrize("piece", [1, 100, 100_000, 2 * MIB])
async def test_what_was_written_is_read_and_can_be_read_again(folder: SpoolFolder, size: int, piece: int) -> None:
    data = body(size if piece > 100 else min(size, 300_000))
    async with spool_in(folder) as spool:
        await fill(spool, data, piece if piece > 1 or size <= MEMORY else 1000)
        assert await read_all(spool.reader()) == data
        assert await read_all(spool.reader()) == data
        assert spool.replayable


async def test_readers_that_begin_sooner_later_and_meanwhile_get_the_same(folder: SpoolFolder) -> None:
    data = body(2 * MIB)
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        readings = [tasks.create_task(read_all(spool.reader()))]
        for at in range(0, len(data), 70_000):
            await spool.append(data[at : at + 70_000])
            if at % 210_000 == 0:
                readings.append(tasks.create_task(read_all(spool.reader())))
        await spool.append(b"", end=[])
        readings.append(tasks.create_task(read_all(spool.reader())))
    assert {reading.result() for reading in readings} == {data}


async def test_a_small_body_needs_no_disk(folder: SpoolFolder) -> None:
    quota = Quota(1 << 30)
    async with spool_in(folder, quota) as spool:
        await fill(spool, body(MEMORY))
        assert (spool._file, quota.used, spool.in_memory) == (None, 0, MEMORY)


async def test_a_large_body_at_rest_is_on_disk_with_all_of_it(folder: SpoolFolder) -> None:
    quota = Quota(1 << 30)
    async with spool_in(folder, quota) as spool:
        await spool.append(body(MEMORY))
        await spool.append(b"x")
        assert (spool.in_memory, quota.used) == (0, MEMORY + 1)
        assert repr(spool) == f"<Spool {MEMORY + 1} bytes in file>"


async def test_a_body_that_comes_byte_by_byte_costs_hardly_more_memory_than_its_bytes(folder: SpoolFolder) -> None:
    async with spool_in(folder) as spool:
        for _ in range(MEMORY):
            await spool.append(b"x")
        assert len(spool._parts) <= MEMORY / SMALL * 2
        await spool.append(b"", end=[])
        assert await read_all(spool.reader()) == b"x" * MEMORY


async def test_what_comes_in_is_read_before_the_disk_has_it(folder: SpoolFolder, go_on: threading.Event) -> None:
    data = body(MEMORY + 1)
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        tasks.create_task(spool.append(data))
        assert await read(spool.reader(), len(data)) == data
        go_on.set()


async def test_one_message_is_never_larger_than_a_piece(folder: SpoolFolder) -> None:
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        tasks.create_task(fill(spool, body(3 * MIB), 3 * MIB))
        reader = spool.reader()
        while (message := await reader.receive())["more_body"]:
            assert len(message["body"]) <= Shares.MOST


async def test_trailers_come_with_the_last_message(folder: SpoolFolder) -> None:
    async with spool_in(folder) as spool:
        await spool.append(b"hello")
        reader = spool.reader()
        first = await reader.receive()
        await spool.append(b"", end=[(b"x-check", b"1")])
        last = await reader.receive()
        assert (first["body"], first["more_body"], first["trailers"]) == (b"hello", True, [])
        assert (last["body"], last["more_body"], last["trailers"]) == (b"", False, [(b"x-check", b"1")])
        assert (await spool.reader().receive())["more_body"] is False


async def test_a_reader_that_is_cancelled_reads_on_from_where_it_was(folder: SpoolFolder) -> None:
    data = body(MIB)
    async with spool_in(folder) as spool:
        reader = spool.reader()
        for _ in range(5):  # before there is anything
            waiting = asyncio.get_running_loop().create_task(reader.receive())
            await settled()
            waiting.cancel()
            await asyncio.wait({waiting})
        await fill(spool, data)
        for turns in range(10):  # on its way from the disk
            waiting = asyncio.get_running_loop().create_task(reader.receive())
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            if not waiting.cancelled():
                break
        reader.at = 0
        assert await read_all(reader) == data


# The end


async def test_closing_ends_who_waits_and_whatever_comes_after(folder: SpoolFolder) -> None:
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(spool.reader().receive())
        await settled()
        spool.close()
        assert (await reading)["type"] == "http.disconnect"
        await spool.append(body(MIB))
        assert (spool.in_memory, spool._file) == (0, None)
        assert not spool.replayable


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("how", ["close", "cancel", "both"])
async def test_nothing_is_left_wherever_a_write_is_ended(folder: SpoolFolder, turns: int, how: str) -> None:
    quota = Quota(1 << 30)
    spool = Spool(folder, quota, 1 << 30)
    writing = asyncio.get_running_loop().create_task(fill(spool, body(MIB)))
    for _ in range(turns):
        await asyncio.sleep(0.0002 if turns > 6 else 0)
    if how != "close":
        writing.cancel()
    if how != "cancel":
        spool.close()
    await asyncio.wait({writing})
    spool.close()
    await until_free(quota)
    folder.disk._threads.shutdown(wait=True)
    assert quota.used == 0
    assert open_files(folder.path) == 0


async def test_an_append_that_was_cancelled_has_taken_its_part(folder: SpoolFolder) -> None:
    data = body(MIB)
    async with spool_in(folder) as spool:
        for at in range(0, len(data), 90_000):
            writing = asyncio.get_running_loop().create_task(spool.append(data[at : at + 90_000]))
            await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait({writing})
        await spool.append(b"", end=[])
        assert await read_all(spool.reader()) == data


async def test_what_the_system_has_in_memory_is_read_without_a_timer(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand readers who do not wait would leave tens of thousands to the loop in one turn."""
    data = body(4 * MIB)
    async with spool_in(folder) as spool:
        await fill(spool, data)
        read_now = os.preadv
        monkeypatch.setattr(os, "preadv", lambda file, buffers, at, _: read_now(file, buffers, at))
        monkeypatch.setattr(asyncio.get_running_loop(), "call_at", None)
        seen = await read_all(spool.reader())
        monkeypatch.undo()
    assert seen == data


async def test_a_slow_disk_stops_nobody_else(folder: SpoolFolder, go_on: threading.Event) -> None:
    async with asyncio.TaskGroup() as tasks, spool_in(folder) as slow, spool_in(folder) as small:
        writing = tasks.create_task(slow.append(body(MIB)))
        await settled()
        assert not writing.done()
        await fill(small, b"small")
        assert await read_all(small.reader()) == b"small"
        go_on.set()
        await writing


async def test_a_file_that_cannot_be_read_back_is_our_failure(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    data = body(MIB)
    async with spool_in(folder) as spool:
        await fill(spool, data)
        assert await read_all(spool.reader()) == data, "what cannot be had at once is read in a thread"
        monkeypatch.setattr(os, "pread", broken)
        with pytest.raises(GatewayError, match="read the request's body back") as caught:
            await spool.reader().receive()
        assert caught.value.status == 500


async def test_the_end_is_known_before_the_disk_has_the_last_part(folder: SpoolFolder, go_on: threading.Event) -> None:
    data = body(MEMORY + 1)
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        tasks.create_task(spool.append(data, end=[(b"x-check", b"1")]))
        reader = spool.reader()
        message = await reader.receive()
        assert (message["body"], message["more_body"]) == (data, False)
        assert message["trailers"] == [(b"x-check", b"1")]
        go_on.set()
