"""What the engine keeps of its requests: memory, open files and threads after many, against those after some.

Of twenty requests some are transcribed, in all formats and streamed, some are refused, and some clients leave: during
the upload, before the answer, and in the middle of a stream.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import client, procfs
from bench.engine import recordings
from bench.engine.server import MEDIA_TYPE, TRANSCRIPTIONS, Server, around
from bench.engine.setting import SMALL_MODEL
from bench.errors import BenchError
from bench.harness import scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.harness import Options

TARGET = Target("at most", 1.10)
_FEW, _MANY = 200, 2_000
_CLIENTS = 6
_QUIET = 4.0
"""Seconds after which the engine has given back what a burst left behind."""
_PATIENCE = 60.0


def measure(_: Options) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, SMALL_MODEL)
        server.wait_until_ready()
        burden(server.port, 0, _FEW)
        before = Held.by(server.pid)
        burden(server.port, _FEW, _MANY)
        after = Held.by(server.pid)
    note = f"{before} after {_FEW} requests, {after} after {_MANY}"
    return [
        Row(
            "engine, memory after 2,000 requests",
            [after.megabytes / before.megabytes],
            "",
            "after 200",
            TARGET,
            note=note,
        )
    ]


class Held:
    """What a process holds."""

    def __init__(self, megabytes: float, files: int, threads: int) -> None:
        self.megabytes = megabytes
        self.files = files
        self.threads = threads

    def __str__(self) -> str:
        return f"{self.megabytes:.0f} MB, {self.files} files, {self.threads} threads"

    @classmethod
    def by(cls, pid: int) -> Held:
        """As soon as it is quiet."""
        time.sleep(_QUIET)
        process = Path(f"/proc/{pid}")
        files, threads = (len(list((process / name).iterdir())) for name in ("fd", "task"))
        return cls(procfs.rss_mb(pid), files, threads)


def burden(port: int, first: int, last: int) -> None:
    """Send the requests from number `first` up to `last`. Raises BenchError for an answer that should be another."""
    kinds = _kinds(recordings.wav(recordings.clip().sound))
    with ThreadPoolExecutor(_CLIENTS) as clients:
        for _ in clients.map(lambda number: kinds[number % len(kinds)](port), range(first, last)):
            pass


def _kinds(sound: bytes) -> list[Callable[[int], None]]:
    """Twenty of them."""
    formats = ("json", "text", "srt", "vtt", "verbose_json")
    heard = [partial(_sent, _form(sound, response_format=name, language="en"), 200) for name in formats]
    streamed = _form(sound, stream="true", **{"include[]": "logprobs"})
    refused = (
        _form(b""),
        _form(b"Dear all, please find the recording attached."),
        _form(sound[:40]),
        _form(sound, model="another"),
        _form(sound, temperature="hot"),
        _form(sound, response_format="diarized_json"),
        client.head("GET", "/v1/models/another", "Connection: close"),
    )
    asked = ("/health", "/openapi.json")
    return [
        *heard,
        partial(_sent, streamed, 200),
        partial(_sent, _form(sound, path="/v1/audio/language"), 200),
        *(partial(_sent, message, 400) for message in refused),
        *(partial(_sent, client.head("GET", path, "Connection: close"), 200) for path in asked),
        partial(_left, streamed[: len(streamed) // 2], 0),
        partial(_left, _form(sound), 0),
        partial(_left, streamed, 0),
        partial(_left, streamed, 1),
    ]


def _form(sound: bytes, path: str = TRANSCRIPTIONS, **fields: str) -> bytes:
    before, after = around(fields)
    length = f"Content-Length: {len(before) + len(sound) + len(after)}"
    top = client.head("POST", path, f"Content-Type: {MEDIA_TYPE}", length, "Connection: close")
    return top + before + sound + after


def _sent(message: bytes, status: int, port: int) -> None:
    """status: 400 stands for 404, too."""
    with client.connect(port, _PATIENCE) as sock:
        sock.sendall(message)
        answer = b"".join(itertools.takewhile(bool, iter(partial(sock.recv, 65_536), None)))
    told = answer[9:12]
    if told not in ((b"200",) if status == 200 else (b"400", b"404")):
        raise BenchError(f"{message[:60]!r} was answered {answer[:300]!r}")


def _left(message: bytes, reads: int, port: int) -> None:
    """Leaves after having read so often."""
    with client.connect(port, _PATIENCE) as sock:
        sock.sendall(message)
        for _ in range(reads):
            sock.recv(100)
