"""Resident memory of the gateway: idle, and how far it grows while eight large uploads run at once."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import client, procfs
from bench.client import Body, upload
from bench.harness import check_small, stage
from bench.table import Row, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.harness import Door, Options

UPLOADS = 8
SIZE = 100_000_000
IDLE_TARGET = Target("at most", 80)
GROWTH_TARGET = Target("at most", 16)
_SETTLE = 1.0  # seconds that a fresh gateway gets before its memory is read
_BLOCKED = 2.0  # seconds without progress after which an upload counts as held back


def measure(options: Options) -> list[Row]:
    idle: list[float] = []
    growth: list[float] = []
    stalled: list[float] = []
    taken: list[float] = []
    for _ in range(options.rounds_or(3)):
        growth.append(_growth(options, idle, _swallowed))
        stalled.append(_growth(options, idle, lambda port: taken.extend(_held_back(port))))
    return [
        Row("memory, idle", idle, "MB", "-", IDLE_TARGET, worst=True),
        Row("memory growth, 8 x 100 MB uploads", growth, "MB", "after one request", GROWTH_TARGET, worst=True),
        Row(
            "memory growth, 8 uploads to a backend that stops reading",
            stalled,
            "MB",
            "after one request",
            GROWTH_TARGET,
            worst=True,
            note=f"each upload got rid of {statistics.median(taken):.1f} MB (socket buffers of the kernel included)",
        ),
    ]


def _growth(options: Options, idle: list[float], load: Callable[[int], None]) -> float:
    """MB between a fresh gateway that has served one small request and its peak while `load` runs."""
    with stage(options, wake=False) as set_up:
        door = set_up.gateway
        time.sleep(_SETTLE)
        idle.append(_sum(door, procfs.rss_mb))
        check_small(door.port)
        before = _sum(door, procfs.rss_mb)
        for pid in door.pids:
            procfs.reset_peak(pid)
        load(door.port)
        return _sum(door, procfs.peak_rss_mb) - before


def _sum(door: Door, reading: Callable[[int], float]) -> float:
    return sum(reading(pid) for pid in door.pids)


def _swallowed(port: int) -> None:
    """Eight uploads at once to a backend that takes them."""
    with ThreadPoolExecutor(UPLOADS) as threads, Body(SIZE) as body:
        for _ in threads.map(lambda _: upload(port, body), range(UPLOADS)):
            pass


def _held_back(port: int) -> list[float]:
    """Eight uploads at once to a backend that stops reading. Returns the MB that each could send until it blocked."""
    with ExitStack() as stack, ThreadPoolExecutor(UPLOADS) as threads:
        body = stack.enter_context(Body(SIZE))
        sockets = [stack.enter_context(client.connect(port, _BLOCKED)) for _ in range(UPLOADS)]
        for sock in sockets:
            sock.sendall(client.head("POST", "/stall", body.field))
        return [sent / procfs.MB for sent in threads.map(body.send, sockets)]
