"""A cold wake: the first byte at the client minus the moment at which the app in the container began to listen."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import requests
from docker.errors import DockerException, NotFound

from bench import client
from bench.errors import BenchError, MissingError
from bench.harness import Gateway, scratch
from bench.processes import wait_until
from bench.table import Row, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.client import DockerClient
    from docker.models.containers import Container

    from bench.harness import Options

MEDIAN_TARGET = Target("at most", 10)
WORST_TARGET = Target("at most", 25)
IMAGE = "whisper-gateway-bench-cold"
_APP = Path(__file__).with_name("cold_app")
_PORT = 8000


def require() -> None:
    try:
        docker.from_env(timeout=10).close()
    except (DockerException, requests.RequestException) as exc:
        raise MissingError(f"no Docker engine answers ({exc}); start one, or leave it out with --skip-docker") from exc


def measure(options: Options) -> list[Row]:
    rounds = options.rounds_or(20)
    with ExitStack() as stack:
        container = stack.enter_context(_container())
        engine = {"docker": {"container": container.name}, "port": _PORT, "start_timeout": "20s"}
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
    wait_until(lambda: _status(container) == "exited", 30, "the container to be exited")
    return (first_byte - listening) / 1e6, (first_byte - sent) / 1e6


def _status(container: Container) -> str:
    container.reload()
    return str(container.status)


@contextmanager
def _container() -> Iterator[Container]:
    """A container of the app, created but not started; removed in the end."""
    engine = docker.from_env(timeout=60)
    with ExitStack() as stack:
        stack.callback(engine.close)
        try:
            engine.images.build(path=str(_APP), tag=IMAGE, rm=True)
            container = engine.containers.create(
                IMAGE, name=f"{IMAGE}-{os.getpid()}", ports={f"{_PORT}/tcp": ("127.0.0.1", 0)}
            )
        except DockerException as exc:
            raise BenchError(f"the app's container could not be made: {exc}") from exc
        stack.callback(_remove, engine, str(container.name))
        yield container


def _remove(engine: DockerClient, name: str) -> None:
    with suppress(NotFound):
        engine.containers.get(name).remove(force=True)
