"""A model that loads, closes and grows idle when a test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import anyio

from engines.transcription.model_slot import ModelSlot
from tests.fixtures.patience import PATIENCE

Result = TypeVar("Result")


class Loader:
    """Loads a str when it is told to, or fails; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = threading.Event()
        self.problem: BaseException | None = None

    def __call__(self) -> str:
        self.calls += 1
        assert self.go.wait(PATIENCE)
        if self.problem is not None:
            raise self.problem
        return "model"


class Timers:
    """A clock that rings when the test says so."""

    def __init__(self) -> None:
        self.running: list[Timers.Timer] = []

    class Timer:
        def __init__(self, timers: Timers, seconds: float, callback: Callable[[], None]) -> None:
            self.timers, self.seconds, self.callback = timers, seconds, callback

        def cancel(self) -> None:
            self.timers.running.remove(self)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timers.Timer:
        self.running.append(timer := Timers.Timer(self, seconds, callback))
        return timer

    def ring(self) -> None:
        (timer,) = self.running
        self.running.clear()
        timer.callback()


class Closer:
    """Closes models when it is told to; remembers them."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, model: str) -> None:
        assert self.go.wait(PATIENCE)
        self.closed.append(model)


def name(model: str) -> str:
    return model


async def until_waiting(slot: ModelSlot[str], work: Callable[[str], Result]) -> asyncio.Task[Result]:
    """A request that has got as far as it can."""
    task = asyncio.get_running_loop().create_task(slot.run(work))
    for _ in range(5):
        await anyio.lowlevel.checkpoint()
    assert not task.done()
    return task


async def until(condition: Callable[[], bool]) -> None:
    """For what a thread brings about without telling anybody."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110  see above
            await anyio.sleep(0.001)
