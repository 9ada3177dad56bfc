"""Resident memory of the engine: idle, without and with its models, and at its most while it hears long recordings."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from bench import procfs
from bench.engine.recordings import RATE
from bench.errors import BenchError
from bench.harness import scratch
from bench.processes import wait_until
from bench.table import Row, Target
from bench.whisperx import recordings, setting
from bench.whisperx.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from bench.harness import Options

TARGET = Target("at most", 1500)
"""For ten minutes, with the shipped models. Without care the allocator takes gigabytes: it does not find freed buffers
again, on some runs and not on others (glibc before 2.38, bug 14581).
"""
MINUTE, HOUR = 60.0, 3600.0
_QUIET_S = 4.0
"""Without requests for two seconds the engine gives back what they have left behind."""
_QUIET_CPU_S = 0.1
_PATIENCE = 120.0
_PIECE_S = 5 * MINUTE


def measure(options: Options) -> list[Row]:
    """Idle, and ten minutes."""
    fresh, loaded = zip(*(_idle() for _ in range(options.rounds_or(1))), strict=True)
    idle = "whisperx, memory, idle"
    return [
        Row(f"{idle}, libraries but no models", fresh, "MB", "-", worst=True),
        Row(f"{idle}, all models loaded and used", loaded, "MB", "-", worst=True, note="the shipped small models"),
        *_long(10 * MINUTE, "10 minutes", TARGET),
    ]


def measure_hour(options: Options) -> list[Row]:
    del options  # once is long enough
    return _long(HOUR, "1 hour")


def measure_hours(options: Options) -> list[Row]:
    del options  # as above
    return _long(4 * HOUR, "4 hours")


def _idle() -> tuple[float, float]:
    """MB when everything is imported but nothing loaded, and after a transcript with speakers."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, setting.models(folder), {"WHISPER_PRELOAD": "none"})
        server.wait_until_it_answers()
        fresh = _settled(server)
        talk = recordings.shipped(recordings.DIALOGUES[0])
        server.transcribe(recordings.write_wav(folder / "talk.wav", talk.sound), diarize=True)
        return fresh, _settled(server)


def _long(seconds: float, name: str, target: Target | None = None) -> list[Row]:
    """The peaks while it hears so much, without telling speakers and with it, one after the other in one process."""
    talk = recordings.long(_PIECE_S)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = Server(stack, folder, setting.models(folder), {"MAX_AUDIO_HOURS": "5"})
        server.wait_until_ready()
        file = recordings.write_wav(folder / "long.wav", talk.sound, seconds)
        return [
            _peak(server, file, seconds, f"whisperx, peak memory, {name}{what}", target, diarize=diarize)
            for what, diarize in (("", False), (", with speakers", True))
        ]


def _peak(server: Server, file: Path, seconds: float, name: str, target: Target | None, *, diarize: bool) -> Row:
    before = _settled(server)
    procfs.reset_peak(server.pid)
    told = server.transcribe(file, diarize=diarize)
    peak = procfs.peak_rss_mb(server.pid)
    if not told.words or abs(told.answer["duration"] - seconds) > 1:
        raise BenchError(f"of {seconds:.0f} s were heard {told.answer['duration']:.0f}, with {len(told.words)} words")
    speakers = {segment.speaker for segment in told.segments}
    note = (
        f"{peak - before:.0f} MB more than before it; the samples alone are {seconds * RATE * 4 / procfs.MB:.0f}; "
        f"{told.seconds:.0f} s, {len(told.words)} words" + (f", {len(speakers)} speakers" if diarize else "")
    )
    return Row(name, [peak], "MB", "-", target, note=note)


def _settled(server: Server) -> float:
    """MB, as soon as the process rests: it imports beside serving, and tidies up after it."""
    wait_until(partial(_rests, server.pid), _PATIENCE, "the engine to rest")
    return procfs.rss_mb(server.pid)


def _rests(pid: int) -> bool:
    before = procfs.cpu_seconds(pid)
    time.sleep(_QUIET_S)
    return procfs.cpu_seconds(pid) - before < _QUIET_CPU_S
