"""Engines as local commands: no container needed.

The process is ours for as long as it runs, not for as long as we do: a gateway that comes after finds it by the record
in `state_dir/engines/NAME.json`, watches it, and stops it. Its output goes to `state_dir/engines/NAME.log`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

from gateway.config.schema import EngineSpec, ProcessTarget
from gateway.errors import RuntimeTrouble, RuntimeUnavailable, StartRefused
from gateway.runtimes.base import Address, NotRunning, Observation, Running, Usage
from gateway.runtimes.hints import Hints
from gateway.runtimes.process_life import ProcessLife
from gateway.runtimes.process_log import ProcessLog
from gateway.runtimes.process_record import ProcessRecord, load_record
from gateway.runtimes.process_spawn import refuse_taken_port, spawn
from gateway.runtimes.process_usage import group_memory
from gateway.runtimes.state_folder import StateFolder

KILL_PATIENCE = 5.0
"""Seconds until a killed process must be gone; longer only if the kernel cannot end it."""

LOOK_SECONDS = 60.0
"""Who watches is told to look again after so long, also if nothing has happened: a look keeps the log short."""

OUTDATED = NotRunning("runs with settings that have changed")
"""Of a program that an earlier gateway started. The next start puts the engine as it is configured now in its place."""


class ProcessRuntime:
    """One engine's command. `spec.process` must be set."""

    def __init__(self, name: str, spec: EngineSpec, folder: StateFolder) -> None:
        if spec.process is None:
            raise ValueError(f"engine {name} has no command")
        self.name = name
        self._target: ProcessTarget = spec.process
        self._stop_timeout = spec.stop_timeout
        self._address = Address("127.0.0.1", spec.port)
        self._folder = folder
        self._record_path = folder.path / "engines" / f"{name}.json"
        self._log = ProcessLog(folder.path / "engines" / f"{name}.log")
        self._hints = Hints()
        self._life: ProcessLife | None = None
        self._last: NotRunning | None = None

    def __repr__(self) -> str:
        state = f"pid {self._life.record.pid}" if self._life else "not seen running"
        return f"<ProcessRuntime {self.name} {self._address} {state}>"

    async def start(self) -> Running:
        life = self._current()
        if life is not None and not self._is_as_configured(life):
            await self._end(life)
            life = self._current()
        if life is None:
            refuse_taken_port(self._address)
            life = self._follow(self._remember(spawn(self._target, self._address.port, self._log)))
            self._hints.ring()
        return self._running(life)

    async def stop(self) -> None:
        if (life := self._current()) is not None:
            await self._end(life)

    async def inspect(self) -> Observation:
        self._folder.hold(self)
        await asyncio.to_thread(self._log.keep_short)
        life = self._current()
        if life is not None:
            return self._running(life) if self._is_as_configured(life) else OUTDATED
        if self._last is not None:
            return self._last
        return NotRunning("no longer runs" if load_record(self._record_path) else "was never started")

    def watch(self) -> AsyncIterator[None]:
        with contextlib.suppress(RuntimeUnavailable):
            self._current()  # so that the end of an adopted process is noticed
        return self._hints.listen(every=LOOK_SECONDS)

    async def answers(self) -> None:
        """It is this very process."""

    async def usage(self) -> Usage | None:
        """Of its whole group: workers count."""
        if (life := self._current()) is None:
            return None
        memory = await asyncio.to_thread(group_memory, life.record.pid)
        return None if memory is None or life.ended.done() else Usage(memory)

    async def logs(self, tail: int) -> list[str]:
        return await asyncio.to_thread(self._log.tail, tail)

    def adjust(self, spec: EngineSpec) -> None:
        self._stop_timeout = spec.stop_timeout

    async def aclose(self) -> None:
        if self._life is not None:
            self._life.close()
            self._life = None
        self._folder.release(self)

    # inside

    def _current(self) -> ProcessLife | None:
        """The process that runs now, be it ours or one that an earlier gateway started.

        Raises RuntimeUnavailable while another gateway uses the state directory: then it is that one's.
        """
        self._folder.hold(self)
        if self._life is not None:
            self._life.check()
        elif (record := load_record(self._record_path)) and record.alive():
            self._follow(record)
        return self._life

    def _is_as_configured(self, life: ProcessLife) -> bool:
        """Not if an earlier gateway started it, with another configuration."""
        return life.record.runs(self._target, self._address.port)

    async def _end(self, life: ProcessLife) -> None:
        for number, patience in ((signal.SIGTERM, self._stop_timeout), (signal.SIGKILL, KILL_PATIENCE)):
            try:
                life.signal(number)
            except PermissionError as error:
                raise RuntimeTrouble("runs as another user, and may not be stopped by the gateway") from error
            await asyncio.wait({life.ended}, timeout=patience)
            if life.ended.done():
                return
        raise RuntimeTrouble(f"does not end, though its process {life.record.pid} was killed")

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

    def _remember(self, pid: int) -> ProcessRecord:
        """A process that nobody could find again must not run: if it cannot be written down, it is ended."""
        record = ProcessRecord.of(pid, self._target, self._address.port)
        try:
            record.save(self._record_path)
        except OSError as error:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise StartRefused(f"could not be noted in the state directory: {error.strerror}") from error
        return record
