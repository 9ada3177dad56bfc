"""Short clips that arrive at once over HTTP: throughput ÷ that of the library, in one batch and one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from bench import client, procfs
from bench.engine import model, recordings
from bench.engine.comparison import compare
from bench.engine.library import library
from bench.engine.server import Server, request, text_of
from bench.engine.setting import Heard
from bench.harness import scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.harness import Options

CLIPS = 16
SECONDS = 5
BATCH_TARGET = Target("at least", 0.9)
LOOP_TARGET = Target("at least", 1)
_TOKENS = 20
"""What is said in five seconds, generously."""
_PATIENCE = 300.0


def measure(options: Options) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        shaped = model.write(folder / "model", model.TINY, _TOKENS)
        clips = recordings.clips(CLIPS, SECONDS)
        files = [recordings.write_wav(folder / f"clip-{number}.wav", clip) for number, clip in enumerate(clips)]
        reference = stack.enter_context(library(folder, shaped))
        if options.self_check:
            subject = partial(stack.enter_context(library(folder, shaped)).together, *files, language="en")
        else:
            server = Server(stack, folder, shaped, {"WHISPER_BATCH_SIZE": str(CLIPS)})
            server.wait_until_ready()
            subject = partial(at_once, server, [file.read_bytes() for file in files], language="en")
        result = compare(
            options.rounds_or(7),
            engine=subject,
            batch=partial(reference.together, *files, language="en"),
            loop=partial(reference.one, *files, language="en"),
        )
    name = f"engine, {CLIPS} clips of {SECONDS} s at once, throughput"
    note = f"{result.note()}; {model.TINY.name}'s shapes, {_TOKENS} tokens a clip"
    return [
        Row(name, result.ratios("batch", "engine"), "", "one hand-made batch", BATCH_TARGET, note=note),
        Row(name, result.ratios("loop", "engine"), "", "the library, one by one", LOOP_TARGET),
    ]


def at_once(server: Server, sounds: Sequence[bytes], **fields: str) -> Heard:
    """Each on a connection of its own, all sent at the same moment. The time is that until the last answer."""
    messages = [request(sound, **fields) for sound in sounds]
    together = threading.Barrier(len(sounds) + 1)

    def send(message: bytes) -> client.Answer:
        together.wait()
        return client.ask(server.port, message, _PATIENCE)

    before = procfs.cpu_seconds(server.pid)
    with ThreadPoolExecutor(len(sounds)) as threads:
        answers = [threads.submit(send, message) for message in messages]
        together.wait()
        begin = time.perf_counter()
        texts = [text_of(answer.result()) for answer in answers]
        seconds = time.perf_counter() - begin
    return Heard(seconds, texts, procfs.cpu_seconds(server.pid) - before)
