"""A disk that has not answered is left alone until it has; and what is answered late, or not at all, blocks nobody."""

from __future__ import annotations

import asyncio
import errno
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from gateway.spool.disk import THREADS, Disk

pytestmark = pytest.mark.anyio

PATIENCE = 10.0


@pytest.fixture
async def disk() -> AsyncIterator[Disk]:
    disk = Disk()
    yield disk
    disk.close()


@pytest.fixture
def gates() -> Iterator[Callable[[], threading.Event]]:
    """Makes gates, all of which are open when the test is over."""
    made: list[threading.Event] = []

    def make() -> threading.Event:
        made.append(threading.Event())
        return made[-1]

    yield make
    for gate in made:
        gate.set()


async def given_up(disk: Disk, operation: Callable[[], object]) -> None:
    with pytest.raises(TimeoutError):
        async with disk.answers_within(0.05):
            await disk.do(operation)


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not there():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.001)


async def test_it_does_what_it_is_told_and_raises_what_that_raises(disk: Disk) -> None:
    async with disk.answers_within(PATIENCE):
        assert await disk.do(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await disk.do(divmod, 7, 0)
    assert not disk.hangs


async def test_while_it_hangs_nobody_else_waits_for_it(disk: Disk, gates: Callable[[], threading.Event]) -> None:
    gate = gates()
    await given_up(disk, gate.wait)
    assert disk.hangs
    with pytest.raises(TimeoutError):
        async with disk.answers_within(PATIENCE * 10):
            pytest.fail("it was asked all the same")
    gate.set()
    await until(lambda: not disk.hangs)
    async with disk.answers_within(PATIENCE):
        assert await disk.do(int, "7") == 7


async def test_an_answer_to_anybody_is_one_however_it_reads(disk: Disk, gates: Callable[[], threading.Event]) -> None:
    def fails() -> None:
        raise OSError(errno.ENOSPC, "full")

    await given_up(disk, gates().wait)
    assert disk.hangs
    with pytest.raises(OSError, match="full"):
        await disk.do(fails)
    await until(lambda: not disk.hangs)


async def test_an_error_of_the_system_that_is_called_a_timeout_is_an_answer(
    disk: Disk, gates: Callable[[], threading.Event]
) -> None:
    def fails() -> None:
        raise TimeoutError(errno.ETIMEDOUT, "the server of this file system")

    waiting = asyncio.get_running_loop().create_task(disk.do(gates().wait))
    with pytest.raises(TimeoutError):
        async with disk.answers_within(PATIENCE):
            await disk.do(fails)
    assert not disk.hangs
    waiting.cancel()


async def test_what_has_not_begun_when_it_is_given_up_is_never_done(
    disk: Disk, gates: Callable[[], threading.Event]
) -> None:
    gate, done = gates(), []
    busy = [asyncio.get_running_loop().create_task(disk.do(gate.wait)) for _ in range(THREADS)]
    await asyncio.sleep(0)
    await given_up(disk, lambda: done.append(1))
    assert disk.hangs, "the others have not been answered either"
    gate.set()
    await asyncio.gather(*busy)
    await until(lambda: not disk.hangs)
    await disk.do(int)
    assert done == []


async def test_a_disk_that_has_nothing_to_do_does_not_hang(disk: Disk, gates: Callable[[], threading.Event]) -> None:
    """Whatever came together with what: it is asked again."""
    gate = gates()
    await given_up(disk, gate.wait)
    gate.set()
    await until(lambda: not disk.hangs)
    disk._silent = True  # as if the answer had come at the very moment in which it was given up
    assert not disk.hangs


async def test_what_nobody_waits_for_is_done_also_when_the_threads_have_gone(disk: Disk) -> None:
    done = threading.Event()
    disk.leave_to_it(done.set)
    assert await asyncio.to_thread(done.wait, PATIENCE)
    disk.close()
    done.clear()
    disk.leave_to_it(done.set)
    assert done.is_set()


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_given_up_and_answered_late_in_the_end_it_is_asked_again(
    disk: Disk, gates: Callable[[], threading.Event], seed: int
) -> None:
    """A random walk over operations that take their time, and those who wait for them or do not."""
    dice = random.Random(seed)

    async def one() -> None:
        gate, patience = gates(), dice.choice([0.0, 0.001, 0.005])
        asyncio.get_running_loop().call_later(dice.choice([0.0, 0.001, 0.005, 0.02]), gate.set)
        try:
            async with disk.answers_within(patience):
                await disk.do(gate.wait, PATIENCE)
        except TimeoutError:
            pass

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(150):
            task = group.create_task(one())
            if not dice.randrange(5):
                task.cancel()
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
    await until(lambda: not disk.hangs)
    assert await disk.do(int, "7") == 7
    await until(lambda: disk._under_way == 0)
