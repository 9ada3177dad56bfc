"""What only containers can do: be missing, paused, renamed, share a dependency, sit on a network we do not share."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest

from gateway.errors import EngineMissing, StartRefused
from gateway.runtimes import docker_host
from gateway.runtimes.base import Address, NotRunning, Observation, Running
from gateway.runtimes.docker_address import Vantage
from gateway.runtimes.docker_host import DockerHost
from tests.contract.rigs import DockerRig, Watch, accepts, docker, is_not_running, until
from tests.fixtures.ports import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


def is_running(seen: Observation) -> bool:
    return isinstance(seen, Running)


async def state_of(container: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(await docker("inspect", "--format", "{{json .State}}", container))
    return state


async def moment(container: str, key: str) -> datetime:
    return datetime.fromisoformat((await state_of(container))[key])


# only what is named


async def test_a_missing_container_is_a_clear_error_that_says_what_creates_it(docker_rig: DockerRig) -> None:
    runtime = docker_rig.runtime()
    with pytest.raises(EngineMissing, match=f"docker create --name {docker_rig.container} "):
        await runtime.start()
    seen = await runtime.inspect()
    assert isinstance(seen, NotRunning)
    assert f"there is none named '{docker_rig.container}'" in seen.reason
    await runtime.stop()
    assert await runtime.logs(10) == []


async def test_a_name_that_is_the_beginning_of_another_is_not_mistaken_for_it(docker_rig: DockerRig) -> None:
    await docker_rig.create(docker_rig.also("more"))
    with pytest.raises(EngineMissing):
        await docker_rig.runtime().start()


async def test_the_beginning_of_an_id_is_no_name(docker_rig: DockerRig) -> None:
    """Docker itself would take it for the container."""
    await docker_rig.prepare()
    short_id = (await docker("inspect", "--format", "{{.Id}}", docker_rig.container))[:12]
    runtime = docker_rig.docker_runtime({"container": short_id})
    with pytest.raises(EngineMissing):
        await runtime.start()
    await docker_rig.start_by_hand()
    assert is_not_running(await runtime.inspect())
    await runtime.stop()
    assert (await state_of(docker_rig.container))["Running"]


async def test_a_container_that_is_created_renamed_and_removed_is_noticed(docker_rig: DockerRig) -> None:
    watch = Watch(docker_rig.runtime())
    await watch.until(lambda seen: isinstance(seen, NotRunning) and "has no container" in seen.reason)
    await docker_rig.prepare()
    await watch.until(lambda seen: seen == NotRunning("was never started"))
    await docker("rename", docker_rig.container, docker_rig.also("renamed"))
    await watch.until(lambda seen: isinstance(seen, NotRunning) and "has no container" in seen.reason)
    await docker("rename", docker_rig.also("renamed"), docker_rig.container)
    await watch.until(lambda seen: seen == NotRunning("was never started"))
    await docker("rm", docker_rig.container)
    docker_rig.created.clear()
    await watch.until(lambda seen: isinstance(seen, NotRunning) and "has no container" in seen.reason)


# by hand


async def test_a_paused_container_does_not_run_and_start_wakes_it(docker_rig: DockerRig) -> None:
    runtime = await docker_rig.engine()
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    watch = Watch(runtime)
    await docker("pause", docker_rig.container)
    await watch.until(lambda seen: seen == NotRunning("is paused"))
    assert (await runtime.start()).instance == running.instance
    await watch.until(is_running)
    await docker("pause", docker_rig.container)
    await runtime.stop()
    assert await runtime.inspect() == NotRunning("exited with code 0", exit_code=0)


async def test_a_restart_by_hand_is_noticed_as_another_instance(docker_rig: DockerRig) -> None:
    runtime = await docker_rig.engine()
    running = await runtime.start()
    watch = Watch(runtime)
    await watch.until(is_running)
    await docker("restart", "--time", "1", docker_rig.container)
    await watch.until(lambda seen: isinstance(seen, Running) and seen.instance != running.instance)


async def test_a_container_that_docker_restarts_for_ever_does_not_run_in_between(docker_rig: DockerRig) -> None:
    await docker_rig.create(docker_rig.container, "--restart", "always", EXIT_AFTER_MS=1, EXIT_CODE=5)
    runtime = docker_rig.runtime()
    watch = Watch(runtime)
    await docker_rig.start_by_hand()
    await watch.until(lambda seen: isinstance(seen, NotRunning) and seen.reason.startswith("exits again and again"))
    await runtime.stop()
    assert isinstance(seen := await runtime.inspect(), NotRunning)
    assert seen.reason.startswith("exited with code")


async def test_running_out_of_memory_is_told_apart(docker_rig: DockerRig) -> None:
    program = "x = bytearray(1); \nwhile True: x.extend(bytes(1 << 20))"
    limits = ("--memory", "32m", "--memory-swap", "32m")
    await docker_rig.create(docker_rig.container, *limits, command=("python3", "-c", program))
    runtime = docker_rig.runtime()
    watch = Watch(runtime)
    await docker_rig.start_by_hand()
    seen = await watch.until(lambda seen: isinstance(seen, NotRunning) and seen.exit_code == 137)
    assert isinstance(seen, NotRunning)
    assert seen.oom


async def test_a_terminals_log_is_read_like_any_other(docker_rig: DockerRig) -> None:
    await docker_rig.create(docker_rig.container, "--tty", LOG_LINES=3)
    runtime = docker_rig.runtime()
    running = await runtime.start()
    await until(lambda: accepts(running.address))

    async def has_logged() -> bool:
        return (await runtime.logs(100))[:3] == ["log line 1", "log line 2", "log line 3"]

    await until(has_logged)


# refusals


async def test_what_docker_refuses_is_told_in_its_own_words(docker_rig: DockerRig) -> None:
    await docker_rig.create(docker_rig.container, "--init=false", command=("/no/such/program",))
    with pytest.raises(StartRefused, match=r"was refused by Docker: .*/no/such/program"):
        await docker_rig.runtime().start()


async def test_a_published_port_that_is_taken_is_a_refusal(docker_rig: DockerRig) -> None:
    first, second = docker_rig.container, docker_rig.also("second")
    await docker_rig.create(first, "--publish", "127.0.0.1:0:8000")
    runtime = docker_rig.runtime()
    await runtime.start()
    taken = (await docker("port", first, "8000")).rpartition(":")[2]
    await docker_rig.create(second, "--publish", f"127.0.0.1:{taken}:8000")
    with pytest.raises(StartRefused, match="port is already allocated"):
        await docker_rig.docker_runtime({"container": second}).start()
    assert is_running(await runtime.inspect())


# addresses


async def published_port(container: str) -> int:
    return int((await docker("port", container, "8000")).split("\n")[0].rpartition(":")[2])


async def test_on_a_shared_network_the_containers_own_address_is_used(docker_rig: DockerRig) -> None:
    await docker_rig.create(docker_rig.container, "--publish", "127.0.0.1:0:8000")
    running = await docker_rig.runtime().start()
    own = "{{.NetworkSettings.IPAddress}}"
    assert running.address == Address(await docker("inspect", "--format", own, docker_rig.container), 8000)


async def test_without_a_shared_network_the_published_port_is_used(
    docker_rig: DockerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Mac, or with a rootless Docker: no way leads into the containers' network."""
    monkeypatch.setattr(
        docker_host,
        "local_vantage",
        lambda machine: Vantage(in_container=False, daemon_host=machine, source_for=lambda _: None),
    )
    await docker_rig.create(docker_rig.container, "--publish", "127.0.0.1:0:8000")
    running = await docker_rig.runtime().start()
    assert running.address == Address("127.0.0.1", await published_port(docker_rig.container))
    await until(lambda: accepts(running.address))


