"""Engines that never get ready, flap, say nothing, talk nonsense or break off: each its own error, and no more."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.chaos.bodies import Body
from tests.chaos.client import Client, Told
from tests.chaos.process import MB, files_of, memory_of
from tests.chaos.report import Trial
from tests.chaos.rude import RUDE
from tests.chaos.scale import LONG, scaled
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.standin import STANDIN

PROGRAM = Path(__file__).with_name("rude.py")
TIMEOUT = 1
"""Seconds for an answer, and for a start, of engines that take for ever."""
SECONDS = scaled(3.0, 30.0)
"""How long the well-behaved engine's latency is measured, calm and not."""

LATE = ("silence", "slow-head")
"""What never is an answer. All other rudeness has all the time it needs."""

BROKE = "whole 502 engine_broke"
CUT = {"cut 200", "reset 200", "silent 0"}
"""A reset, which is what becomes of a connection on which the request still comes, may overtake what came before it."""
EXPECTED = {
    "mute": {"whole 504 engine_start_timeout", "whole 503 engine_cooling_down"},
    "unready": {"whole 504 engine_start_timeout", "whole 503 engine_cooling_down"},
    "flapping": {BROKE, "whole 503 engine_cooling_down", "whole 503 engine_start_failed"},
    "leaving": {"whole 503 engine_start_failed", "whole 503 engine_cooling_down"},
    "silence": {"whole 504 engine_answer_timeout"},
    "slow-head": {"whole 504 engine_answer_timeout", BROKE},
    "trailer": CUT,
    "chunk-line": CUT,
    "cut-length": CUT,
    "cut-chunked": CUT,
    "reset": {*CUT, BROKE},
    **{what: {BROKE} for what in ("garbage", "head", "heads", "informational", "two-lengths", "nothing")},
}
"""What becomes of a request, by what it meets."""


def test_every_rudeness_has_an_expectation() -> None:
    assert set(RUDE) <= set(EXPECTED)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    ports = free_ports(7)
    kinds = ("rude", "late", "mute", "unready", "flapping")
    # Where others' latency is judged it is not the processor's time that these shall take from them.
    python = [*(["nice", "-n", "19"] if LONG else []), sys.executable]
    commands = {
        kind: [*python, str(PROGRAM), str(port), "rude" if kind == "late" else kind]
        for kind, port in zip(kinds, ports, strict=False)
    }
    commands["leaving"] = [*python, "-c", "raise SystemExit(3)"]
    commands["good"] = [sys.executable, str(STANDIN), f"PORT={ports[-1]}", "HOST=127.0.0.1"]
    engines = {
        name: {"hosts": [f"{name}.test"], "process": {"command": command}, "port": port}
        for (name, command), port in zip(commands.items(), ports, strict=True)
    }
    engines["late"]["answer_timeout"] = f"{TIMEOUT}s"
    for name in ("mute", "unready"):
        engines[name]["start_timeout"] = f"{TIMEOUT}s"
    with ExitStack() as stack:
        made = GatewayProcess(tmp_path, engines, on_exit="stop")
        stack.callback(made.close)
        made.start()
        yield made
        made.stop()


def spooled(gateway: GatewayProcess) -> float:
    """Bytes of bodies on disk."""
    text = httpx.get(f"{gateway.admin_url}/metrics", timeout=LONG_PATIENCE).text
    (line,) = [line for line in text.splitlines() if line.startswith("whisper_gateway_spool_bytes ")]
    return float(line.split()[1])


class Rudeness:
    """Clients, each of whom meets one rude thing again and again. met: what they were told, by what they met."""

    def __init__(self, port: int, source: random.Random) -> None:
        self.met: dict[str, Counter[str]] = defaultdict(Counter)
        self.wrong: list[str] = []
        self._port = port
        self._source = source

    async def run(self, over: asyncio.Event, kinds: Sequence[str] = tuple(EXPECTED)) -> None:
        """Until it is over, but at least one of each kind."""
        async with asyncio.TaskGroup() as group:
            for what in kinds:
                group.create_task(self._client(what, random.Random(self._source.random()), over))

    async def _client(self, what: str, source: random.Random, over: asyncio.Event) -> None:
        name = "late" if what in LATE else "rude" if what in RUDE else what
        async with Client(self._port, f"{name}.test", patience=LONG_PATIENCE) as client:
            while not self.met[what] or not over.is_set():
                body = Body(source.choice([10, 300_000]), source.randrange(1000)) if source.random() < 0.5 else None
                self._note(what, await client.ask(f"/{what}", body=body))
                await asyncio.sleep(source.uniform(0.1, 0.4))

    def _note(self, what: str, told: Told) -> None:
        self.met[what][str(told)] += 1
        if str(told) not in EXPECTED[what]:
            self.wrong.append(f"{what}: {told} {told.body[:200]!r}")


