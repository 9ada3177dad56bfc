"""Reads sockets into one buffer for all connections.

A transport that hands over bytes allocates as many as could come (256 KiB) for each read, however small, and the parser
copies what it finds once more. The loop asks for this buffer, reads into it and reports it within one callback, so one
is enough for all; nobody keeps a part of it.
"""

from __future__ import annotations

import asyncio

_BUFFER = memoryview(bytearray(256 * 1024))


class Reading(asyncio.BufferedProtocol):
    """A protocol whose `data_received` gets a view that is good only until it returns."""

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the name is asyncio's
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(_BUFFER[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        raise NotImplementedError
