"""The way out of a connection: writing no faster than the client reads, and an end that cannot be misunderstood."""

from __future__ import annotations

import asyncio
import math
import socket
import struct

from gateway.server.limits import LINGER, STALL
from gateway.stream import Stream

_RESET = struct.pack("ii", 1, 0)


class Outgoing(Stream):
    """What a connection writes, and how it ends."""

    __slots__ = ("_blocked_since", "_closing", "_taken_at", "_transport", "_unsent")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._transport: asyncio.Transport
        self._closing = False
        self._blocked_since = 0.0
        self._unsent = math.inf  # bytes that the client has yet to take while the connection is closing
        self._taken_at = 0.0  # when they last became fewer

    def pause_writing(self) -> None:
        super().pause_writing()
        self._blocked_since = self.loop.time()

    def write(self, data: bytes) -> None:
        if not self._closing:
            self._transport.write(data)

    def writelines(self, parts: list[bytes]) -> None:
        if not self._closing:
            self._transport.writelines(parts)

    def _is_not_read(self, now: float) -> bool:
        """Whether the client takes nothing of what we write, and has not for too long.

        Closing waits for it as well: without this, for ever.
        """
        if not self._closing:
            return self.write_blocked is not None and now > self._blocked_since + STALL
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent, self._taken_at = unsent, now
        return now > self._taken_at + LINGER

    def _close(self) -> None:
        """End the connection when the client has taken what is written."""
        self._closing = True
        self._transport.close()

    def _break_off(self, *, in_body: bool) -> None:
        """End the connection now; what the client has not taken is lost.

        in_body: in the middle of a body that is over when the connection is. Then, and when something is lost, an end
        in order would make half an answer look whole: the client gets a TCP reset.
        """
        self._closing = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None and (in_body or self._transport.get_write_buffer_size()):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
