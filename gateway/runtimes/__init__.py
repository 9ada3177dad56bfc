"""HOW an engine is run: the runtimes, and the choice between them."""

from __future__ import annotations

from pathlib import Path

from gateway.config.schema import EngineSpec
from gateway.runtimes.base import Runtime
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_host import DockerHost
from gateway.runtimes.process import ProcessRuntime
from gateway.runtimes.state_folder import StateFolder

__all__ = ["Runtimes"]


class Runtimes:
    """Gives each engine the runtime its configuration asks for.

    Engines in Docker share one connection to it, which is closed with the last of them. Local ones share the state
    directory, which no other gateway may use until the last of them is closed.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = StateFolder(state_dir)
        self._docker: DockerHost | None = None

    def runtime_for(self, name: str, spec: EngineSpec) -> Runtime:
        """Nothing is started or connected yet."""
        if spec.docker is None:
            return ProcessRuntime(name, spec, self._folder)
        if self._docker is None or self._docker.closed:
            self._docker = DockerHost()
        return DockerRuntime(self._docker, name, spec)
