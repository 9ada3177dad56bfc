"""Engines named by compose project and service, created by the real `docker compose create`."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from gateway.errors import EngineMissing, StartRefused
from gateway.runtimes.base import NotRunning, Running
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_host import DockerHost
from tests.contract.rigs import DockerRig, Watch, accepts, docker, is_not_running, until
from tests.fixtures.docker import STANDIN_IMAGE

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

IS_HEALTHY = ["CMD", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')"]


class Compose:
    """One compose project of the test's own."""

    def __init__(self, rig: DockerRig, folder: Path) -> None:
        self.rig = rig
        self.project = f"wg-test-{uuid.uuid4().hex[:12]}"
        self.file = folder / "compose.json"
        self.host = DockerHost()

    async def create(self, **services: Mapping[str, object]) -> None:
        """As an operator would, from a compose file; JSON is YAML, too."""
        content = {name: {"image": STANDIN_IMAGE, "stop_grace_period": "1s", **more} for name, more in services.items()}
        self.file.write_text(json.dumps({"services": content}))
        await self("create")

    async def __call__(self, *words: str) -> str:
        return await docker("compose", "--project-name", self.project, "--file", str(self.file), *words)

    def engine(self, service: str = "engine", name: str | None = None) -> DockerRuntime:
        target = {"project": self.project, "service": service}
        return self.rig.docker_runtime(target, host=self.host, name=name or service)

    def container(self, service: str) -> str:
        return f"{self.project}-{service}-1"

    async def running(self) -> set[str]:
        return set((await self("ps", "--services", "--status", "running")).split())

    async def moment(self, service: str, key: str) -> datetime:
        told = await docker("inspect", "--format", f"{{{{.State.{key}}}}}", self.container(service))
        return datetime.fromisoformat(told)


@pytest.fixture
async def compose(docker_rig: DockerRig, tmp_path: Path) -> AsyncIterator[Compose]:
    compose = Compose(docker_rig, tmp_path)
    yield compose
    if compose.file.exists():
        await compose("down", "--volumes", "--remove-orphans", "--timeout", "0")


async def test_a_service_is_found_by_its_labels(compose: Compose) -> None:
    await compose.create(engine={}, other={})
    runtime = compose.engine()
    assert await runtime.inspect() == NotRunning("was never started")
    watch = Watch(runtime)
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    assert await compose.running() == {"engine"}
    await watch.until(lambda seen: isinstance(seen, Running))
    await compose("kill", "engine")
    await watch.until(is_not_running)
    await runtime.start()
    await runtime.stop()
    assert await compose.running() == set()


async def test_a_service_that_was_never_created_says_which_command_does_it(compose: Compose) -> None:
    await compose.create(other={})
    runtime = compose.engine()
    with pytest.raises(EngineMissing, match=f"`docker compose -p {compose.project} create engine`"):
        await runtime.start()
    assert is_not_running(await runtime.inspect())
    await runtime.stop()
    assert await runtime.logs(5) == []


async def test_a_service_that_is_created_later_is_noticed(compose: Compose) -> None:
    await compose.create(other={})
    watch = Watch(compose.engine())
    await watch.until(is_not_running)
    await compose.create(other={}, engine={})
    await watch.until(lambda seen: seen == NotRunning("was never started"))


