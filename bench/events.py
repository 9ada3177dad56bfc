"""What the gateway adds to the way of an event on one event stream: the median lag minus the direct one."""

from __future__ import annotations

import re
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from bench import client
from bench.errors import BenchError
from bench.harness import stage
from bench.rounds import interleaved
from bench.table import Row, Target

if TYPE_CHECKING:
    import socket

    from bench.harness import Options

TARGET = Target("at most", 0.15)
_EVENTS = 500  # per stream and round: about a second
_WARM_UP = 50
_EVENT = re.compile(rb"data: (\d+)\n\n")


def measure(options: Options) -> list[Row]:
    with stage(options) as set_up:
        ways = {"gateway": partial(_median_lag, set_up.gateway.port), "direct": partial(_median_lag, set_up.direct)}
        results = list(interleaved(options.rounds_or(7), ways))
    medians = {way: statistics.median(result[way] for result in results) for way in ways}
    return [
        Row(
            "added lag of an event, 1 stream",
            [result["gateway"] - result["direct"] for result in results],
            "ms",
            "direct",
            TARGET,
            note=f"gateway {medians['gateway']:.3f} ms, direct {medians['direct']:.3f} ms",
        )
    ]


def _median_lag(port: int) -> float:
    """Milliseconds between the time written in an event and its arrival here: both clocks are CLOCK_MONOTONIC."""
    lags: list[int] = []
    rest = b""
    with client.connect(port, timeout=5) as sock:
        sock.sendall(client.head("GET", "/events", "Accept: text/event-stream"))
        while len(lags) < _WARM_UP + _EVENTS:
            data = _receive(sock, rest)
            now = time.monotonic_ns()
            rest += data
            end = 0
            for event in _EVENT.finditer(rest):
                lags.append(now - int(event[1]))
                end = event.end()
            rest = rest[end:]
    return statistics.median(lags[_WARM_UP:]) / 1e6


def _receive(sock: socket.socket, before: bytes) -> bytes:
    try:
        data = sock.recv(65536)
    except BlockingIOError as exc:
        raise BenchError(f"no event came for 5 s, after {before[-300:]!r}") from exc
    if not data:
        raise BenchError(f"the event stream ended early, after {before[-300:]!r}")
    return data