async def test_a_container_on_the_hosts_network_is_on_the_loopback_address(docker_rig: DockerRig) -> None:
    port = free_port()
    await docker_rig.create(docker_rig.container, "--network", "host", PORT=port, HOST="127.0.0.1")
    running = await docker_rig.docker_runtime({"container": docker_rig.container}, port=port).start()
    assert running.address == Address("127.0.0.1", port)
    await until(lambda: accepts(running.address))


async def test_a_container_in_anothers_network_is_reached_there(docker_rig: DockerRig) -> None:
    owner = docker_rig.also("owner")
    await docker_rig.create(owner, PORT=9000)
    await docker_rig.create(docker_rig.container, "--network", f"container:{owner}")
    runtime = docker_rig.docker_runtime({"container": docker_rig.container, "depends_on": [owner]})
    running = await runtime.start()
    await until(lambda: accepts(running.address))


async def test_a_container_that_cannot_be_reached_says_what_to_do(docker_rig: DockerRig) -> None:
    await docker_rig.create(docker_rig.container, "--network", "none")
    with pytest.raises(StartRefused, match="network"):
        await docker_rig.runtime().start()


# dependencies


async def test_dependencies_start_before_in_order_and_stop_after_in_reverse(docker_rig: DockerRig) -> None:
    first, second, engine = docker_rig.also("first"), docker_rig.also("second"), docker_rig.container
    for name in (first, second, engine):
        await docker_rig.create(name)
    runtime = docker_rig.docker_runtime({"container": engine, "depends_on": [first, second]})
    await runtime.start()
    started = [await moment(name, "StartedAt") for name in (first, second, engine)]
    assert started == sorted(started)
    await runtime.stop()
    finished = [await moment(name, "FinishedAt") for name in (engine, second, first)]
    assert finished == sorted(finished)
    assert [(await state_of(name))["Running"] for name in (first, second, engine)] == [False] * 3


