"""A large upload: the gateway's throughput ÷ that of nginx with `proxy_request_buffering off`.

As a stream (`replay: false`), and while a copy is kept on disk so that the request could be sent again.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench import procfs
from bench.client import Body, upload
from bench.harness import stage
from bench.rounds import interleaved
from bench.table import Row, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.harness import Door, Options, Stage

SIZE = 500_000_000
TARGET = Target("at least", 0.95)
KEPT_TARGET = Target("at least", 0.6)
REFERENCE = "nginx, request buffering off"


@dataclass(frozen=True)
class Upload:
    """One upload. cpu: seconds of processor time that the proxy took for it (0 where there is no proxy)."""

    seconds: float
    cpu: float


def measure(options: Options) -> list[Row]:
    with stage(options, nginx=True, settings={"replay": False}) as set_up:
        rows = [
            _row(set_up, options.rounds_or(15), chunked=False),
            _row(set_up, options.rounds_or(7), chunked=True),
        ]
    with stage(options, nginx=True, buffering=True) as set_up:
        return [*rows, *_kept(set_up, options.rounds_or(7))]


def _row(set_up: Stage, rounds: int, *, chunked: bool) -> Row:
    doors = {"gateway": set_up.gateway, "nginx": set_up.reference}
    results = _measured(set_up, doors, rounds, chunked=chunked)
    note = _note(results)
    rate = _rates(results)
    if rate["backend alone"] < 1.2 * rate["nginx"]:
        note += "; the backend is hardly faster than nginx in front of it, so nginx could do more than shown"
    return Row(
        f"upload {SIZE // 1_000_000} MB, {'chunked' if chunked else 'Content-Length'}",
        _ratios(results, "gateway"),
        "",
        REFERENCE,
        None if chunked else TARGET,
        note=note,
    )


def _kept(set_up: Stage, rounds: int) -> list[Row]:
    """While it is received a copy is kept: by the gateway so that it can be sent again, by nginx because it sends
    nothing before it has everything.
    """
    assert set_up.buffering is not None
    doors = {"gateway": set_up.gateway, "nginx": set_up.reference, "nginx, keeping": set_up.buffering}
    results = _measured(set_up, doors, rounds, chunked=False)
    size = f"upload {SIZE // 1_000_000} MB"
    return [
        Row(f"{size}, kept for a replay", _ratios(results, "gateway"), "", REFERENCE, KEPT_TARGET, note=_note(results)),
        Row(
            f"upload {SIZE // 1_000_000} MB, nginx with request buffering",
            _ratios(results, "nginx, keeping"),
            "",
            REFERENCE,
        ),
    ]


def _measured(set_up: Stage, doors: Mapping[str, Door], rounds: int, *, chunked: bool) -> list[dict[str, Upload]]:
    """What each way took, in each round: through each of the doors, and straight to the backend."""
    with Body(SIZE, chunked=chunked) as body:
        ports = {**{name: door.port for name, door in doors.items()}, "backend alone": set_up.direct}
        pids = {name: door.pids for name, door in doors.items()}
        for port in ports.values():
            upload(port, body)  # warms up each route
        ways = {way: partial(_upload, port, body, pids.get(way, [])) for way, port in ports.items()}
        return list(interleaved(rounds, ways))


def _ratios(results: Sequence[dict[str, Upload]], way: str) -> list[float]:
    return [result["nginx"].seconds / result[way].seconds for result in results]


def _rates(results: Sequence[dict[str, Upload]]) -> dict[str, float]:
    """MB/s."""
    return {way: SIZE / 1e6 / statistics.median(result[way].seconds for result in results) for way in results[0]}


def _note(results: Sequence[dict[str, Upload]]) -> str:
    rates = ", ".join(f"{way} {rate:,.0f}" for way, rate in _rates(results).items())
    cpu = {way: statistics.median(result[way].cpu for result in results) for way in results[0]}
    taken = ", ".join(f"{way} {seconds:.2f} s" for way, seconds in cpu.items() if way != "backend alone")
    return f"{rates} MB/s; processor time per upload: {taken}"


def _upload(port: int, body: Body, pids: Sequence[int]) -> Upload:
    before = sum(procfs.cpu_seconds(pid) for pid in pids)
    seconds = upload(port, body)
    return Upload(seconds, sum(procfs.cpu_seconds(pid) for pid in pids) - before)
