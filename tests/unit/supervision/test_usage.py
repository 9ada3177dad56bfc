"""What engines take is measured, and compared with what the configuration says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.announcements import Announcements, NeedsExceeded
from gateway.config.schema import EngineSpec
from gateway.lifecycle.phases import ASLEEP, READY
from gateway.runtimes.base import Address, Usage
from gateway.runtimes.memory import MemoryRuntime
from gateway.supervision.usage import LONG_ENOUGH, SAMPLE_SECONDS, Measured, Measuring
from tests.fixtures.clock import FakeClock
from tests.unit.supervision.stage import calm

pytestmark = pytest.mark.anyio

GIB = 1024**3


class Slow(MemoryRuntime):
    """Answers when the test lets it."""

    def __init__(self) -> None:
        super().__init__(Address("127.0.0.1", 1))
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def usage(self) -> Usage | None:
        await self.may_answer.wait()
        return await super().usage()


class Engine:
    def __init__(self, name: str = "whisper", needs: str | None = "1g") -> None:
        self.name = name
        words: dict[str, Any] = {"hosts": (f"{name}.test",), "process": {"command": ["x"]}, "port": 8000}
        self.spec = EngineSpec.model_validate({**words, "needs": {"memory": needs} if needs else {}})
        self.runtime = Slow()
        self.runtime.start_by_hand()
        self.phase = READY
        self.instance: str | None = "one"
        self.measured: Measured | None = None


class Stage:
    def __init__(self, *engines: Engine) -> None:
        self.clock = FakeClock()
        self.exceeded: list[NeedsExceeded] = []
        announcements = Announcements()
        announcements.listen(NeedsExceeded, self.exceeded.append)
        self.measuring = Measuring(lambda: engines, self.clock, announcements)

    async def passes(self, seconds: float = SAMPLE_SECONDS) -> None:
        for _ in range(int(seconds / SAMPLE_SECONDS)):
            self.clock.advance(SAMPLE_SECONDS)
            await calm()


@asynccontextmanager
async def measured(*engines: Engine) -> AsyncIterator[Stage]:
    stage = Stage(*engines)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(stage.measuring.run())
        await calm()
        yield stage
        assert not running.done()
        running.cancel()


def events(logs: list[Any], *names: str) -> list[Any]:
    return [line for line in logs if line["event"] in names]


async def test_the_peak_of_a_run_is_kept() -> None:
    engine = Engine()
    async with measured(engine) as stage:
        for memory in (100, 300, 200):
            engine.runtime.memory = memory
            await stage.passes()
        seen = engine.measured
    assert seen is not None
    assert (seen.now, seen.peak) == (200, 300)


async def test_the_next_run_has_a_peak_of_its_own() -> None:
    engine = Engine()
    async with measured(engine) as stage:
        engine.runtime.memory = 300
        await stage.passes()
        engine.instance, engine.runtime.memory = "two", 100
        await stage.passes()
        seen = engine.measured
    assert seen is not None
    assert (seen.instance, seen.peak) == ("two", 100)


async def test_who_is_not_ready_is_not_asked() -> None:
    engine = Engine()
    engine.phase = ASLEEP
    async with measured(engine) as stage:
        await stage.passes(60)
        assert engine.measured is None
    assert engine.runtime.calls == []


async def test_an_engine_that_takes_more_than_it_is_said_to_need_is_told_of_once_in_a_run() -> None:
    engine = Engine(needs="1g")
    with capture_logs() as logs:
        async with measured(engine) as stage:
            engine.runtime.memory = int(1.05 * GIB)
            await stage.passes(30)
            assert events(logs, "engine.needs_more") == []
            engine.runtime.memory = int(1.25 * GIB)
            await stage.passes(30)
            engine.instance = "two"
            await stage.passes(30)
    first, second = events(logs, "engine.needs_more")
    assert (first["engine"], first["resource"], first["needs"], first["peak"]) == ("whisper", "memory", "1g", "1280m")
    assert second == first
    assert stage.exceeded == [NeedsExceeded("whisper", "memory", GIB, int(1.25 * GIB))] * 2


async def test_an_engine_that_takes_far_less_is_told_of_when_it_has_served_for_a_while() -> None:
    engine = Engine(needs="4g")
    engine.runtime.memory = GIB
    with capture_logs() as logs:
        async with measured(engine) as stage:
            await stage.passes(LONG_ENOUGH - SAMPLE_SECONDS)
            assert events(logs, "engine.needs_less") == []
            await stage.passes(60)
    (line,) = events(logs, "engine.needs_less")
    assert (line["log_level"], line["needs"], line["peak"]) == ("info", "4g", "1g")


async def test_where_nothing_is_said_of_needs_there_is_nothing_to_tell() -> None:
    engine = Engine(needs=None)
    engine.runtime.memory = GIB
    with capture_logs() as logs:
        async with measured(engine) as stage:
            await stage.passes(2 * LONG_ENOUGH)
    assert logs == []


async def test_a_runtime_that_hangs_delays_no_other_measurement_and_is_not_asked_twice() -> None:
    hangs, well = Engine("hangs"), Engine("well")
    well.runtime.memory = 7
    hangs.runtime.may_answer.clear()
    async with measured(hangs, well) as stage:
        await stage.passes(30)
        seen = well.measured
        assert seen is not None
        assert seen.now == 7
        assert hangs.runtime.calls == []
        hangs.runtime.may_answer.set()
        await calm()
        assert hangs.runtime.calls == ["usage"]


async def test_an_answer_about_a_run_that_is_over_says_nothing_about_the_next() -> None:
    engine = Engine()
    engine.runtime.memory = 300
    engine.runtime.may_answer.clear()
    async with measured(engine):
        engine.instance = "two"
        engine.runtime.may_answer.set()
        await calm()
        assert engine.measured is None


@pytest.mark.parametrize("breaks", [lambda e: setattr(e.runtime, "available", False), lambda e: delattr(e, "spec")])
async def test_nothing_that_breaks_ends_the_measuring(breaks: Callable[[Engine], None]) -> None:
    broken, well = Engine("broken"), Engine("well")
    broken.runtime.memory = well.runtime.memory = 7
    breaks(broken)
    async with measured(broken, well) as stage:
        await stage.passes(30)
        well.runtime.memory = 9
        await stage.passes()
        seen = well.measured
    assert seen is not None
    assert seen.now == 9
