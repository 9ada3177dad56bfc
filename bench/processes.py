"""Programs that the benchmark starts, and ends by their process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

from bench import procfs
from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Asks every 10 ms. Raises BenchError when the time is over; `what` says for what."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"gave up waiting for {what} after {seconds:g} s")
        time.sleep(0.01)


def accepts(port: int) -> bool:
    """Whether something on this machine accepts connections at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(pid: int, patience: float = 5) -> None:
    """Ends one process that may not be our child: politely, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
            wait_until(lambda: not procfs.alive(pid), patience, f"process {pid} to end")
        except ProcessLookupError:
            return
        except BenchError:
            continue
        return


class Child:
    """A program with its output in a log file. Leaving the block ends it and all that it started.

    environment: all that it has; None for the benchmark's own.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            # A session of its own: Ctrl-C reaches the benchmark only, which then ends its children in order.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Like `wait_until`, but also ends when the program does, and then shows its last words."""

        def met() -> bool:
            if self._process.poll() is not None:
                raise BenchError(f"{self.name} ended with {self._process.returncode}:\n{self.last_words()}")
            return condition()

        try:
            wait_until(met, seconds, what)
        except BenchError as exc:
            raise BenchError(f"{exc}\n{self.last_words()}") from exc

    def last_words(self, lines: int = 15) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, patience: float = 15) -> None:
        below = [(pid, procfs.started(pid)) for pid in procfs.descendants(self.pid)]
        self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid, started in below:
            if procfs.alive(pid) and procfs.started(pid) == started:
                end(pid)
