"""Sets the stage of a figure: the gateway as a real process, the backend as its engine, nginx beside them.

Every figure gets a stage of its own, so that none inherits the memory or the connections of another. Leaving the
stage ends everything on it by process id.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench import backend, client, procfs
from bench.errors import BenchError, MissingError
from bench.nginx import Nginx
from bench.processes import Child, accepts, end, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BACKEND = Path(__file__).with_name("backend.py")


@dataclass(frozen=True)
class Options:
    """What the command line decides.

    gateway: the program under test. rounds: of every figure, or None for each figure's own number.
    self_check: put a second nginx in the gateway's place, so that every ratio must come out at about 1.
    """

    gateway: Path
    rounds: int | None = None
    self_check: bool = False

    def rounds_or(self, default: int) -> int:
        return self.rounds or default


class Door(Protocol):
    """A proxy in front of the backend."""

    port: int

    @property
    def pids(self) -> list[int]:
        """Its processes, without the engines that it started."""
        ...


@dataclass(frozen=True)
class Stage:
    """Ways to the same backend. `nginx` and `buffering` are None where a figure did not ask for them.

    fields: lines that a request's head needs, so that the gateway lets it in. buffering: the nginx that keeps requests.
    """

    direct: int
    gateway: Door
    nginx: Nginx | None
    fields: tuple[str, ...] = ()
    buffering: Nginx | None = None

    @property
    def reference(self) -> Nginx:
        if self.nginx is None:
            raise BenchError("this stage has no nginx")
        return self.nginx


class Gateway:
    """`whisper-gateway serve` with one engine, called bench. `stack` ends it, and the engine with it."""

    def __init__(self, stack: ExitStack, folder: Path, options: Options, engine: dict[str, Any]) -> None:
        self.port, self.admin = free_port(), free_port()
        folder.mkdir()
        config = folder / "config.yaml"
        config.write_text(json.dumps(self._config(folder, engine), indent=2))  # JSON is YAML
        self._program, self._file = str(options.gateway), str(config)
        command = [str(options.gateway), "serve", "--config", str(config)]
        self._child = stack.enter_context(Child("the gateway", command, folder / "gateway.log"))
        self._child.wait_for(lambda: accepts(self.port) and self._says_ready(), 30, "the gateway to be ready")

    def _config(self, folder: Path, engine: dict[str, Any]) -> dict[str, Any]:
        return {
            "gateway": {
                "listen": f"127.0.0.1:{self.port}",
                "admin": f"127.0.0.1:{self.admin}",
                "state_dir": str(folder / "state"),
                "on_exit": "stop",
                "drain_timeout": "1s",
            },
            "engines": {"bench": {"hosts": [client.HOST], "idle_after": "never", **engine}},
        }

    def make_key(self) -> str:
        """An API key; from now on every request needs one."""
        command = [self._program, "keys", "create", "--name", "bench", "--config", self._file]
        made = subprocess.run(command, capture_output=True, check=True)
        return made.stdout.decode().strip()

    @property
    def pids(self) -> list[int]:
        below = [pid for pid in procfs.descendants(self._child.pid) if BACKEND.name not in procfs.command_line(pid)]
        return [self._child.pid, *below]

    def put_to_sleep(self) -> None:
        """Asks the gateway to stop the engine, whatever it is doing. It may still be stopping afterwards."""
        status, body = self._admin("POST", "/api/engines/bench/sleep?force=true")
        if status not in (200, 202, 204):
            raise BenchError(f"sleep was answered {status}: {body[:300]!r}")

    def _says_ready(self) -> bool:
        try:
            return self._admin("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _admin(self, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Content-Length": "0"} if method == "POST" else {})
            answer = connection.getresponse()
            return answer.status, answer.read()


@contextmanager
def stage(
    options: Options,
    *,
    nginx: bool = False,
    buffering: bool = False,
    wake: bool = True,
    key: bool = False,
    settings: dict[str, Any] | None = None,
) -> Iterator[Stage]:
    """A gateway with the backend as its process engine; on request also nginx in front of the same backend.

    buffering: yet another nginx, which keeps each request until all of it is there.
    wake: have one small request served through every door, so that the engine runs and all code is loaded.
    key: the gateway asks for an API key. settings: more of the engine's.
    """
    with scratch() as folder, ExitStack() as stack:
        port, pid_file = free_port(), folder / "backend.pid"
        stack.callback(_end_backend, pid_file)
        command = [sys.executable, "-P", str(BACKEND), "--port", "{port}", "--pid-file", str(pid_file)]
        door: Door
        if options.self_check:
            _run_backend(stack, folder, port, command)
            door = Nginx(stack, folder / "stand-in", port)
        else:
            engine = {"process": {"command": command}, "port": port, "start_timeout": "20s", **(settings or {})}
            door = Gateway(stack, folder / "gateway", options, engine)
        fields = (f"Authorization: Bearer {door.make_key()}",) if key and isinstance(door, Gateway) else ()
        if wake:
            check_small(door.port, *fields)
        beside = Nginx(stack, folder / "nginx", port) if nginx else None
        keeping = Nginx(stack, folder / "keeping", port, buffering=True) if buffering else None
        for other in (beside, keeping):
            if other:
                check_small(other.port)
        set_up = Stage(port, door, beside, fields, keeping)
        yield set_up


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="whisper-gateway-bench-") as name:
        yield Path(name)


def check_small(port: int, *fields: str) -> None:
    """Raises BenchError unless the small request gets the backend's answer, byte for byte. fields: more of its head."""
    answer = client.ask(port, client.head("GET", "/small", *fields))
    if answer.body != backend.SMALL_BODY:
        raise BenchError(f"the small request got another body: {answer.body[:100]!r}")


def require_gateway(options: Options) -> None:
    if not options.self_check and not options.gateway.is_file():
        raise MissingError(f"{options.gateway} does not exist: install the project into this environment (make venv)")


def _run_backend(stack: ExitStack, folder: Path, port: int, command: Sequence[str]) -> None:
    """The backend without a gateway that would start it."""
    filled = [word.replace("{port}", str(port)) for word in command]
    child = stack.enter_context(Child("the backend", filled, folder / "backend.log"))
    child.wait_for(lambda: accepts(port), 10, "the backend to listen")


def _end_backend(pid_file: Path) -> None:
    """Ends the backend if it has outlived its gateway, which happens when the gateway was killed."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    if str(pid_file) in procfs.command_line(pid):
        end(pid)
