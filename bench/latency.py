"""What the gateway adds to a small request on one connection: its median time minus the direct one."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from bench import client
from bench.backend import SMALL_BODY
from bench.errors import BenchError
from bench.harness import stage
from bench.rounds import interleaved
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.harness import Options

TARGET = Target("at most", 0.15)
_REQUESTS = 2000
_WARM_UP = 200


def measure(options: Options) -> list[Row]:
    with stage(options) as set_up:
        ways = {"gateway": partial(_median, set_up.gateway.port), "direct": partial(_median, set_up.direct)}
        results = list(interleaved(options.rounds_or(15), ways))
    medians = {way: statistics.median(result[way] for result in results) for way in ways}
    return [
        Row(
            "added median latency, 1 connection",
            [result["gateway"] - result["direct"] for result in results],
            "ms",
            "direct",
            TARGET,
            note=f"gateway {medians['gateway']:.3f} ms, direct {medians['direct']:.3f} ms",
        )
    ]


def _median(port: int) -> float:
    """Milliseconds from sending the request to having the whole answer, over many requests on one connection."""
    request = client.head("GET", "/small")
    times = []
    with client.connect(port) as sock:
        for _ in range(_WARM_UP + _REQUESTS):
            begin = time.monotonic_ns()
            sock.sendall(request)
            data = sock.recv(65536)
            while not data.endswith(SMALL_BODY):
                more = sock.recv(65536)
                if not more:
                    raise BenchError(f"the connection was closed in the middle of an answer: {data[:300]!r}")
                data += more
            times.append(time.monotonic_ns() - begin)
    return statistics.median(times[_WARM_UP:]) / 1e6
