"""Engines as local commands: no container needed.

The process is ours for as long as it runs, not for as long as we do: a gateway that comes after finds it by the record
in `state_dir/engines/NAME.json`, watches it, and stops it. Its output goes to `state_dir/engines/NAME.log`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from gateway.config.schema import EngineSpec, ProcessTarget
from gateway.errors import RuntimeTrouble, StartRefused
from gateway.runtimes.base import Address, NotRunning, Observation, Running
from gateway.runtimes.hints import Hints
from gateway.runtimes.process_life import ProcessLife
from gateway.runtimes.process_log import ProcessLog
from gateway.runtimes.process_record import ProcessRecord, kernel_start, load_record

KILL_PATIENCE = 5.0
"""Seconds until a killed process must be gone; longer only if the kernel cannot end it."""


class ProcessRuntime:
    """One engine's command. `spec.process` must be set."""

    def __init__(self, name: str, spec: EngineSpec, state_dir: Path) -> None:
        if spec.process is None:
            raise ValueError(f"engine {name} has no command")
        self.name = name
        self._target: ProcessTarget = spec.process
        self._stop_timeout = spec.stop_timeout
        self._address = Address("127.0.0.1", spec.port)
        self._record_path = state_dir / "engines" / f"{name}.json"
        self._log = ProcessLog(state_dir / "engines" / f"{name}.log")
        self._hints = Hints()
        self._life: ProcessLife | None = None
        self._last: NotRunning | None = None

    def __repr__(self) -> str:
        state = f"pid {self._life.record.pid}" if self._life else "not seen running"
        return f"<ProcessRuntime {self.name} {self._address} {state}>"

    async def start(self) -> Running:
        life = self._current()
        if life is None:
            refuse_taken_port(self._address)
            life = self._follow(self._spawn())
            self._hints.ring()
        return self._running(life)

    async def stop(self) -> None:
        life = self._current()
        if life is None:
            return
        for number, patience in ((signal.SIGTERM, self._stop_timeout), (signal.SIGKILL, KILL_PATIENCE)):
            try:
                life.signal(number)
            except PermissionError as error:
                raise RuntimeTrouble("runs as another user, and may not be stopped by the gateway") from error
            await asyncio.wait({life.ended}, timeout=patience)
            if life.ended.done():
                return
        raise RuntimeTrouble(f"does not end, though its process {life.record.pid} was killed")

    async def inspect(self) -> Observation:
        life = self._current()
        if life is not None:
            return self._running(life)
        if self._last is not None:
            return self._last
        return NotRunning("no longer runs" if load_record(self._record_path) else "was never started")

    def watch(self) -> AsyncIterator[None]:
        self._current()  # so that the end of an adopted process is noticed
        return self._hints.listen()

    async def logs(self, tail: int) -> list[str]:
        return await asyncio.to_thread(self._log.tail, tail)

    async def aclose(self) -> None:
        if self._life is not None:
            self._life.close()
            self._life = None

    # inside

    def _current(self) -> ProcessLife | None:
        """The process that runs now, be it ours or one that an earlier gateway started."""
        if self._life is not None:
            self._life.check()
        elif (record := load_record(self._record_path)) and record.alive():
            self._follow(record)
        return self._life

    def _follow(self, record: ProcessRecord) -> ProcessLife:
        life = ProcessLife(record, on_end=self._ended)
        if not life.ended.done():
            self._life = life
        return life

    def _ended(self, how: NotRunning) -> None:
        self._life, self._last = None, how
        self._hints.ring()

    def _running(self, life: ProcessLife) -> Running:
        return Running(life.record.instance, self._address, max(0.0, time.time() - life.record.since))

    def _spawn(self) -> ProcessRecord:
        """Run the command in a session of its own, so that a Ctrl-C for the gateway is none for the engine."""
        command = [word.replace("{port}", str(self._address.port)) for word in self._target.command]
        directory = self._target.directory
        if directory is not None and not directory.is_dir():
            raise StartRefused(f"should run in the folder {directory}, which does not exist")
        with self._open_log() as log:
            try:
                process = subprocess.Popen(  # noqa: S603 - the command is the operator's own, from the configuration
                    command,
                    cwd=directory,
                    env=os.environ | self._target.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise StartRefused(explain_refusal(error, command[0])) from error
        process.returncode = 0  # ProcessLife reaps it; Popen shall neither do that, nor warn that it still runs
        return self._remember(process.pid)

    def _open_log(self) -> BinaryIO:
        try:
            return self._log.open()
        except OSError as error:
            raise StartRefused(f"has no place for its log in the state directory: {error.strerror}") from error

    def _remember(self, pid: int) -> ProcessRecord:
        """A process that nobody could find again must not run: if it cannot be written down, it is ended."""
        record = ProcessRecord(pid, kernel_start(pid) or "", time.time())
        try:
            record.save(self._record_path)
        except OSError as error:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise StartRefused(f"could not be noted in the state directory: {error.strerror}") from error
        return record


def refuse_taken_port(address: Address) -> None:
    """Another program on the engine's port would be taken for the engine. Raises StartRefused."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartRefused(f"needs port {address.port}, which another program uses") from error


def explain_refusal(error: OSError | ValueError, program: str) -> str:
    """Why the system did not run the command, as a clause."""
    match error:
        case FileNotFoundError():
            return f"could not be run: there is no program {program!r} (or what its first line asks for)"
        case PermissionError():
            return f"could not be run: {program!r} is not executable, or may not be run by this user"
        case OSError():
            return f"could not be run: {program!r}: {error.strerror or error}"
        case _:
            return f"could not be run: {program!r}: {error}"
