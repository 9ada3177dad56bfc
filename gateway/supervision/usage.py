"""Measures what engines under a budget take, and says when what the configuration tells of them is not so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.announcements import Announcements, NeedsExceeded
from gateway.clock import Clock, SystemClock, pause
from gateway.config.schema import EngineSpec
from gateway.config.sizes import format_size
from gateway.errors import RuntimeTrouble
from gateway.lifecycle.phases import READY, Phase
from gateway.runtimes.base import Runtime, Usage

SAMPLE_SECONDS = 10.0
MIB = 1024 * 1024

TOO_LITTLE = 1.1
"""An engine that takes so many times what it is said to need takes too much."""

TOO_MUCH = 2.0
"""One that is said to need so many times what it ever took keeps others from their room ..."""

LONG_ENOUGH = 600.0
"""... if it has been ready for so many seconds: until then it may just not have been asked for much."""


@dataclass(slots=True)
class Measured:
    """One run of an engine, measured since `began`. now, peak: bytes of memory, as last seen and at most.

    told_more, told_less: what was said about its needs.
    """

    instance: str
    began: float
    now: int = 0
    peak: int = 0
    told_more: bool = False
    told_less: bool = False


class Engine(Protocol):
    """What is seen of a supervisor here."""

    measured: Measured | None

    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> EngineSpec: ...
    @property
    def runtime(self) -> Runtime: ...
    @property
    def phase(self) -> Phase: ...
    @property
    def instance(self) -> str | None: ...


class Measuring:
    """One for all engines, whose `measured` it alone writes. engines: those to be measured, as of now."""

    def __init__(
        self,
        engines: Callable[[], Iterable[Engine]],
        clock: Clock | None = None,
        announce: Announcements | None = None,
    ) -> None:
        self._engines = engines
        self._clock = clock or SystemClock()
        self._announce = announce or Announcements()
        self._measuring: set[Engine] = set()
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Measure for ever. Cancel to end. A runtime that does not answer delays no other engine's measurement."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for engine in self._engines():
                    if engine.phase is READY and engine not in self._measuring:
                        self._measuring.add(engine)
                        tasks.create_task(self._measure(engine))
                await pause(self._clock, SAMPLE_SECONDS)

    async def _measure(self, engine: Engine) -> None:
        instance = engine.instance
        try:
            usage = await engine.runtime.usage()
            if usage is not None and instance is not None and instance == engine.instance:
                self._note(engine, instance, usage)
        except RuntimeTrouble as trouble:
            self._log.debug("engine.not_measured", engine=engine.name, reason=trouble.message)
        except Exception:  # a mistake of ours; the engine goes on unmeasured
            self._log.exception("engine.measuring_broke", engine=engine.name)
        finally:
            self._measuring.discard(engine)

    def _note(self, engine: Engine, instance: str, usage: Usage) -> None:
        measured = engine.measured
        if measured is None or measured.instance != instance:
            measured = engine.measured = Measured(instance, self._clock.monotonic())
        measured.now = usage.memory
        measured.peak = max(measured.peak, usage.memory)
        self._judge(engine, measured)

    def _judge(self, engine: Engine, measured: Measured) -> None:
        """Compare with what the configuration says, and tell once in a run."""
        needs = engine.spec.needs.memory
        if not needs:
            return
        peak = _rounded(measured.peak)
        said = {"engine": engine.name, "resource": "memory", "needs": format_size(needs), "peak": peak}
        if measured.peak > needs * TOO_LITTLE and not measured.told_more:
            measured.told_more = True
            self._log.warning("engine.needs_more", **said)
            self._announce.tell(NeedsExceeded(engine.name, "memory", needs, measured.peak))
        long_enough = self._clock.monotonic() - measured.began >= LONG_ENOUGH
        if long_enough and needs > measured.peak * TOO_MUCH and not measured.told_less:
            measured.told_less = True
            self._log.info("engine.needs_less", **said)


def _rounded(size: int) -> str | None:
    """Up, to what one would write into the configuration."""
    return format_size(-(-size // MIB) * MIB)
