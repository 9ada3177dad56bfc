"""Containers that the docker-proxy may touch, and such as it may not."""

from __future__ import annotations

import os
import uuid
from typing import Any

import docker
from docker.models.containers import Container

from tests.fixtures.docker import STANDIN_IMAGE

START = "/containers/{engine}/start"


class Place:
    """A compose project with an engine, its dependency and something that is none of the gateway's business."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.project = f"wg-test-{uuid.uuid4().hex[:8]}"
        self.made: list[Container] = []
        self.engine = self.create("engine", f"{self.project}-engine-1", LOG_LINES="3")
        self.other = self.create("portal", f"{self.project}-portal-1")

    def create(self, service: str, name: str, *, depends_on: str = "", project: str = "", **settings: Any) -> Container:
        """As compose does it. settings: the stand-in's, or in lower case Docker's."""
        labels = {
            "com.docker.compose.project": project or self.project,
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": "1",
            "com.docker.compose.depends_on": depends_on,
        }
        environment = {key: value for key, value in settings.items() if key.isupper()}
        more = {key: value for key, value in settings.items() if not key.isupper()}
        container = self.client.containers.create(
            STANDIN_IMAGE, name=name, labels=labels, environment=environment, init=True, **more
        )
        self.made.append(container)
        return container

    def status(self, container: Container) -> str:
        container.reload()
        return container.status


def engine_name(place: Place) -> str:
    return str(place.engine.name)


def docker_socket() -> str:
    return os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock"
