"""How soon after its start the engine answers, and has transcribed a clip. Everything is in the page cache."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.engine import recordings
from bench.engine.scoring import errors
from bench.errors import BenchError
from bench.harness import scratch
from bench.rounds import interleaved
from bench.table import Row, Target
from bench.whisperx import setting
from bench.whisperx.library import library
from bench.whisperx.server import Server

if TYPE_CHECKING:
    from bench.harness import Options

HEALTH_TARGET = Target("at most", 1)
_ROUNDS = 3


@dataclass(frozen=True)
class _Start:
    """Seconds after the process was started."""

    health: float
    transcript: float


def measure(options: Options) -> list[Row]:
    ways = {"engine": _engine, "library": _library}
    for way in ways.values():
        way()  # fills the page cache, and compiles what has changed
    results = list(interleaved(options.rounds_or(_ROUNDS), ways))
    engine, theirs = ([result[way] for result in results] for way in ways)
    ratios = [one.transcript / other.transcript for one, other in zip(engine, theirs, strict=True)]
    note = "a 3 s clip with word times and without speakers; most of it is the import of torch and its company"
    return [
        Row("whisperx, start to /health", [start.health for start in engine], "s", "process start", HEALTH_TARGET),
        Row(
            "whisperx, start to first transcript",
            [start.transcript for start in engine],
            "s",
            "process start",
            note=f"{note}; sent as soon as /health answers",
        ),
        Row("whisperx, start to first transcript", ratios, "", "a program that only does that"),
    ]


def _engine() -> _Start:
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        models = setting.models(folder)
        clip = recordings.clip()
        file = recordings.write_wav(folder / "clip.wav", clip.sound)
        begin = time.perf_counter()
        server = Server(stack, folder, models)
        server.wait_until_it_answers()
        health = time.perf_counter() - begin
        told = server.transcribe(file, diarize=False)
        transcript = time.perf_counter() - begin
    _check(clip.text, " ".join(word.text for word in told.words))
    return _Start(health, transcript)


def _library() -> _Start:
    """health: when it has loaded its models."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        models = setting.models(folder)
        clip = recordings.clip()
        file = recordings.write_wav(folder / "clip.wav", clip.sound)
        begin = time.perf_counter()
        program = stack.enter_context(library(folder, models, diarize=False))
        loaded = time.perf_counter() - begin
        heard = program.chain(file)
        transcript = time.perf_counter() - begin
    _check(clip.text, " ".join(heard.texts))
    return _Start(loaded, transcript)


def _check(said: str, heard: str) -> None:
    if errors(said, heard):
        raise BenchError(f"the first transcript was {heard!r}")
