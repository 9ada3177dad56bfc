"""A Docker of our own on a unix socket: for what the real one cannot be made to do, such as a disk that is slow."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

STATE = {"Running": True, "StartedAt": "2026-11-21T15:58:55Z"}


class ScriptedDocker:
    """One container named `engine`, on the host's network. For use with `async with`.

    starting: awaited while a start is under way, and may refuse it by returning words. exit_code: what the program ends
    with, right after its start. thawed: unset, it takes requests and does nothing about them.
    stopping: awaited while a stop is under way.
    logs: what the container wrote, as frames or, with `tty`, as it is.
    """

    def __init__(self, path: Path) -> None:
        self.environment = {"DOCKER_HOST": f"unix://{path}"}
        self.running = False
        self.exit_code: int | None = None
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.starting: Callable[[], Awaitable[Any]] | None = None
        self.stopping: Callable[[], Awaitable[Any]] | None = None
        self.tty = False
        self.logs: list[bytes] = []
        self._path = path

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.let_nobody_in()

    def let_nobody_in(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request per connection, which needs no parsing beyond its first line."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            await self.thawed.wait()
            path = head.split()[1].decode().partition("?")[0]
            status, parts = await self._answer(path.rpartition("/")[2])
            writer.write(f"HTTP/1.1 {status} Status\r\nConnection: close\r\n\r\n".encode())
            for part in parts:
                writer.write(part)
                await writer.drain()
        writer.close()

    async def _answer(self, what: str) -> tuple[int, list[bytes]]:
        match what:
            case "version":
                return 200, [b'{"ApiVersion": "1.47"}']
            case "start":
                if self.starting is not None and isinstance(words := await self.starting(), str):
                    return 500, [json.dumps({"message": words}).encode()]
                self.running = self.exit_code is None
                return 204, []
            case "stop":
                if self.stopping is not None:
                    await self.stopping()
                self.running = False
                return 204, []
            case "logs":
                return 200, self.logs
            case _:
                return 200, [json.dumps(self._facts()).encode()]

    def _facts(self) -> dict[str, Any]:
        return {
            "Id": "0123456789ab",
            "Name": "/engine",
            "Config": {"Tty": self.tty},
            "State": {**STATE, "Running": self.running, "ExitCode": self.exit_code or 0},
            "HostConfig": {"NetworkMode": "host"},
        }


def frame(content: bytes, stream: int = 1) -> bytes:
    """As Docker packs what a container without a terminal writes: the stream, three zeros, the length."""
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4) + content
