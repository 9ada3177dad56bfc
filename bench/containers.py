"""Containers for the figures: made and not started, because the gateway does that; removed in the end."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import docker
import requests
from docker.errors import DockerException, NotFound

from bench.errors import BenchError, MissingError
from bench.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.client import DockerClient
    from docker.models.containers import Container

PORT = 8000
"""At which the app in each of them listens."""


def require() -> None:
    try:
        docker.from_env(timeout=10).close()
    except (DockerException, requests.RequestException) as exc:
        raise MissingError(f"no Docker engine answers ({exc}); start one, or leave it out with --skip-docker") from exc


@contextmanager
def created(image: str, **settings: Any) -> Iterator[Container]:
    """A container of the image, with its port published on loopback. settings: Docker's own, by the SDK's names."""
    engine = docker.from_env(timeout=60)
    with ExitStack() as stack:
        stack.callback(engine.close)
        try:
            container = engine.containers.create(
                image, name=f"{image}-{os.getpid()}", ports={f"{PORT}/tcp": ("127.0.0.1", 0)}, **settings
            )
        except DockerException as exc:
            raise BenchError(f"a container of {image} could not be made: {exc}") from exc
        stack.callback(_remove, engine, str(container.name))
        yield container


def wait_until_stopped(container: Container) -> None:
    wait_until(lambda: _status(container) == "exited", 30, "the container to be exited")


def _status(container: Container) -> str:
    container.reload()
    return str(container.status)


def _remove(engine: DockerClient, name: str) -> None:
    with suppress(NotFound):
        engine.containers.get(name).remove(force=True, v=True)
