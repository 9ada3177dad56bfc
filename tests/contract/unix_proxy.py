"""A unix socket in front of Docker's, to cut, silence and restore the connection as a daemon's trouble would."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


class UnixProxy:
    """Forwards connections on `path` to Docker. Not open at first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flow = asyncio.Event()
        self._flow.set()
        self._stranded: list[asyncio.Event] = []

    @property
    def environment(self) -> dict[str, str]:
        """For a DockerHost that shall go through here."""
        return {"DOCKER_HOST": f"unix://{self.path}"}

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._forward, self.path)

    async def close(self) -> None:
        """As when the daemon is stopped: every connection ends, and nobody listens any more."""
        if self._server is not None:
            self._server.close()
            for flow in self._stranded:
                flow.set()
            self.cut()
            await self._server.wait_closed()
            self.path.unlink(missing_ok=True)
            self._server = None

    def cut(self) -> None:
        """End every connection, without a word; new ones are welcome."""
        for writer in list(self._writers):
            writer.transport.abort()

    def strand(self) -> None:
        """As when the network has forgotten them: nothing comes over today's connections any more; new ones work."""
        self._flow.clear()
        self._stranded.append(self._flow)
        self._flow = asyncio.Event()
        self._flow.set()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        flow = self._flow
        docker = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(docker)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, upstream_writer, flow))
                tasks.create_task(self._pump(upstream_reader, writer, flow))
        except* OSError:
            pass

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flow: asyncio.Event) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(65536):
                await flow.wait()
                writer.write(data)
                await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()