def test_rude_answers_leave_no_tasks_and_no_connections(source: random.Random) -> None:
    ports = free_ports(2)
    programs = [subprocess.Popen([sys.executable, str(PROGRAM), str(port), "rude"]) for port in ports]
    engines = {"rude": Engine(ports[0]), "late": Engine(ports[1], answer_timeout="500ms")}
    try:
        with running_gateway(engines) as gateway:
            asyncio.run(well_answered(gateway.port))
            gateway.until(lambda: gateway.connections == [])
            before = tasks_of(gateway), files_of(os.getpid())
            rudeness = Rudeness(gateway.port, source)
            for _ in range(scaled(3, 50)):
                over = asyncio.Event()
                over.set()
                rudeness.met.clear()
                asyncio.run(rudeness.run(over, [*RUDE]))
            assert rudeness.wrong == []
            gateway.until(lambda: gateway.is_free("rude") and gateway.is_free("late"))
            gateway.until(lambda: gateway.connections == [])
            gateway.until(lambda: (tasks_of(gateway), files_of(os.getpid())) <= before)
            gateway.until(lambda: gateway.app.spools.quota.used == 0)
            asyncio.run(well_answered(gateway.port))
    finally:
        for program in programs:
            program.kill()
            program.wait()


def tasks_of(gateway: Gateway) -> int:
    return gateway.on_loop(lambda: len(asyncio.all_tasks(gateway.loop)))


async def well_answered(port: int) -> None:
    async with Client(port, "rude.test") as client:
        assert (await client.ask("/well")).body == b"ok"


async def latencies(port: int, seconds: float) -> list[float]:
    """Of the well-behaved engine's answers, asked at a steady pace by a few clients."""
    took: list[float] = []
    deadline = time.monotonic() + seconds

    async def one() -> None:
        async with Client(port, "good.test") as client:
            while time.monotonic() < deadline:
                told = await client.ask("/hello")
                assert told.ok
                took.append(told.took)
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(one())
    return took


def p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


def test_rude_engines(trial: Trial, source: random.Random, gateway: GatewayProcess) -> None:
    trial.must("each its own clear error, nothing leaks, others' p99 within 2 x of calm")
    assert gateway.process is not None
    pid = gateway.process.pid
    rudeness = Rudeness(gateway.port, source)

    async def act() -> tuple[list[float], list[float]]:
        await latencies(gateway.port, 0.5)
        over = asyncio.Event()
        over.set()
        await rudeness.run(over)  # once each, so that all is loaded and awake
        before.update(memory=memory_of(pid), files=files_of(pid))
        calm = await latencies(gateway.port, SECONDS)
        over.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(rudeness.run(over))
            rough = await latencies(gateway.port, SECONDS)
            over.set()
        return calm, rough

    before: dict[str, int] = {}
    calm, rough = asyncio.run(act())
    for name in ("rude", "late", "mute", "unready", "flapping", "leaving", "good"):
        gateway.until(name, serving=0, waiting=0)
    kept = 10
    """Connections to the good engine, at most. Those of clients have ended a moment ago."""
    gateway._until(lambda: files_of(pid) <= before["files"] + kept, "end of connections")
    memory, files = memory_of(pid) - before["memory"], files_of(pid) - before["files"]
    total = sum((met for met in rudeness.met.values()), Counter[str]())
    trial.measured(
        f"{total.total()} rude answers {dict(total)}; p99 {p99(calm) * 1000:.1f} ms calm, {p99(rough) * 1000:.1f} ms "
        f"beside them ({p99(rough) / p99(calm):.1f} x); {memory / MB:+.1f} MB, {files:+d} open files"
    )
    assert rudeness.wrong == []
    assert spooled(gateway) == 0
    assert files <= kept
    assert memory < 32 * MB
    trial.in_time(p99(rough), 2 * p99(calm))
