"""Real containers behind a real gateway process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.e2e.docker_events import happenings
from tests.e2e.docker_place import Place
from tests.fixtures.attacks import Siege, besieged
from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.docker import name_of_image
from tests.fixtures.docker_proxy import DockerProxy
from tests.fixtures.process_gateway import GatewayProcess

ROOT = Path(__file__).parent.parent.parent
FASTER_IMAGE, WHISPERX_IMAGE = name_of_image("faster"), name_of_image("whisperx")
TORCH_ARGUMENTS = ("TORCH_INDEX", "TORCH_VERSION", "TORCHAUDIO_VERSION")
"""See engines/whisperx/install.sh. Where PyTorch's index cannot be reached: scripts/torch_wheels.py."""
HOST = "engine.test"


def build_image(engine: str, image: str, *options: str, **arguments: str) -> str:
    """Builds the image of this folder of engines/ under a name, as its Dockerfile says. arguments: the build's."""
    command = ["docker", "build", "--quiet", "-f", f"engines/{engine}/Dockerfile", "-t", image, *options]
    command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    built = subprocess.run([*command, "."], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return image


def build_faster(image: str, *options: str, **arguments: str) -> str:
    return build_image("faster", image, *options, **arguments)


@pytest.fixture(scope="session")
def faster_image() -> str:
    """The faster engine's image, built as the README says."""
    return build_faster(FASTER_IMAGE)


@pytest.fixture(scope="session")
def whisperx_image() -> str:
    """The WhisperX engine's image. torch comes from where the environment says, else from PyTorch's index."""
    chosen = {name: os.environ[name] for name in TORCH_ARGUMENTS if name in os.environ}
    return build_image("whisperx", WHISPERX_IMAGE, NLTK_DATA="samples/models/nltk_data", **chosen)


class Engine:
    """A container that was created and not started, as compose does it."""

    def __init__(self, container: Container) -> None:
        self.container = container
        assert container.name is not None
        self.name: str = container.name

    @property
    def status(self) -> str:
        self.container.reload()
        return self.container.status

    @contextlib.contextmanager
    def counting(self, event: str) -> Iterator[list[int]]:
        """Collects the times (ns) of Docker's events `start` or `die` inside the block; filled when that is left."""
        times: list[int] = []
        with happenings([self.name], [event]) as seen:
            yield times
        times.extend(happened.at for happened in seen)

    def counting_starts(self) -> contextlib.AbstractContextManager[list[int]]:
        return self.counting("start")


@pytest.fixture
def make_engine() -> Iterator[Callable[..., Engine]]:
    """Creates containers, and removes them after the test."""
    client = docker.from_env()
    made: list[Container] = []

    def make(image: str, **settings: Any) -> Engine:
        container = client.containers.create(image, name=f"wg-test-{uuid.uuid4().hex[:12]}", **settings)
        made.append(container)
        return Engine(container)

    yield make
    for container in made:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True)
    client.close()


@pytest.fixture
def make_gateway(tmp_path: Path) -> Iterator[Callable[..., GatewayProcess]]:
    """Starts a gateway in front of one container. `engine_settings` go to the engine's entry, others to the gateway."""
    made: list[GatewayProcess] = []

    def make(engine: Engine, engine_settings: dict[str, Any] | None = None, **settings: Any) -> GatewayProcess:
        entry = {"hosts": [HOST], "docker": {"container": engine.name}, "port": 8000, **(engine_settings or {})}
        gateway = GatewayProcess(tmp_path, {"engine": entry}, **settings)
        made.append(gateway)
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture(scope="session")
def siege(tmp_path_factory: pytest.TempPathFactory, authority: Authority, wildcard: Certificate) -> Iterator[Siege]:
    """The front door that all attacks are tried on."""
    with besieged(tmp_path_factory.mktemp("siege"), authority, wildcard) as siege:
        yield siege


@pytest.fixture(params=["asleep", "awake"])
def besieged_engine(request: pytest.FixtureRequest, siege: Siege) -> Iterator[Siege]:
    """The same with its engine asleep, or awake with open connections: those are other ways through the gateway.

    Fails if anything reached the engine, woke it, or stands in the way of others.
    """
    if request.param == "awake":
        siege.wake()
    else:
        siege.put_to_sleep()
    before = siege.wakes()
    yield siege
    siege.assert_untouched(before)
    if siege.awake:
        siege.assert_serves_others()


@pytest.fixture(scope="module")
def place(standin_image: str) -> Iterator[Place]:
    client = docker.from_env()
    made = Place(client)
    yield made
    for container in made.made:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True)
    client.close()


@pytest.fixture(scope="module")
def proxy(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerProxy]:
    folder = tmp_path_factory.mktemp("docker-proxy")
    with DockerProxy(folder, COMPOSE_PROJECT_NAME=place.project, ENGINES="engine|db") as running:
        yield running
