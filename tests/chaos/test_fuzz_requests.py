"""Whatever bytes a client sends: no crash, no hang, and nothing is forwarded that could be understood in two ways."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chaos import strict
from tests.chaos.judge_requests import complaints
from tests.chaos.mutation import damaged, parts, tricky_request
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.chaos.wires import Line, Wires, wired
from tests.inprocess.test_fuzz import SEEDS

OK = b"HTTP/1.1 200 OK\r\nX-Asked: %b\r\nContent-Length: 2\r\n\r\n"


class Echo:
    """An engine that answers each request when it has heard all of it. asked: the targets, since they were taken."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, line: Line) -> None:
        said, _ = strict.requests(line.heard)
        while line.answered < len(said):
            method, target, _ = said[line.answered].first
            line.answered += 1
            self.asked.append(target)
            answer = OK % target + (b"" if method == b"HEAD" else b"ok")
            asyncio.get_running_loop().call_soon(line.say, answer)

    def take(self) -> list[bytes]:
        asked, self.asked = self.asked, []
        return asked


async def exchange(wires: Wires, data: bytes, source: random.Random) -> tuple[bytes, list[bytes]]:
    """What the client is told, and what engines hear of it, one connection each."""
    client, end = wires.connect()
    told: bytes = b""
    for piece in parts(source, data):
        client.data_received(piece)
        if source.random() < 0.3:
            await asyncio.sleep(0)
    assert await wires.quiet(), "it does not come to rest"
    told = end.written
    client.connection_lost(None)
    assert await wires.ended(), "it goes on though the client has left"
    # On a kept connection others were heard before: only what came since belongs to this client.
    heard = [line.heard[line.shown :] for line in wires.lines]
    for line in wires.take_lines():
        line.shown = len(line.heard)
        if line.answered > 20:
            line.hang_up()  # what was heard is read from its beginning each time
    return told, heard


async def judge(wires: Wires, engine: Echo, data: bytes, source: random.Random) -> tuple[str, int]:
    """Raises AssertionError for anything that must not be. Returns what the client was told, and how much passed."""
    told, heard = await exchange(wires, data, source)
    assert complaints(data, heard) == [], data
    assert wires.blunders == [], data
    answered = re.findall(rb"x-asked: (.*)\r\n", told)
    assert answered == engine.take()[: len(answered)], (
        data,
        told,
    )  # everybody hears the answers to their own questions
    statuses = re.findall(rb"(?:^|\n|ok)HTTP/1\.1 (\d\d\d) ", told)
    assert not [status for status in statuses if status[:1] == b"5"], (data, told)
    return (statuses[-1].decode() if statuses else "nothing"), len(heard)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as made:
        yield made


def test_fuzz_of_requests(trial: Trial, source: random.Random, runner: asyncio.Runner, tmp_path: Path) -> None:
    trial.must("no crash, no hang, no forwarded ambiguity")
    count = scaled(8000, 1_000_000)
    ends: Counter[str] = Counter()
    passed = 0

    async def fuzz() -> None:
        nonlocal passed
        async with wired(tmp_path) as wires:
            wires.engine = engine = Echo()
            for _ in range(count):
                data = tricky_request(source) if source.random() < 0.5 else damaged(source, SEEDS)
                end, forwarded = await judge(wires, engine, data, source)
                ends[end] += 1
                passed += forwarded

    runner.run(fuzz())
    trial.measured(f"{count:,} inputs, {passed:,} forwarded; the last answers: {dict(ends.most_common(6))}")
    assert passed > count / 20
    assert ends["400"] > count / 20


@settings(max_examples=scaled(300, 30_000), deadline=None, suppress_health_check=list(HealthCheck))
@given(source=st.randoms(use_true_random=False))
def test_heads_made_of_tricks(runner: asyncio.Runner, wires: Wires, source: random.Random) -> None:
    """By hypothesis, which finds the smallest that goes wrong.

    It may give up an example wherever that draws something: not in the middle of an exchange, which would leave its
    rest to the next one.
    """
    wires.engine = engine = Echo()
    data, pieces = tricky_request(source), random.Random(source.randrange(2**32))
    runner.run(judge(wires, engine, data, pieces))


@pytest.fixture
def wires(runner: asyncio.Runner, tmp_path: Path) -> Iterator[Wires]:
    stack = AsyncExitStack()
    wires = runner.run(stack.enter_async_context(wired(tmp_path)))
    yield wires
    runner.run(stack.aclose())
