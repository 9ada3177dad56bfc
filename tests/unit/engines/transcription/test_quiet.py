from __future__ import annotations

import asyncio

import pytest

from engines.transcription.quiet import Quiet
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio


async def test_memory_goes_back_once_when_the_last_has_been_gone_for_a_while() -> None:
    loop, acted, times = asyncio.get_running_loop(), asyncio.Event(), []

    def act() -> None:
        times.append(loop.time())
        loop.call_soon_threadsafe(acted.set)

    quiet = Quiet(0.05, act)
    for _ in range(3):
        with quiet.busy(), quiet.busy():
            await asyncio.sleep(0)
    left = loop.time()
    async with asyncio.timeout(PATIENCE):
        await acted.wait()
    assert len(times) == 1
    assert times[0] >= left + 0.04


async def test_whoever_comes_meanwhile_puts_it_off() -> None:
    acted = asyncio.Event()
    quiet = Quiet(0.01, acted.set)
    with quiet.busy():
        pass
    with quiet.busy(), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await acted.wait()
