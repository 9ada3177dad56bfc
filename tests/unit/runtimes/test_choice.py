"""Which runtime an engine gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.schema import EngineSpec
from gateway.runtimes import Runtimes
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.process import ProcessRuntime
from gateway.runtimes.state_folder import StateFolder

pytestmark = pytest.mark.anyio


def spec(**target: Any) -> EngineSpec:
    return EngineSpec(hosts=("x.test",), port=8000, **target)


async def test_a_command_is_a_process(tmp_path: Path) -> None:
    assert isinstance(Runtimes(tmp_path).runtime_for("x", spec(process={"command": ["true"]})), ProcessRuntime)


async def test_containers_share_one_connection_until_the_last_is_closed(tmp_path: Path) -> None:
    runtimes = Runtimes(tmp_path)
    one, two = (runtimes.runtime_for(name, spec(docker={"container": name})) for name in ("one", "two"))
    assert isinstance(one, DockerRuntime)
    assert isinstance(two, DockerRuntime)
    assert one._host is two._host
    await one.aclose()
    await two.aclose()
    three = runtimes.runtime_for("three", spec(docker={"container": "three"}))
    assert isinstance(three, DockerRuntime)
    assert three._host is not one._host
    await three.aclose()


def test_a_runtime_is_only_for_its_own_kind_of_engine(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no command"):
        ProcessRuntime("x", spec(docker={"container": "x"}), StateFolder(tmp_path))


async def test_reprs_name_what_they_run(tmp_path: Path) -> None:
    runtimes = Runtimes(tmp_path)
    by_name = runtimes.runtime_for("x", spec(docker={"container": "faster"}))
    by_service = runtimes.runtime_for("y", spec(docker={"project": "speech", "service": "whisper"}))
    local = runtimes.runtime_for("z", spec(process={"command": ["true"]}))
    assert repr(by_name) == "<DockerRuntime x faster:8000>"
    assert repr(by_service) == "<DockerRuntime y speech/whisper:8000>"
    assert repr(local) == "<ProcessRuntime z 127.0.0.1:8000 not seen running>"
    for runtime in (by_name, by_service, local):
        await runtime.aclose()
