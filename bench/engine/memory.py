"""Resident memory of the engine: with and without its model, and while it hears a recording of an hour."""

from __future__ import annotations

import os
import struct
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench import client, procfs
from bench.engine import recordings
from bench.engine.server import MEDIA_TYPE, TRANSCRIPTIONS, Server, around, text_of
from bench.engine.setting import SMALL_MODEL
from bench.errors import BenchError
from bench.harness import scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from pathlib import Path

    from bench.harness import Options

UNLOADED_TARGET = Target("at most", 120)
LOADED_TARGET = Target("at most", 145)
_REQUESTS = 10
_SETTLE = 4.0
"""Seconds without requests before memory is read: after two the engine gives back what requests have left behind."""
_HOUR = 3600
_RATE, _CHANNELS = 44_100, 2
_FRAME = 2 * _CHANNELS
"""Bytes."""
_PATIENCE = 600.0


def measure(options: Options) -> list[Row]:
    fresh, loaded, unloaded = zip(*(_idle() for _ in range(options.rounds_or(3))), strict=True)
    peak, growth, seconds = _hour()
    return [
        Row(
            "engine, memory, model unloaded",
            unloaded,
            "MB",
            "-",
            UNLOADED_TARGET,
            worst=True,
            note=f"after {_REQUESTS} requests and DELETE /api/ps; never loaded: {max(fresh):.0f} MB",
        ),
        Row("engine, memory, shipped model loaded", loaded, "MB", "-", LOADED_TARGET, worst=True),
        Row(
            "engine, peak memory, 1 hour of 44.1 kHz stereo WAV",
            [peak],
            "MB",
            "-",
            note=f"{growth:.0f} MB more than before it; the upload has {_HOUR * _RATE * _FRAME / procfs.MB:.0f} MB, "
            f"as 16 kHz floats it is {_HOUR * recordings.RATE * 4 / procfs.MB:.0f}; mostly silence, so {seconds:.1f} s",
        ),
    ]


def _idle() -> tuple[float, float, float]:
    """MB of an engine that has not loaded its model, has loaded and used it, and has unloaded it again."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, SMALL_MODEL, {"WHISPER_PRELOAD": "none"})
        server.wait_until_it_answers()
        fresh = _settled(server)
        sound = recordings.wav(recordings.clip().sound)
        for number in range(_REQUESTS):
            server.hear(sound, **({"language": "en"} if number % 2 else {}))
        loaded = _settled(server)
        server.call("DELETE", f"/api/ps/{quote(server.model(), safe='')}")
        return fresh, loaded, _settled(server)


def _settled(server: Server) -> float:
    time.sleep(_SETTLE)
    return procfs.rss_mb(server.pid)


def _hour() -> tuple[float, float, float]:
    """The peak in MB, how far that is above what there was before, and the seconds that it took."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, SMALL_MODEL)
        server.wait_until_ready()
        server.hear(recordings.wav(recordings.clip().sound))
        before = _settled(server)
        procfs.reset_peak(server.pid)
        begin = time.monotonic()
        text = _upload(server, _stereo(folder / "hour.wav"))
        seconds = time.monotonic() - begin
        peak = procfs.peak_rss_mb(server.pid)
    if text.strip() != recordings.clip().text:
        raise BenchError(f"in the hour was heard: {text!r:.300}")
    return peak, peak - before, seconds


def _stereo(path: Path) -> Path:
    """The clip, then silence: a hole in the file, so that it takes no room."""
    import numpy as np  # noqa: PLC0415  only the engine's figures need it

    size = _HOUR * _FRAME * _RATE
    mono = np.frombuffer(recordings.clip().sound, dtype=np.int16)
    moments = np.arange(len(mono) * _RATE // recordings.RATE) * recordings.RATE / _RATE
    sound = np.interp(moments, np.arange(len(mono)), mono).astype(np.int16)
    shape = struct.pack("<HHIIHH", 1, _CHANNELS, _RATE, _RATE * _FRAME, _FRAME, 16)
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", len(shape)) + shape)
        file.write(struct.pack("<4sI", b"data", size))
        file.write(np.repeat(sound, _CHANNELS).tobytes())
        file.truncate(44 + size)
    return path


def _upload(server: Server, file: Path) -> str:
    """The text. The file goes from the page cache to the socket and never through this process."""
    before, after = around({})
    size = file.stat().st_size
    fields = (f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(before) + size + len(after)}")
    with client.connect(server.port, _PATIENCE) as sock, file.open("rb") as source:
        sock.sendall(client.head("POST", TRANSCRIPTIONS, *fields) + before)
        sent = 0
        while sent < size:
            sent += os.sendfile(sock.fileno(), source.fileno(), sent, size - sent)
        sock.sendall(after)
        return text_of(client.read_answer(sock))
