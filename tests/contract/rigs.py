"""One engine per runtime, as the contract suite drives it: what runs is real, except for the memory runtime."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.config.schema import EngineSpec
from gateway.errors import RuntimeUnavailable
from gateway.runtimes.base import Address, NotRunning, Observation, Runtime
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_host import DockerHost
from gateway.runtimes.memory import MemoryRuntime
from gateway.runtimes.process import ProcessRuntime
from gateway.runtimes.process_record import kernel_start
from gateway.runtimes.state_folder import StateFolder
from tests.fixtures.docker import STANDIN_IMAGE
from tests.fixtures.patience import PATIENCE
from tests.fixtures.ports import free_port
from tests.fixtures.standin import STANDIN


class Rig(ABC):
    """An engine with the stand-in's settings of the test's choice, and hands that reach around its runtime."""

    def __init__(self) -> None:
        self.runtimes: list[Runtime] = []

    @abstractmethod
    async def prepare(self, **settings: str | int) -> None:
        """Make the engine; its stand-in gets these settings. It does not run yet."""

    @abstractmethod
    def make(self, stop_timeout: float) -> Runtime: ...

    @abstractmethod
    async def kill(self) -> None:
        """SIGKILL for the engine's program."""

    @abstractmethod
    async def clean_up(self) -> None:
        """Leave nothing behind."""

    def runtime(self, stop_timeout: float = 2) -> Runtime:
        """Another runtime object for the same engine."""
        runtime = self.make(stop_timeout)
        self.runtimes.append(runtime)
        return runtime

    async def engine(self, **settings: str | int) -> Runtime:
        await self.prepare(**settings)
        return self.runtime()

    async def close(self) -> None:
        for runtime in self.runtimes:
            await runtime.aclose()
        await self.clean_up()


class MemoryRig(Rig):
    async def prepare(self, **settings: str | int) -> None:
        self.exits_with = settings.get("EXIT_CODE")
        self.listener: socket.socket | None = None

    def make(self, stop_timeout: float) -> MemoryRuntime:
        runtime = MemoryRuntime(Address("127.0.0.1", free_port()))
        runtime.on_start, runtime.on_stop = self.listen, self.hush
        self.memory = runtime
        return runtime

    def listen(self) -> None:
        if self.exits_with:
            asyncio.get_running_loop().call_soon(self.memory.crash, int(self.exits_with))
        self.listener = socket.create_server((self.memory.address.host, self.memory.address.port))

    def hush(self) -> None:
        if self.listener:
            self.listener.close()

    async def kill(self) -> None:
        self.memory.crash(137)

    async def start_by_hand(self) -> None:
        self.memory.start_by_hand()

    async def stop_by_hand(self) -> None:
        self.memory.stop_by_hand()

    async def clean_up(self) -> None:
        self.hush()


ANOTHER_GATEWAY = """
import asyncio, sys
from pathlib import Path
from gateway.config.schema import EngineSpec
from gateway.runtimes.process import ProcessRuntime
from gateway.runtimes.process_record import kernel_start
from gateway.runtimes.process_record import kernel_start
from gateway.runtimes.state_folder import StateFolder
spec = EngineSpec.model_validate_json(sys.argv[2])
asyncio.run(ProcessRuntime("engine", spec, StateFolder(Path(sys.argv[1]))).start())
"""


