"""The whole gateway without sockets: what a client says goes in, what an engine hears comes out, thousands a second.

Everything between is real: the server's protocol, the application, the engine's supervisor, the upstream protocol.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import structlog
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from gateway.app import App, create_app
from gateway.config import Config
from gateway.lifecycle.phases import READY
from gateway.proxy.upstream import Upstream
from gateway.runtimes.base import Address
from gateway.runtimes.memory import MemoryRuntime
from gateway.server.connection import Connection
from gateway.server.limits import Limits
from gateway.server.sweeper import Sweeper
from tests.unit.server.wire import Message, Remembering

HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
CALM_TURNS = 12
"""Of the event loop, after which nothing more happens by itself."""
MOST_TURNS = 400
"""Of the event loop, after which what still goes on counts as hanging."""


class Line(Remembering):
    """The engine's end of one connection. heard: what it was sent. on_news: called when there is more."""

    def __init__(self, upstream: Upstream, on_news: Callable[[Line], None]) -> None:
        super().__init__()
        self.upstream = upstream
        self.answered = self.shown = 0
        self._on_news = on_news
        self._gone = False

    @property
    def heard(self) -> bytes:
        return self.written

    def write(self, data: Any) -> None:
        super().write(bytes(data))
        self._on_news(self)

    def writelines(self, list_of_data: Any) -> None:
        super().writelines(list_of_data)
        self._on_news(self)

    def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def _end(self, how: str) -> None:
        if self.ended is None:
            self.ended = how
            asyncio.get_running_loop().call_soon(self.hang_up)

    def say(self, data: bytes) -> None:
        if not self._gone and not self.is_closing():
            self.upstream.data_received(data)

    def hang_up(self, error: Exception | None = None) -> None:
        if not self._gone:
            self._gone = True
            self.upstream.connection_lost(error)


class ClientEnd(Remembering):
    """The client's end of one connection."""

    def __init__(self) -> None:
        super().__init__()
        self.linger = b""
        self.extra["socket"] = SimpleNamespace(setsockopt=self._note, getsockopt=lambda *_: b"\1")

    def _note(self, _level: int, option: int, value: bytes) -> None:
        if option == socket.SO_LINGER:
            self.linger = value

    @property
    def how_it_ended(self) -> Literal["open", "closed", "reset"]:
        """As the client sees it."""
        if self.ended is None:
            return "open"
        return "reset" if self.ended == "aborted" and self.linger else "closed"


class Wires:
    """One gateway, whose engine `whisper` is ready. engine: plays it; called whenever a line has heard something new.

    lines: those that have carried requests, since the last `take_lines`. mishaps: exceptions that nobody caught.
    journal: mistakes that were logged.
    """

    def __init__(self, app: App) -> None:
        self.lines: list[Line] = []
        self.engine: Callable[[Line], None] = lambda _: None
        self.mishaps: list[dict[str, Any]] = []
        self.journal: list[Any] = []
        self.state = ServerState()
        self._config: Any = SimpleNamespace(loaded_app=app)
        self._sweeper = Sweeper()
        self._limits = Limits(head=app.config.gateway.head_limit)
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.mishaps.append(context))

    def connect(self) -> tuple[Connection, ClientEnd]:
        """A client's connection: what it says is the first's to hear, what it is told is `written` at its own end."""
        made, end = Connection(self._config, self.state, {}, limits=self._limits, sweeper=self._sweeper), ClientEnd()
        made.connection_made(end)
        return made, end

    async def quiet(self) -> bool:
        """Lets everything run until nothing more happens. False if it does not come to an end."""
        idle, before = 0, -1
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            heard = sum(len(line.heard) for line in self.lines)
            idle, before = (idle + 1 if heard == before else 0), heard
            if idle > CALM_TURNS:
                return True
        return False

    async def ended(self) -> bool:
        """Whether all tasks end now, since the client has left."""
        for _ in range(MOST_TURNS):
            if not self.state.tasks:
                return True
            await asyncio.sleep(0)
        return False

    @property
    def blunders(self) -> list[Any]:
        """What a gateway must never do."""
        return [*self.mishaps, *self.journal]

    def take_lines(self) -> list[Line]:
        lines, self.lines = self.lines, []
        return lines

    def hear(self, line: Line) -> None:
        if line.heard.startswith(b"GET /health HTTP/1.1\r\nhost: whisper.test\r\nuser-agent: whisper-gateway\r\n"):
            asyncio.get_running_loop().call_soon(line.say, HEALTHY)  # the gateway's own probe
            return
        if line not in self.lines:
            self.lines.append(line)
        self.engine(line)


@asynccontextmanager
async def wired(state_dir: Path, **settings: Any) -> AsyncIterator[Wires]:
    """Runs the gateway inside the block. settings: the engine's."""
    engine = {"hosts": ["whisper.test"], "process": {"command": ["none"]}, "port": 8000, **settings}
    config = Config.model_validate({"gateway": {"state_dir": str(state_dir)}, "engines": {"whisper": engine}})
    runtime = MemoryRuntime(Address("127.0.0.1", 8000))
    runtime.start_by_hand()
    app = create_app(config, runtime_for=lambda _name, _spec: runtime)
    wires = Wires(app)

    async def connect(address: Address) -> Upstream:
        upstream = Upstream(app._pool, address)
        upstream.connection_made(Line(upstream, wires.hear))
        return upstream

    with pytest.MonkeyPatch.context() as patch, capture_logs(processors=[_errors_only]) as wires.journal:
        patch.setattr(app._pool, "connect", connect)
        async with _alive(app):
            await app.fleet.get("whisper").wait_for(READY)
            yield wires


def _errors_only(_logger: Any, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if "exc_info" in entry or method in ("error", "exception", "critical"):
        return entry
    raise structlog.DropEvent


@asynccontextmanager
async def _alive(app: App) -> AsyncIterator[None]:
    """ASGI's lifespan."""
    begun, over = asyncio.Event(), asyncio.Event()
    first = True

    async def receive() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "lifespan.startup"}
        await over.wait()
        return {"type": "lifespan.shutdown"}

    async def send(_: Message) -> None:
        begun.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(app({"type": "lifespan"}, receive, send))
        await begun.wait()
        try:
            yield
        finally:
            over.set()