async def test_containers_of_compose_run_are_not_the_service(compose: Compose) -> None:
    await compose.create(engine={})
    await compose("run", "--detach", "engine")
    runtime = compose.engine()
    assert await runtime.inspect() == NotRunning("was never started")
    await runtime.start()
    await runtime.stop()
    assert "engine" in (await compose("ps", "--all", "--format", "{{.Service}} {{.State}}"))
    assert (
        len((await docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={compose.project}")).split())
        == 1
    )


async def test_dependencies_are_brought_up_in_order_with_their_conditions(compose: Compose) -> None:
    healthcheck = {"test": IS_HEALTHY, "interval": "1s", "retries": 60}
    await compose.create(
        db={"environment": {"READY_DELAY_MS": 300}, "healthcheck": healthcheck},
        seed={"command": ["sh", "-c", "sleep 0.3"], "depends_on": {"db": {"condition": "service_healthy"}}},
        cache={},
        engine={
            "depends_on": {
                "seed": {"condition": "service_completed_successfully"},
                "cache": {"condition": "service_started"},
            }
        },
        bystander={},
    )
    runtime = compose.engine()
    await runtime.start()
    assert await compose.running() == {"db", "cache", "engine"}
    started = [await compose.moment(service, "StartedAt") for service in ("db", "seed", "engine")]
    assert started == sorted(started)
    assert (started[1] - started[0]).total_seconds() > 0.9  # the first health check comes after a second
    assert await compose.moment("seed", "FinishedAt") < started[2]
    assert await compose.moment("cache", "StartedAt") < started[2]
    await runtime.stop()
    assert await compose.running() == set()
    stopped = [await compose.moment(service, "FinishedAt") for service in ("engine", "cache", "db")]
    assert stopped[0] == min(stopped)
    await runtime.start()  # the preparation is made again, as compose does it
    assert await compose.moment("seed", "StartedAt") > stopped[0]


async def test_a_dependency_that_fails_its_condition_is_named_at_once(compose: Compose) -> None:
    await compose.create(
        sick={"healthcheck": {"test": ["CMD", "false"], "interval": "1s", "retries": 1}},
        broken={"environment": {"EXIT_AFTER_MS": 1, "EXIT_CODE": 3}},
        unchecked={},
        one={"depends_on": {"sick": {"condition": "service_healthy"}}},
        two={"depends_on": {"broken": {"condition": "service_completed_successfully"}}},
        three={"depends_on": {"unchecked": {"condition": "service_healthy"}}},
        four={"depends_on": {"broken": {"condition": "service_healthy"}}},
    )
    for service, words in {
        "one": f"depends on {compose.container('sick')}, which is unhealthy",
        "two": f"depends on {compose.container('broken')}, which exited with code 3",
        "three": f"depends on {compose.container('unchecked')}, which has no health check to wait for",
        "four": f"depends on {compose.container('broken')}, which ",
    }.items():
        runtime = compose.engine(service)
        with pytest.raises(StartRefused, match=words):
            await runtime.start()
        assert await runtime.inspect() == NotRunning("was never started")
        await runtime.stop()
    assert await compose.running() == set()


async def test_a_wait_for_a_dependency_can_be_given_up(compose: Compose) -> None:
    await compose.create(
        db={"healthcheck": {"test": ["CMD", "false"], "interval": "60s", "retries": 9}},
        engine={"depends_on": {"db": {"condition": "service_healthy"}}},
    )
    runtime = compose.engine()

    async def waits() -> bool:
        return await compose.running() == {"db"}

    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(runtime.start())
        await until(waits)
        starting.cancel()
    assert await compose.running() == {"db"}
    await runtime.stop()
    assert await compose.running() == set()


async def test_a_dependency_that_is_missing_hinders_a_start_but_nothing_else(compose: Compose) -> None:
    await compose.create(db={}, engine={"depends_on": ["db"]})
    runtime = compose.engine()
    await runtime.start()
    await docker("rm", "--force", compose.container("db"))
    assert isinstance(await runtime.inspect(), Running)
    assert isinstance(await runtime.start(), Running)
    await runtime.stop()
    assert await compose.running() == set()
    with pytest.raises(EngineMissing, match="create db`"):
        await runtime.start()


async def test_a_dependency_shared_by_two_services_stops_with_the_last(compose: Compose) -> None:
    """Also when one names the containers and the other one the services."""
    await compose.create(db={}, one={"depends_on": ["db"]}, two={"depends_on": ["db"]})
    one = compose.engine("one")
    target = {"container": compose.container("two"), "depends_on": [compose.container("db")]}
    two = compose.rig.docker_runtime(target, host=compose.host, name="two")
    await one.start()
    await two.start()
    await one.stop()
    assert await compose.running() == {"db", "two"}
    await two.stop()
    assert await compose.running() == set()


async def test_a_preparation_is_not_made_again_under_an_engine_that_relies_on_it(compose: Compose) -> None:
    needs = {"depends_on": {"seed": {"condition": "service_completed_successfully"}}}
    await compose.create(seed={"command": ["true"]}, one=needs, two=needs)
    await compose.engine("one").start()
    made = await compose.moment("seed", "StartedAt")
    await compose.engine("two").start()
    assert await compose.moment("seed", "StartedAt") == made


async def test_a_service_in_another_ones_network_is_reached_there(compose: Compose) -> None:
    await compose.create(vpn={"environment": {"PORT": 9000}}, engine={"network_mode": "service:vpn"})
    running = await compose.engine().start()
    await until(lambda: accepts(running.address))
    assert await compose.running() == {"vpn", "engine"}


async def test_recreated_by_compose_it_is_the_same_engine(compose: Compose) -> None:
    await compose.create(engine={})
    runtime = compose.engine()
    watch = Watch(runtime)
    first = await runtime.start()
    await watch.until(lambda seen: isinstance(seen, Running))
    await compose("up", "--detach", "--force-recreate", "engine")
    second = await watch.until(lambda seen: isinstance(seen, Running) and seen.instance != first.instance)
    assert isinstance(second, Running)
    await until(lambda: accepts(second.address))


async def test_a_container_run_by_hand_of_an_image_that_compose_built_is_not_the_service(
    compose: Compose, docker_rig: DockerRig
) -> None:
    """Compose writes its project and service into the image, too."""
    (compose.file.parent / "Dockerfile").write_text(f"FROM {STANDIN_IMAGE}\n")
    await compose.create(engine={"image": f"{compose.project}-engine", "build": "."}, other={})
    by_hand = docker_rig.also("by-hand")
    docker_rig.created.append(by_hand)
    await docker("create", "--name", by_hand, f"{compose.project}-engine")
    try:
        await compose.engine().start()
        assert await compose.running() == {"engine"}
        assert await docker("inspect", "--format", "{{.State.Status}}", by_hand) == "created"
        await compose("rm", "--force", "--stop", "engine")
        with pytest.raises(EngineMissing):
            await compose.engine(name="another").start()
    finally:
        await docker("rmi", "--force", f"{compose.project}-engine")