class ProcessRig(Rig):
    def __init__(self, state_dir: Path) -> None:
        super().__init__()
        self.state_dir = state_dir
        self.folder = StateFolder(state_dir)

    async def prepare(self, **settings: str | int) -> None:
        port = free_port()
        words = [f"{name}={value}" for name, value in settings.items()]
        self.target: dict[str, Any] = {
            "command": [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1", *words],
        }
        self.port = port

    def make(self, stop_timeout: float) -> ProcessRuntime:
        return ProcessRuntime("engine", self.spec(stop_timeout), self.folder)

    def spec(self, stop_timeout: float = 2) -> EngineSpec:
        return EngineSpec(hosts=("x.test",), process=self.target, port=self.port, stop_timeout=stop_timeout)

    async def start_in_another_gateway(self) -> None:
        """By a process that has ended since, as after a restart of the gateway: not our child."""
        words = ["-W", "error", "-c", ANOTHER_GATEWAY, str(self.state_dir), self.spec().model_dump_json()]
        await asyncio.to_thread(subprocess.run, [sys.executable, *words], check=True)

    def pid(self) -> int:
        import json

        return int(json.loads((self.state_dir / "engines" / "engine.json").read_text())["pid"])

    async def kill(self) -> None:
        os.kill(self.pid(), signal.SIGKILL)

    async def clean_up(self) -> None:
        runtime = self.make(stop_timeout=0.1)
        await runtime.stop()
        await runtime.aclose()


class DockerRig(Rig):
    def __init__(self) -> None:
        super().__init__()
        self.container = f"wg-test-{uuid.uuid4().hex[:12]}"
        self.created: list[str] = []

    async def prepare(self, **settings: str | int) -> None:
        await self.create(self.container, **dict[str, Any](settings))

    async def create(self, name: str, *options: str, command: Sequence[str] = (), **settings: Any) -> None:
        """A container of the stand-in's image, which `clean_up` removes again.

        With an init, so that a program that is stopped while it still starts hears SIGTERM, and tests are quick. Who
        stops it without saying how long to wait waits for ten minutes.
        """
        words = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
        self.created.append(name)
        await docker(
            "create", "--init", "--stop-timeout", "600", "--name", name, *words, *options, STANDIN_IMAGE, *command
        )

    def make(self, stop_timeout: float) -> DockerRuntime:
        return self.docker_runtime({"container": self.container}, stop_timeout=stop_timeout, keep=False)

    def docker_runtime(
        self,
        target: dict[str, Any],
        *,
        host: DockerHost | None = None,
        name: str = "engine",
        port: int = 8000,
        stop_timeout: float = 2,
        keep: bool = True,
    ) -> DockerRuntime:
        """A runtime for any containers, closed with the rig."""
        runtime = DockerRuntime(host or DockerHost(), name, self.spec(target, port, stop_timeout))
        if keep:
            self.runtimes.append(runtime)
        return runtime

    def spec(self, target: dict[str, Any], port: int = 8000, stop_timeout: float = 2) -> EngineSpec:
        return EngineSpec(hosts=("x.test",), docker=target, port=port, stop_timeout=stop_timeout)

    def also(self, suffix: str) -> str:
        """The name of another container of this test's."""
        return f"{self.container}-{suffix}"

    async def kill(self) -> None:
        await docker("kill", self.container)

    async def start_by_hand(self) -> None:
        await docker("start", self.container)

    async def stop_by_hand(self) -> None:
        await docker("stop", "--time", "2", self.container)

    async def clean_up(self) -> None:
        if self.created:
            await docker("rm", "--force", "--volumes", *self.created)


async def docker(*words: str, folder: Path | None = None) -> str:
    """The docker command, as a person would type it."""
    run = await asyncio.to_thread(
        subprocess.run, ["docker", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, f"docker {' '.join(words)}: {run.stderr}"
    return run.stdout.strip()


class Watch:
    """Follows an engine as a supervisor does: looks when the runtime says so, and at no other time."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._hints = runtime.watch()

    async def hint(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await anext(self._hints)

    async def until(self, wanted: Callable[[Observation], bool]) -> Observation:
        """The first observation that is as wanted."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await anext(self._hints)
                with contextlib.suppress(RuntimeUnavailable):  # nobody can tell: the next hint may find out
                    if wanted(seen := await self.runtime.inspect()):
                        return seen


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Polls what the outside world gives no event for."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)


async def accepts(address: Address) -> bool:
    """Nothing answers for the address of a container that is gone; a second's silence is a no."""
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    await writer.wait_closed()
    return True


def exists(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> bool:
    """Ended; whoever is its parent now may take its time to reap it."""
    return kernel_start(pid) is None


def is_not_running(seen: Observation) -> bool:
    return isinstance(seen, NotRunning)
