"""Puts a changed configuration file into force: whole or not at all, and without disturbing what has not changed.

Three ask for it: a changed file, SIGHUP, and an operator. They are served one after the other.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog

from gateway.announcements import Announcements, Reloaded
from gateway.auth.opening import problem_with_opening
from gateway.config import Config, load_config
from gateway.config.schema import GatewaySettings
from gateway.config.watching import changes, look
from gateway.errors import ConfigError, ReloadRefused
from gateway.supervision.fleet import Changes

_log = structlog.get_logger()

FIXED: dict[str, Callable[[GatewaySettings], object]] = {
    "gateway.listen": lambda settings: settings.listen,
    "gateway.admin": lambda settings: settings.admin,
    "gateway.state_dir": lambda settings: settings.state_dir,
    "gateway.spool.dir": lambda settings: settings.spool_folder,
    "gateway.head_limit": lambda settings: settings.head_limit,
    "gateway.head_timeout": lambda settings: settings.head_timeout,
    "gateway.log.format": lambda settings: settings.log.format,
    "gateway.log.level": lambda settings: settings.log.level,
}
"""What the process itself was started with."""


class Configurable(Protocol):
    """What goes by the configuration."""

    announce: Announcements
    config: Config

    def apply(self, config: Config) -> Changes: ...


class Reloader:
    """Reads the file again, and has it applied. `path`: of the configuration that `app` goes by."""

    def __init__(self, path: Path, app: Configurable) -> None:
        self._path = path
        self._app = app
        self._one_at_a_time = asyncio.Lock()
        self._hung_up = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside the block SIGHUP and changes of the file are followed. Only in a program's main thread."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up.set)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._follow_file()), group.create_task(self._follow_signal())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def reload(self, cause: str) -> Changes:
        """Raises ReloadRefused, with every problem; then nothing has changed. Both outcomes are logged."""
        async with self._one_at_a_time:
            try:
                config = await asyncio.to_thread(self._load)
                self._refuse_fixed(config)
                done = self._app.apply(config)
            except ConfigError as error:
                for problem in error.problems:
                    _log.error("config.invalid", problem=problem, cause=cause)
                self._app.announce.tell(Reloaded(ok=False))
                raise ReloadRefused("\n".join(error.problems)) from error
            except Exception:  # ours; told, and passed on
                self._app.announce.tell(Reloaded(ok=False))
                raise
        self._app.announce.tell(Reloaded(ok=True))
        _log.info("config.reloaded", cause=cause, added=done.added, changed=done.changed, removed=done.removed)
        return done

    def _load(self) -> Config:
        config = load_config(self._path)
        if problem := problem_with_opening(self._path, config.gateway):
            raise ConfigError([problem])
        return config

    def _refuse_fixed(self, config: Config) -> None:
        before, after = self._app.config.gateway, config.gateway
        changed = [name for name, read in FIXED.items() if read(before) != read(after)]
        if changed:
            raise ConfigError([f"{self._path} {name}: restart the gateway to change this" for name in changed])

    async def _follow_file(self) -> None:
        seen = await look(self._path)
        if await asyncio.to_thread(self._is_news):
            await self._try("the file has changed")
        async for _ in changes(self._path, since=seen):
            await self._try("the file has changed")

    def _is_news(self) -> bool:
        """Whether the file has changed since it was read for the start."""
        try:
            return load_config(self._path) != self._app.config
        except ConfigError:  # to be told by who reads it into force
            return True

    async def _follow_signal(self) -> None:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            await self._try("SIGHUP")

    async def _try(self, cause: str) -> None:
        try:
            await self.reload(cause)
        except ReloadRefused:
            pass  # it is in the log
        except Exception:  # ours; the gateway goes on with what it has
            _log.exception("config.reload_broke")
