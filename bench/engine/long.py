"""One long recording, end to end over HTTP ÷ faster_whisper's BatchedInferencePipeline called directly."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine import model, recordings
from bench.engine.comparison import compare
from bench.engine.library import library
from bench.engine.server import Server
from bench.harness import scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.engine.setting import Heard
    from bench.harness import Options

TARGET = Target("at most", 1.03)
MINUTES = 10
_BATCH = 8
_TOKENS = 80
"""For each window of 30 seconds: about what people say in them."""


def measure(options: Options) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        shaped = model.write(folder / "model", model.TINY, _TOKENS)
        reference = partial(stack.enter_context(library(folder, shaped)).batched, batch_size=_BATCH)
        if options.self_check:
            subject = partial(stack.enter_context(library(folder, shaped)).batched, batch_size=_BATCH)
        else:
            server = Server(stack, folder, shaped, {"WHISPER_BATCH_SIZE": str(_BATCH)})
            server.wait_until_ready()
            subject = partial(_hear, server)
        talk = recordings.talk(MINUTES * 60)
        files = {
            "WAV": (recordings.write_wav(folder / "talk.wav", talk), options.rounds_or(7), TARGET),
            "MP3": (recordings.write_mp3(folder / "talk.mp3", talk), options.rounds_or(3), None),
        }
        rows = []
        for kind, (file, rounds, target) in files.items():
            result = compare(rounds, engine=partial(subject, file), library=partial(reference, file))
            note = f"{result.note()}; {model.TINY.name}'s shapes, {_TOKENS} tokens a window, batches of {_BATCH}"
            name = f"engine, one {MINUTES}-minute {kind}"
            rows.append(Row(name, result.ratios("engine", "library"), "", "the library's batches", target, note=note))
        return rows


def _hear(server: Server, file: Path) -> Heard:
    return server.hear(file.read_bytes())
