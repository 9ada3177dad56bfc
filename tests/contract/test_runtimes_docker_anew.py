"""A container that is removed, and made anew a moment later: a start that comes in between waits for it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import EngineMissing
from gateway.runtimes import docker_succession
from gateway.runtimes.base import NotRunning, Running
from tests.contract.rigs import DockerRig, docker

pytestmark = [pytest.mark.anyio, pytest.mark.docker]


async def removed(rig: DockerRig) -> None:
    await docker("rm", "--force", rig.container)
    rig.created.remove(rig.container)


async def test_a_start_waits_for_the_new_one(docker_rig: DockerRig) -> None:
    await docker_rig.prepare()
    runtime = docker_rig.docker_runtime({"container": docker_rig.container})
    before = await runtime.start()
    await removed(docker_rig)
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(runtime.start())
        seen = await runtime.inspect()
        assert isinstance(seen, NotRunning)
        assert seen.meant
        await docker_rig.prepare()
    after = starting.result()
    assert isinstance(after, Running)
    assert after.instance != before.instance


async def test_one_that_does_not_come_again_is_missing(docker_rig: DockerRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_succession, "SECONDS", 0.2)
    await docker_rig.prepare()
    runtime = docker_rig.docker_runtime({"container": docker_rig.container})
    await runtime.inspect()
    await removed(docker_rig)
    with pytest.raises(EngineMissing, match=f"docker create --name {docker_rig.container} "):
        await runtime.start()


async def test_a_dependency_that_is_missing_is_told_at_once(
    docker_rig: DockerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_succession, "SECONDS", 3600)
    await docker_rig.prepare()
    target = {"container": docker_rig.container, "depends_on": [docker_rig.also("db")]}
    with pytest.raises(EngineMissing, match=docker_rig.also("db")):
        await docker_rig.docker_runtime(target).start()
