"""A cold wake: the first byte at the client minus the moment at which the app in the container began to listen."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import docker
from docker.errors import DockerException

from bench import client, containers
from bench.errors import BenchError
from bench.harness import Gateway, scratch
from bench.table import Row, Target

if TYPE_CHECKING:
    from docker.models.containers import Container

    from bench.harness import Options

MEDIAN_TARGET = Target("at most", 10)
WORST_TARGET = Target("at most", 25)
IMAGE = "whisper-gateway-bench-cold"
_APP = Path(__file__).with_name("cold_app")


def measure(options: Options) -> list[Row]:
    rounds = options.rounds_or(20)
    with ExitStack() as stack:
        _build()
        container = stack.enter_context(containers.created(IMAGE))
        engine = {"docker": {"container": container.name}, "port": containers.PORT, "start_timeout": "20s"}
        gateway = Gateway(stack, stack.enter_context(scratch()) / "gateway", options, engine)
        lags, waits = zip(*(_wake(gateway, container) for _ in range(rounds)), strict=True)
    note = f"the whole wake took {min(waits):.0f} to {max(waits):.0f} ms, 300 of which the app sleeps"
    reference = "the app begins to listen"
    return [
        Row(f"cold wake, median of {rounds}", lags, "ms", reference, MEDIAN_TARGET, note=note),
        Row(f"cold wake, worst of {rounds}", lags, "ms", reference, WORST_TARGET, worst=True),
    ]


def _wake(gateway: Gateway, container: Container) -> tuple[float, float]:
    """Wakes the engine with a request. Returns (first byte - app listens, first byte - request sent), in ms."""
    with client.connect(gateway.port) as sock:
        sent = time.monotonic_ns()
        sock.sendall(client.head("GET", "/"))
        if not sock.recv(1):
            raise BenchError("the gateway closed the connection instead of waking the engine")
        first_byte = time.monotonic_ns()
    listening = int(client.ask(gateway.port, client.head("GET", "/")).headers["x-listening-since"])
    if not sent < listening < first_byte:
        raise BenchError("the app listened before the request was sent: this was no cold wake")
    gateway.put_to_sleep()
    containers.wait_until_stopped(container)
    return (first_byte - listening) / 1e6, (first_byte - sent) / 1e6


def _build() -> None:
    engine = docker.from_env(timeout=60)
    try:
        engine.images.build(path=str(_APP), tag=IMAGE, rm=True)
    except DockerException as exc:
        raise BenchError(f"the app's image could not be built: {exc}") from exc
    finally:
        engine.close()
