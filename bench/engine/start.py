"""How soon after its start the engine answers, and has transcribed a clip. Everything is in the page cache."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.engine import recordings
from bench.engine.server import Server
from bench.engine.setting import SMALL_MODEL
from bench.errors import BenchError
from bench.harness import scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.harness import Options

HEALTH_TARGET = Target("at most", 0.5)
TRANSCRIPT_TARGET = Target("at most", 0.85)
_ROUNDS = 10


@dataclass(frozen=True)
class _Start:
    """Seconds after the process was started."""

    health: float
    transcript: float


def measure(options: Options) -> list[Row]:
    _start()  # fills the page cache, and compiles what has changed
    starts = [_start() for _ in range(options.rounds_or(_ROUNDS))]
    reference = "process start"
    return [
        Row("engine, start to /health", [start.health for start in starts], "s", reference, HEALTH_TARGET),
        Row(
            "engine, start to first transcript, shipped model",
            [start.transcript for start in starts],
            "s",
            reference,
            TRANSCRIPT_TARGET,
            note="a 3 s clip, sent as soon as /health answers; the model loads meanwhile",
        ),
    ]


def _start() -> _Start:
    clip = recordings.clip()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        sound = recordings.wav(clip.sound)
        begin = time.perf_counter()
        server = Server(stack, folder, SMALL_MODEL)
        server.wait_until_it_answers()
        health = time.perf_counter() - begin
        (text,) = server.hear(sound).texts
        transcript = time.perf_counter() - begin
    if text.strip() != clip.text:
        raise BenchError(f"the first transcript was {text!r}")
    return _Start(health, transcript)
