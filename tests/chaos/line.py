"""A slow line: what a client sends through it arrives at a known rate. What comes back takes no time."""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import Self

PIECE = 16 * 1024


class Line:
    """From 127.0.0.1:`port` to another port, in a thread of its own. rate: bytes per second; may be changed."""

    def __init__(self, to: int, rate: float) -> None:
        self.rate = rate
        self._to = to
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line")

    def __enter__(self) -> Self:
        self._thread.start()
        opening = asyncio.start_server(self._pass, "127.0.0.1", 0, limit=PIECE)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        conversations = asyncio.all_tasks() - {asyncio.current_task()}
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._slowly(reader, back))
                group.create_task(_quickly(there, writer))
        except* ConnectionError:
            pass
        finally:
            writer.close()
            back.close()

    async def _slowly(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due = time.monotonic()
        while data := await reader.read(PIECE):
            due = max(due, time.monotonic() - 0.02) + len(data) / self.rate  # a little is caught up on, no more
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _quickly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    writer.close()
