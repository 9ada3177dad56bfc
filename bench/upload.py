"""A large upload: the gateway's throughput ÷ that of nginx with `proxy_request_buffering off`."""

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
    from collections.abc import Sequence

    from bench.harness import Options, Stage

SIZE = 500_000_000
TARGET = Target("at least", 0.95)


@dataclass(frozen=True)
class Upload:
    """One upload. cpu: seconds of processor time that the proxy took for it (0 where there is no proxy)."""

    seconds: float
    cpu: float


def measure(options: Options) -> list[Row]:
    with stage(options, nginx=True) as set_up:
        return [
            _row(set_up, options.rounds_or(15), chunked=False),
            _row(set_up, options.rounds_or(7), chunked=True),
        ]


def _row(set_up: Stage, rounds: int, *, chunked: bool) -> Row:
    ports = {"gateway": set_up.gateway.port, "nginx": set_up.reference.port, "direct": set_up.direct}
    pids = {"gateway": set_up.gateway.pids, "nginx": set_up.reference.pids, "direct": []}
    with Body(SIZE, chunked=chunked) as body:
        for port in ports.values():
            upload(port, body)  # warms up each route
        ways = {way: partial(_upload, port, body, pids[way]) for way, port in ports.items()}
        results = list(interleaved(rounds, ways))
    rate = {way: SIZE / 1e6 / statistics.median(result[way].seconds for result in results) for way in ways}
    cpu = {way: statistics.median(result[way].cpu for result in results) for way in ways}
    note = (
        f"gateway {rate['gateway']:,.0f}, nginx {rate['nginx']:,.0f}, backend alone {rate['direct']:,.0f} MB/s; "
        f"processor time per upload: gateway {cpu['gateway']:.2f} s, nginx {cpu['nginx']:.2f} s"
    )
    if rate["direct"] < 1.2 * rate["nginx"]:
        note += "; the backend is hardly faster than nginx in front of it, so nginx could do more than shown"
    return Row(
        f"upload {SIZE // 1_000_000} MB, {'chunked' if chunked else 'Content-Length'}",
        [result["nginx"].seconds / result["gateway"].seconds for result in results],
        "",
        "nginx, request buffering off",
        None if chunked else TARGET,
        note=note,
    )


def _upload(port: int, body: Body, pids: Sequence[int]) -> Upload:
    before = sum(procfs.cpu_seconds(pid) for pid in pids)
    seconds = upload(port, body)
    return Upload(seconds, sum(procfs.cpu_seconds(pid) for pid in pids) - before)
