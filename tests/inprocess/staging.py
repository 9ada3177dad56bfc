"""A gateway before an engine that says exactly what a test gives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.raw_client import RawAnswer, RawClient
from tests.fixtures.scripted_engine import Script, ScriptedEngine, scripted_engine

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Stage:
    engine: ScriptedEngine
    gateway: Gateway
    raw: RawClient
    """A client's connection to the gateway."""

    def paths(self) -> list[str]:
        """What the engine was asked for, in order."""
        return [head.decode().split(" ")[1] for head in self.engine.heads]

    def answer(self) -> RawAnswer:
        """The final answer to a GET, over a connection of its own."""
        with self.gateway.raw() as raw:
            raw.get("/x")
            while (answer := raw.answer()).status < 200:
                pass
            return answer


@contextmanager
def staged(
    script: Script, *, gateway: dict[str, Any] | None = None, others: dict[str, Engine] | None = None, **settings: Any
) -> Iterator[Stage]:
    """settings: of the engine; gateway: of the gateway. others: more engines."""
    with (
        scripted_engine(script) as engine,
        running_gateway({"whisper": Engine(engine.port, **settings), **(others or {})}, **(gateway or {})) as running,
        running.raw() as raw,
    ):
        yield Stage(engine, running, raw)
