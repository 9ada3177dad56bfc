"""One short clip over HTTP, one at a time ÷ the library's call, decoding included: what does the engine add?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine import model, recordings
from bench.engine.comparison import compare
from bench.engine.library import library
from bench.engine.server import Server
from bench.engine.setting import SMALL_MODEL
from bench.harness import scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.harness import Options

TARGET = Target("at most", 1.05)
_TOKENS = 12
"""What is said in three seconds, generously."""
_LANGUAGES: dict[str, dict[str, str]] = {"language given": {"language": "en"}, "language detected": {}}
"""The library encodes a window twice when it detects the language, the engine once; so that row has no target."""


@dataclass(frozen=True)
class _Case:
    """calls: in each round."""

    model: str
    source: Path
    calls: int
    rounds: int


def measure(options: Options) -> list[Row]:
    with scratch() as folder:
        cases = [
            _Case("shipped model", SMALL_MODEL, calls=10, rounds=15),
            _Case("small's shapes", model.write(folder / "small", model.SMALL, _TOKENS), calls=1, rounds=9),
        ]
        return [row for case in cases for row in _measure(case, folder, options)]


def _measure(case: _Case, folder: Path, options: Options) -> list[Row]:
    file = recordings.write_wav(folder / "clip.wav", recordings.clip().sound)
    with ExitStack() as stack:
        reference = partial(stack.enter_context(library(folder, case.source)).one, file)
        if options.self_check:
            subject = partial(stack.enter_context(library(folder, case.source)).one, file)
        else:
            server = Server(stack, folder, case.source)
            server.wait_until_ready()
            subject = partial(server.hear, file.read_bytes())
        rows = []
        for how, fields in _LANGUAGES.items():
            rounds = options.rounds_or(case.rounds)
            ways = {"engine": partial(subject, **fields), "library": partial(reference, **fields)}
            result = compare(rounds, case.calls, **ways)
            name = f"engine, one 3 s clip, {case.model}, {how}"
            target = TARGET if fields else None
            ratios = result.ratios("engine", "library")
            rows.append(Row(name, ratios, "", "the library's call", target, note=result.note()))
        return rows
