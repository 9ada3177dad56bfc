"""Engines for the contract suite."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.runtimes import docker_host, process, process_life
from tests.contract.rigs import DockerRig, MemoryRig, ProcessRig, Rig
from tests.fixtures.faster_engine import client, engine, start
from tests.fixtures.patience import PATIENCE

__all__ = ["client", "engine", "start"]  # fixtures of the faster engine


@pytest.fixture(autouse=True)
def _no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noticed here was told, by an event: a runtime that looks again by itself would do so too late."""
    monkeypatch.setattr(process, "LOOK_SECONDS", 10 * PATIENCE)
    monkeypatch.setattr(process_life, "POLL_SECONDS", 10 * PATIENCE)
    monkeypatch.setattr(docker_host, "SILENCE_SECONDS", int(10 * PATIENCE))


@pytest.fixture
def garbage_of_ones_own() -> Iterator[None]:
    """What a test leaves to the garbage collector must not be found, and reported, in another one."""
    yield
    gc.collect()


@pytest.fixture
async def docker_rig(standin_image: str) -> AsyncIterator[DockerRig]:
    """Only Docker; the test carries the `docker` marker."""
    rig = DockerRig()
    try:
        yield rig
    finally:
        await rig.close()


@pytest.fixture
async def process_rig(tmp_path: Path) -> AsyncIterator[ProcessRig]:
    """Only local processes; the engine is prepared."""
    rig = ProcessRig(tmp_path)
    await rig.prepare()
    try:
        yield rig
    finally:
        await rig.close()


MEMORY, PROCESS = pytest.param("memory"), pytest.param("process")
DOCKER = pytest.param("docker", marks=pytest.mark.docker)


async def _rig(kind: str, folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if kind == "docker":
        request.getfixturevalue("standin_image")
    rig: Rig = {"memory": MemoryRig, "process": lambda: ProcessRig(folder), "docker": DockerRig}[kind]()
    try:
        yield rig
    finally:
        await rig.close()


@pytest.fixture(params=[MEMORY, PROCESS, DOCKER])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Every runtime."""
    async for one in _rig(request.param, tmp_path, request):
        yield one


@pytest.fixture(params=[PROCESS, DOCKER])
async def real_rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """The runtimes that run real programs."""
    async for one in _rig(request.param, tmp_path, request):
        yield one


@pytest.fixture(params=[MEMORY, DOCKER])
async def rig_by_hand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """The runtimes whose engines somebody else can start, too."""
    async for one in _rig(request.param, tmp_path, request):
        yield one
