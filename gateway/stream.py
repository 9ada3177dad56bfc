"""One side of a connection: reading into one buffer for all, and writing no faster than the other end reads.

A transport that hands over bytes allocates as many as could come (256 KiB) for each read, however small, and the parser
copies what it finds once more. The loop asks for this buffer, reads into it and reports it within one callback, so one
is enough for all; nobody keeps a part of it.
"""

from __future__ import annotations

import asyncio

_BUFFER = memoryview(bytearray(256 * 1024))


class Shares:
    """How much of a body may wait in memory wherever it passes through. The more bodies, the less of each.

    each: bytes. buffer: what is read into, and so the most that can come at once.
    """

    MOST, LEAST = 256 * 1024, 8 * 1024
    TOTAL = 4 * 1024 * 1024
    """Bytes for all of them, as long as that leaves the least to each."""

    def __init__(self) -> None:
        self._sharing: set[object] = set()
        self.each = self.MOST
        self.buffer = _BUFFER

    def join(self, connection: object) -> None:
        """A body is on its way on this connection."""
        self._sharing.add(connection)
        self._divide()

    def leave(self, connection: object) -> None:
        """None is any more; there may have been none."""
        if connection in self._sharing:
            self._sharing.remove(connection)
            self._divide()

    def _divide(self) -> None:
        each = min(self.MOST, max(self.LEAST, self.TOTAL // max(1, len(self._sharing)) // 4096 * 4096))
        if each != self.each:
            self.each = each
            self.buffer = _BUFFER[:each]


shares = Shares()
"""Of the whole process, like the buffer."""


class Stream(asyncio.BufferedProtocol):
    """A protocol whose `data_received` gets a view that is good only until it returns.

    write_blocked: pending while the other end is slower than we are.
    """

    __slots__ = ("__weakref__", "loop", "write_blocked")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.write_blocked: asyncio.Future[None] | None = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the name is asyncio's
        return shares.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(_BUFFER[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        raise NotImplementedError

    def pause_writing(self) -> None:
        self.write_blocked = self.loop.create_future()

    def resume_writing(self) -> None:
        if self.write_blocked is not None:
            self.write_blocked.set_result(None)
            self.write_blocked = None

    async def writable(self) -> None:
        """Wait while the other end is slower. Whoever gives up waiting leaves the others undisturbed."""
        while self.write_blocked is not None:
            await asyncio.shield(self.write_blocked)
