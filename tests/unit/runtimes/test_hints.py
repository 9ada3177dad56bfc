"""Bells that tell watchers to look again."""

from __future__ import annotations

import asyncio

import pytest

from gateway.runtimes.hints import Hints
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio


async def test_the_first_hint_comes_at_once_and_rings_in_between_count_as_one() -> None:
    hints = Hints()
    listener = hints.listen()
    await anext(listener)
    hints.ring()
    hints.ring()
    await anext(listener)
    waiting = asyncio.ensure_future(anext(listener))  # noqa: TID251 - the test looks at a wait from outside
    await asyncio.sleep(0)
    assert not waiting.done()
    hints.ring()
    await waiting


async def test_a_listener_that_has_left_is_forgotten() -> None:
    hints = Hints()
    listener = hints.listen()
    await anext(listener)
    await listener.aclose()
    assert not hints._bells
    hints.ring()


async def test_a_listener_may_ask_to_be_told_from_time_to_time() -> None:
    hints = Hints().listen(every=0.01)
    async with asyncio.timeout(PATIENCE):
        for _ in range(3):
            await anext(hints)