async def test_a_missing_dependency_is_named(docker_rig: DockerRig) -> None:
    await docker_rig.prepare()
    runtime = docker_rig.docker_runtime({"container": docker_rig.container, "depends_on": [docker_rig.also("db")]})
    with pytest.raises(EngineMissing, match=docker_rig.also("db")):
        await runtime.start()
    assert await runtime.inspect() == NotRunning("was never started")


async def test_starting_an_engine_that_runs_leaves_its_dependencies_alone(docker_rig: DockerRig) -> None:
    db = docker_rig.also("db")
    await docker_rig.create(db)
    await docker_rig.prepare()
    await docker_rig.start_by_hand()
    await docker_rig.docker_runtime({"container": docker_rig.container, "depends_on": [db]}).start()
    assert (await state_of(db))["Status"] == "created"


async def test_a_shared_dependency_is_stopped_with_the_last_engine_that_needs_it(docker_rig: DockerRig) -> None:
    db, other = docker_rig.also("db"), docker_rig.also("other")
    for name in (db, other, docker_rig.container):
        await docker_rig.create(name)
    host = DockerHost()
    one = docker_rig.docker_runtime({"container": docker_rig.container, "depends_on": [db]}, host=host, name="one")
    two = docker_rig.docker_runtime({"container": other, "depends_on": [db]}, host=host, name="two")
    await one.start()
    await two.start()
    since = await moment(db, "StartedAt")
    await one.stop()
    assert is_not_running(await one.inspect())
    assert is_running(await two.inspect())
    assert await moment(db, "StartedAt") == since
    assert (await state_of(db))["Running"]
    await two.stop()
    assert not (await state_of(db))["Running"]


async def test_an_adopted_engine_keeps_its_dependency_running_too(docker_rig: DockerRig) -> None:
    """After a restart of the gateway nobody has been started by it, and yet somebody needs the database."""
    db, other = docker_rig.also("db"), docker_rig.also("other")
    for name in (db, other, docker_rig.container):
        await docker_rig.create(name)
    await docker("start", db, docker_rig.container)
    host = DockerHost()
    adopted = docker_rig.docker_runtime({"container": docker_rig.container, "depends_on": [db]}, host=host, name="one")
    two = docker_rig.docker_runtime({"container": other, "depends_on": [db]}, host=host, name="two")
    assert is_running(await adopted.inspect())
    await two.start()
    await two.stop()
    assert (await state_of(db))["Running"]
    await docker("kill", docker_rig.container)  # who has crashed needs nothing any more
    assert is_not_running(await adopted.inspect())
    await two.start()
    await two.stop()
    assert not (await state_of(db))["Running"]


async def test_an_engine_that_starts_while_another_stops_finds_their_dependency_running(docker_rig: DockerRig) -> None:
    db, other = docker_rig.also("db"), docker_rig.also("other")
    for name in (db, other, docker_rig.container):
        await docker_rig.create(name)
    host = DockerHost()
    one = docker_rig.docker_runtime({"container": docker_rig.container, "depends_on": [db]}, host=host, name="one")
    two = docker_rig.docker_runtime({"container": other, "depends_on": [db]}, host=host, name="two", stop_timeout=1)
    await one.start()
    for _ in range(3):
        await asyncio.gather(one.stop(), two.start())
        assert (await state_of(db))["Running"]
        await asyncio.gather(two.stop(), one.start())
        assert (await state_of(db))["Running"]


async def test_an_engine_that_is_another_ones_dependency_is_not_stopped_under_it(docker_rig: DockerRig) -> None:
    front = docker_rig.also("front")
    for name in (front, docker_rig.container):
        await docker_rig.create(name)
    host = DockerHost()
    back = docker_rig.docker_runtime({"container": docker_rig.container}, host=host, name="back")
    both = docker_rig.docker_runtime(
        {"container": front, "depends_on": [docker_rig.container]}, host=host, name="front"
    )
    await both.start()
    await back.stop()
    assert (await state_of(docker_rig.container))["Running"]
    await both.stop()
    assert not (await state_of(docker_rig.container))["Running"]
