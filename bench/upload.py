"""A large upload: the gateway's throughput ÷ that of nginx with `proxy_request_buffering off`."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING

from bench.client import Body, upload
from bench.harness import stage
from bench.rounds import interleaved
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.harness import Options, Stage

SIZE = 500_000_000
TARGET = Target("at least", 0.95)


def measure(options: Options) -> list[Row]:
    with stage(options, nginx=True) as set_up:
        return [
            _row(set_up, options.rounds_or(15), chunked=False),
            _row(set_up, options.rounds_or(7), chunked=True),
        ]


def _row(set_up: Stage, rounds: int, *, chunked: bool) -> Row:
    ports = {"gateway": set_up.gateway.port, "nginx": set_up.reference.port, "direct": set_up.direct}
    with Body(SIZE, chunked=chunked) as body:
        for port in ports.values():
            upload(port, body)  # warms up each route
        ways = {way: partial(upload, port, body) for way, port in ports.items()}
        results = list(interleaved(rounds, ways))
    rate = {way: SIZE / 1e6 / statistics.median(result[way] for result in results) for way in ways}
    note = f"gateway {rate['gateway']:,.0f}, nginx {rate['nginx']:,.0f}, backend alone {rate['direct']:,.0f} MB/s"
    if rate["direct"] < 1.2 * rate["nginx"]:
        note += "; the backend is hardly faster than nginx in front of it, so nginx could do more than shown"
    return Row(
        f"upload {SIZE // 1_000_000} MB, {'chunked' if chunked else 'Content-Length'}",
        [result["nginx"] / result["gateway"] for result in results],
        "",
        "nginx, request buffering off",
        None if chunked else TARGET,
        note=note,
    )
