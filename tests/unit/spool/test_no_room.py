"""Where there is no room the writer is held back until somebody reads; only a disk that stays full is an error."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from gateway.errors import GatewayError, SpoolFull
from gateway.spool import file as file_module
from gateway.spool import folder as folder_module
from gateway.spool import spool as spool_module
from gateway.spool.folder import SpoolFolder
from gateway.spool.quota import Quota
from gateway.spool.spool import MEMORY, Spool
from gateway.stream import Shares
from tests.fixtures.patience import PATIENCE
from tests.unit.spool.bodies import MIB, body, fill, pieces, read, read_all, settled, spool_in, until_free
from tests.unit.spool.conftest import SMALL_DISK

pytestmark = pytest.mark.anyio

FOR_A_MIB = MIB * 4 // 3
"""The total of which bodies that wait may have 1 MiB."""


async def is_held_back(writing: asyncio.Task[None]) -> bool:
    """Whether it does not end within a while; there is no event for what does not happen."""
    await asyncio.wait({writing}, timeout=0.1)
    return not writing.done()


@pytest.mark.parametrize("limit", ["per_request", "total"])
async def test_at_a_quota_the_writer_waits_for_a_reader(folder: SpoolFolder, limit: str) -> None:
    data, quota = body(2 * MIB), Quota(MIB if limit == "total" else 1 << 30)
    async with (
        spool_in(folder, quota, MIB if limit == "per_request" else 1 << 30) as spool,
        asyncio.TaskGroup() as tasks,
    ):
        writing = tasks.create_task(fill(spool, data))
        assert await is_held_back(writing)
        assert spool.in_memory <= MEMORY + 100_000
        assert quota.used <= MIB
        before = spool.replayable
        assert await read_all(spool.reader()) == data
        assert (before, spool.replayable) == (True, False)
        assert spool.in_memory == 0


async def test_bodies_that_wait_leave_room_for_those_that_are_read(folder: SpoolFolder) -> None:
    """What a reader passes by could not be sent again, however much room there is soon."""
    quota, data = Quota(MIB), body(MIB // 4)
    async with spool_in(folder, quota) as held, spool_in(folder, quota) as wanted, asyncio.TaskGroup() as tasks:
        await held.append(body(MIB // 2))
        waiting = tasks.create_task(held.append(body(MIB // 2)))
        assert await is_held_back(waiting)
        assert await gets_it_all(wanted, data)
        assert wanted.replayable
        assert not waiting.done()
        held.close()


async def test_who_comes_to_read_finds_room_that_was_not_there_before(folder: SpoolFolder) -> None:
    quota, data = Quota(MIB), body(MIB)
    async with spool_in(folder, quota) as spool, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(fill(spool, data))
        assert await is_held_back(writing)
        assert quota.used <= MIB * 3 // 4
        assert await read_all(spool.reader()) == data
        assert spool.replayable


async def test_it_says_what_there_was_too_little_of(small_folder: SpoolFolder) -> None:
    for per_request, total, setting in (
        (MIB // 2, 1 << 30, "gateway.spool.per_request"),
        (1 << 30, MIB // 2, "gateway.spool.total"),
        (1 << 30, 1 << 30, "gateway.spool.dir"),
    ):
        async with spool_in(small_folder, Quota(total), per_request) as spool:
            assert spool.shortage == ""
            assert await gets_it_all(spool, body(3 * SMALL_DISK))
            assert f"({setting})" in spool.shortage


async def gets_it_all(spool: Spool, data: bytes) -> bool:
    """Whether who reads it meanwhile gets what is written."""
    reading = asyncio.get_running_loop().create_task(read_all(spool.reader()))
    await settled()
    await fill(spool, data)
    return await reading == data


async def test_a_pipe_gives_its_disk_back_when_the_reader_has_passed_it(folder: SpoolFolder) -> None:
    data, quota = body(3 * MIB), Quota(1 << 30)
    async with spool_in(folder, quota, MIB) as spool, asyncio.TaskGroup() as tasks:
        tasks.create_task(fill(spool, data))
        reader = spool.reader()
        seen = await read(reader, 2 * MIB)
        await until_free(quota)
        assert spool._file is None
        assert spool.in_memory <= MEMORY + 100_000
        assert seen + await read_all(reader) == data


async def test_a_pipe_holds_no_more_than_its_window(folder: SpoolFolder) -> None:
    async with spool_in(folder, keep=False) as spool, asyncio.TaskGroup() as tasks:
        reader, data = spool.reader(), body(4 * MIB)
        writing = tasks.create_task(fill(spool, data, 50_000))
        seen = await read(reader, 1)
        assert await is_held_back(writing)
        assert spool.in_memory <= MEMORY + Shares.MOST
        assert seen + await read_all(reader) == data


async def test_the_writer_goes_on_when_others_have_given_room_back(folder: SpoolFolder) -> None:
    quota = Quota(FOR_A_MIB)
    other = Spool(folder, quota, 1 << 30)
    await other.append(body(MIB))
    data = body(MIB // 2)
    async with spool_in(folder, quota) as spool, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(fill(spool, data))
        assert await is_held_back(writing)
        other.close()
        await asyncio.wait_for(writing, PATIENCE)
        assert spool.replayable
        assert await read_all(spool.reader()) == data


async def test_room_is_given_in_the_order_of_asking(folder: SpoolFolder) -> None:
    quota = Quota(FOR_A_MIB)
    holder = Spool(folder, quota, 1 << 30)
    await holder.append(body(MIB))
    async with spool_in(folder, quota) as first, spool_in(folder, quota) as second, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(first.append(body(MIB)))
        await settled()
        behind = tasks.create_task(second.append(body(MIB // 2)))
        await settled()
        holder.close()
        await asyncio.wait_for(writing, PATIENCE)
        assert not behind.done()
        first.close()
        await asyncio.wait_for(behind, PATIENCE)


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_who_waits_for_room_and_leaves_takes_none(folder: SpoolFolder, how: str) -> None:
    quota = Quota(FOR_A_MIB)
    async with spool_in(folder, quota) as holder:
        await holder.append(body(MIB))
        spool = Spool(folder, quota, 1 << 30)
        writing = asyncio.get_running_loop().create_task(spool.append(body(MIB)))
        await settled()
        writing.cancel() if how == "cancel" else spool.close()
        await asyncio.wait({writing})
        spool.close()
        assert (quota.used, repr(quota)) == (MIB, f"<Quota {MIB} of {FOR_A_MIB} waiting=0>")


async def test_settling_gives_back_what_no_reader_needs_again(folder: SpoolFolder) -> None:
    quota, data = Quota(1 << 30), body(MIB)
    async with spool_in(folder, quota) as spool:
        for piece in pieces(data):
            await spool.append(piece)
        reader = spool.reader()
        assert await read(reader, MIB) == data
        spool.settle()
        assert not spool.replayable
        await until_free(quota)
        await spool.append(b"more")
        await spool.append(b"", end=[])
        assert await read_all(reader) == b"more"


@pytest.mark.parametrize("turns", range(12))
async def test_settling_in_the_middle_of_a_write_loses_nothing(folder: SpoolFolder, turns: int) -> None:
    data = body(2 * MIB)
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read_all(spool.reader()))
        tasks.create_task(fill(spool, data, Shares.MOST))
        for _ in range(turns):
            await asyncio.sleep(0.0002 if turns > 6 else 0)
        spool.settle()
        assert await reading == data


# A full disk


async def test_a_full_disk_is_waited_for_and_then_refused(small_folder: SpoolFolder) -> None:
    async with spool_in(small_folder) as spool:
        spool.patience = 0.3
        with capture_logs() as journal, pytest.raises(SpoolFull) as caught:
            await fill(spool, body(2 * SMALL_DISK))
        assert (caught.value.status, caught.value.code, caught.value.retry_after) == (507, "spool_full", 30)
    (line,) = journal
    assert (line["event"], line["reason"]) == ("spool.not_written", "No space left on device")


async def test_a_full_disk_is_told_once_however_many_it_concerns(
    small_folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for complain_every, told in ((60.0, 1), (0.0, 3)):
        monkeypatch.setattr(folder_module, "COMPLAIN_EVERY", complain_every)
        with capture_logs() as journal:
            for _ in range(3):
                async with spool_in(small_folder) as spool:
                    spool.patience = 0
                    with pytest.raises(SpoolFull):
                        await fill(spool, body(2 * SMALL_DISK))
        assert len(journal) == told


async def test_who_gives_up_a_full_disk_makes_room_for_the_others(small_folder: SpoolFolder) -> None:
    """They have waited as long, and would all be refused at once."""
    data = body(SMALL_DISK * 2 // 5)
    async with spool_in(small_folder) as a, spool_in(small_folder) as b, spool_in(small_folder) as c:
        spools = [a, b, c]

        async def keep(spool: Spool) -> bytes | None:
            spool.patience = 3.0  # who has waited twice as long gives up at once, and a machine may stop for a moment
            try:
                await fill(spool, data)
            except SpoolFull:
                spool.close()
                return None
            return await read_all(spool.reader())

        assert sorted(await asyncio.gather(*map(keep, spools)), key=bool) == [None, data, data]


async def test_a_reader_helps_over_a_full_disk(small_folder: SpoolFolder) -> None:
    data = body(3 * SMALL_DISK)
    async with spool_in(small_folder) as spool, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(fill(spool, data))
        assert await is_held_back(writing)
        assert await read_all(spool.reader()) == data
        assert not spool.replayable


async def test_space_that_comes_back_is_used(small_folder: SpoolFolder) -> None:
    hog = Spool(small_folder, Quota(1 << 30), 1 << 30)
    await fill(hog, body(SMALL_DISK * 3 // 4))
    data = body(SMALL_DISK // 2)
    async with spool_in(small_folder) as spool, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(fill(spool, data))
        assert await is_held_back(writing)
        hog.close()
        await asyncio.wait_for(writing, PATIENCE)
        assert await read_all(spool.reader()) == data
        assert spool.replayable


async def test_small_bodies_are_unharmed_by_a_full_disk(small_folder: SpoolFolder) -> None:
    async with spool_in(small_folder) as hog, spool_in(small_folder) as spool, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(fill(hog, body(2 * SMALL_DISK)))
        assert await is_held_back(writing)
        await fill(spool, b"x" * MEMORY)
        assert await read_all(spool.reader()) == b"x" * MEMORY
        hog.close()


async def test_a_folder_that_has_gone_is_like_a_full_disk(folder: SpoolFolder) -> None:
    os.rmdir(folder.path)  # noqa: PTH106 - a path's own way is banned in async functions
    data = body(MIB)
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        tasks.create_task(fill(spool, data))
        assert await read_all(spool.reader()) == data
    async with spool_in(folder) as spool:
        spool.patience = 0
        with pytest.raises(SpoolFull):
            await fill(spool, data)


async def test_a_spool_that_is_closed_while_its_disk_is_full_gives_back_what_it_had_once(
    small_folder: SpoolFolder,
) -> None:
    quota = Quota(1 << 30)
    async with asyncio.TaskGroup() as tasks:
        spool = Spool(small_folder, quota, 1 << 30)
        writing = tasks.create_task(fill(spool, body(2 * SMALL_DISK)))
        assert await is_held_back(writing)
        spool.close()
        await writing
        await until_free(quota)
        small_folder.disk._threads.shutdown(wait=True)
        await settled()
        assert quota.used == 0


# A disk that hangs


@pytest.fixture
def hang(folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], threading.Event]]:
    """Called, the disk does nothing any more until the event is set, or the test over; then `folder` can close."""
    goes_on = threading.Event()

    def hang() -> threading.Event:
        for name in ("pwritev", "pread"):
            real = getattr(os, name)
            monkeypatch.setattr(os, name, lambda *given, real=real: goes_on.wait(PATIENCE) and real(*given))
        monkeypatch.setattr(spool_module, "SLOW", 0.1)
        monkeypatch.setattr(file_module, "_AT_ONCE", None)
        return goes_on

    yield hang
    goes_on.set()


async def test_a_body_passes_by_a_disk_that_hangs(folder: SpoolFolder, hang: Callable[[], threading.Event]) -> None:
    data, quota = body(MIB), Quota(1 << 30)
    hang()
    async with spool_in(folder, quota) as spool, asyncio.TaskGroup() as tasks:
        tasks.create_task(fill(spool, data))
        with capture_logs() as journal:
            assert await read_all(spool.reader()) == data
        assert not spool.replayable
    assert [(line["event"], line["reason"]) for line in journal] == [("spool.not_written", "the disk does not answer")]


async def test_of_a_disk_that_hangs_one_body_waits_and_the_next_are_passed_by_at_once(
    folder: SpoolFolder, hang: Callable[[], threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, goes_on = body(MIB), hang()
    for slow in (0.1, 60.0, 60.0):
        monkeypatch.setattr(spool_module, "SLOW", slow)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            spool = Spool(folder, Quota(1 << 30), 1 << 30)
            tasks.create_task(fill(spool, data))
            assert await read_all(spool.reader()) == data
            assert not spool.replayable
            spool.close()
    goes_on.set()
    async with asyncio.timeout(PATIENCE):
        while folder.disk.hangs:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.001)
    async with spool_in(folder) as spool:
        await fill(spool, data)
        assert spool.replayable
        assert await read_all(spool.reader()) == data


async def test_while_nobody_reads_the_writer_waits_for_a_disk_that_hangs(
    folder: SpoolFolder, hang: Callable[[], threading.Event]
) -> None:
    """It may only be slow: a thousand others may write as well."""
    goes_on, data = hang(), body(MIB)
    async with spool_in(folder) as spool, asyncio.TaskGroup() as tasks:
        spool.patience = 0
        writing = tasks.create_task(fill(spool, data))
        for _ in range(3):
            assert await is_held_back(writing)
        goes_on.set()
        await writing
        assert spool.replayable
        spool.patience = PATIENCE
        assert await read_all(spool.reader()) == data


async def test_a_reader_does_not_wait_for_ever_for_a_disk_that_hangs(
    folder: SpoolFolder, hang: Callable[[], threading.Event]
) -> None:
    async with spool_in(folder) as spool:
        await fill(spool, body(MIB))
        spool.patience = 0.1
        goes_on = hang()
        with pytest.raises(GatewayError, match="could not read"):
            await read_all(spool.reader())
        goes_on.set()
