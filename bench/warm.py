"""Warm small requests per second: the gateway ÷ nginx, both in front of the same backend."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench import client, procfs
from bench.errors import BenchError, MissingError
from bench.harness import stage
from bench.rounds import interleaved
from bench.table import Row, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.harness import Options, Stage

TARGET = Target("at least", 0.35)
_ROUNDS = {32: 12, 1: 5, 256: 5}
"""Connections: rounds. Many short rounds: where three programs share few cores, single rounds differ by a fifth."""
_SECONDS = 1
_DIRECT_ROUNDS = 3


@dataclass(frozen=True)
class Load:
    """One run of wrk. cpu: processor time of the proxy per request, in microseconds (0 where there is no proxy)."""

    rate: float
    cpu: float


def require() -> None:
    if not shutil.which("wrk"):
        raise MissingError("wrk is not installed (Debian: apt-get install wrk)")


def measure(options: Options) -> list[Row]:
    with stage(options, nginx=True) as set_up:
        for port in (set_up.gateway.port, set_up.reference.port):
            _wrk(port, 32)  # fills connection pools and caches
        return [_row(set_up, connections, options.rounds_or(rounds)) for connections, rounds in _ROUNDS.items()]


def _row(set_up: Stage, connections: int, rounds: int) -> Row:
    ways = {
        "gateway": partial(_wrk, set_up.gateway.port, connections, set_up.gateway.pids),
        "nginx": partial(_wrk, set_up.reference.port, connections, set_up.reference.pids),
    }
    results = list(interleaved(rounds, ways))
    rate = {way: statistics.median(result[way].rate for result in results) for way in ways}
    cpu = {way: statistics.median(result[way].cpu for result in results) for way in ways}
    direct = statistics.median(_wrk(set_up.direct, connections).rate for _ in range(_DIRECT_ROUNDS))
    note = (
        f"gateway {rate['gateway']:,.0f}, nginx {rate['nginx']:,.0f}, backend alone {direct:,.0f} requests/s; "
        f"processor time per request: gateway {cpu['gateway']:.0f} µs, nginx {cpu['nginx']:.0f} µs"
    )
    if direct < 1.2 * rate["nginx"]:
        note += "; the backend is hardly faster than nginx in front of it, so nginx could do more than shown"
    return Row(
        f"warm requests/s, {connections} connection{'s' if connections > 1 else ''}",
        [result["gateway"].rate / result["nginx"].rate for result in results],
        "",
        "nginx",
        TARGET if connections == 32 else None,
        note=note,
    )


def measure_keys(options: Options) -> list[Row]:
    """The same with an API key, at a gateway that asks for one, against a gateway that asks nobody."""
    with stage(options) as plain, stage(options, key=True) as keyed:
        ways = {
            "key": partial(_wrk, keyed.gateway.port, 32, keyed.gateway.pids, keyed.fields),
            "open": partial(_wrk, plain.gateway.port, 32, plain.gateway.pids),
        }
        for load in ways.values():
            load()  # fills connection pools and caches
        results = list(interleaved(options.rounds_or(_ROUNDS[32]), ways))
    cpu = {way: statistics.median(result[way].cpu for result in results) for way in ways}
    return [
        Row(
            "warm requests/s with an API key, 32 connections",
            [result["key"].rate / result["open"].rate for result in results],
            "",
            "without",
            note=f"processor time per request: with a key {cpu['key']:.0f} µs, without {cpu['open']:.0f} µs",
        )
    ]


def _wrk(port: int, connections: int, pids: Sequence[int] = (), fields: Sequence[str] = ()) -> Load:
    """Loads one route. Raises BenchError if any answer was not 2xx or any connection failed."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{_SECONDS}s", "-H", f"Host: {client.HOST}"]
    command += [word for field in fields for word in ("-H", field)]
    before = sum(procfs.cpu_seconds(pid) for pid in pids)
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/small"], capture_output=True, text=True, check=False, timeout=_SECONDS + 15
    )
    used = sum(procfs.cpu_seconds(pid) for pid in pids) - before
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    requests = re.search(r"(\d+) requests in", done.stdout)
    if done.returncode or not rate or not requests or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise BenchError(f"wrk met errors:\n{done.stdout}{done.stderr}")
    return Load(float(rate[1]), used / max(1, int(requests[1])) * 1e6)
