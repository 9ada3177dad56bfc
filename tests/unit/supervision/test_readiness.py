"""How often an engine is asked whether it answers."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Callable

import pytest

from gateway.supervision.readiness import EAGER_INTERVAL, EAGER_PERIOD, SLOWEST_INTERVAL, until_ready
from tests.unit.supervision.stage import ADDRESS


class ImpatientLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__(JumpingSelector(self))
        self.now = 100.0

    def time(self) -> float:
        return self.now


class JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: ImpatientLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.loop.now += timeout
        return super().select(0)


def asked_at(ready_after: float, takes: Callable[[int], float] = lambda _: 0.0) -> list[float]:
    """When the engine was asked, in seconds since the first question; question n is answered after `takes(n)`."""
    loop = ImpatientLoop()
    began = loop.time()
    times: list[float] = []
    asking = 0

    async def probe(address: object) -> bool:
        nonlocal asking
        assert address is ADDRESS
        assert asking == 0, "one question at a time"
        asking += 1
        times.append(loop.time() - began)
        await asyncio.sleep(takes(len(times)))
        asking -= 1
        return loop.time() - began >= ready_after

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(until_ready(lambda: probe(ADDRESS)))
    return times


def gaps(times: list[float]) -> list[float]:
    return [later - sooner for sooner, later in itertools.pairwise(times)]


def test_an_engine_that_answers_is_asked_once() -> None:
    assert asked_at(0) == [0]


def test_an_engine_is_asked_every_ten_milliseconds_at_first() -> None:
    times = asked_at(EAGER_PERIOD)
    assert gaps(times) == pytest.approx([EAGER_INTERVAL] * len(gaps(times)))
    assert times[-1] == pytest.approx(EAGER_PERIOD)


def test_later_it_is_asked_more_and_more_slowly_but_at_least_ten_times_a_second() -> None:
    later = gaps([time for time in asked_at(60) if time >= EAGER_PERIOD])
    assert later == pytest.approx(sorted(later))
    assert later[5] < SLOWEST_INTERVAL / 2, "not all at once"
    assert later[-1] == pytest.approx(SLOWEST_INTERVAL)
    assert sum(gap < SLOWEST_INTERVAL * 0.999 for gap in later) < 50


def test_the_interval_is_counted_from_question_to_question() -> None:
    times = asked_at(0.2, takes=lambda _: 0.007)
    assert gaps(times) == pytest.approx([0.010] * len(gaps(times)))


def test_an_answer_that_takes_longer_than_the_interval_is_followed_by_the_next_question_at_once() -> None:
    times = asked_at(5, takes=lambda _: 1.0)
    assert gaps(times) == pytest.approx([1.0] * 4)


def test_asking_ends_when_the_asker_is_cancelled() -> None:
    """A start that is given up asks no more; nothing but the caller ends the asking."""
    asked = 0

    async def never(_: object) -> bool:
        nonlocal asked
        asked += 1
        return False

    async def give_up_after(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await until_ready(lambda: never(ADDRESS))

    loop = ImpatientLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner, pytest.raises(TimeoutError):
        runner.run(give_up_after(3600))
    assert 35_000 < asked < 37_000
