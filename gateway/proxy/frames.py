"""Follows the frames of a WebSocket without touching them. Pure.

A tunnel carries bytes; the one thing it must know is where a frame ends, so that a close frame can be put there when
the engine dies or the gateway stops, and the client learns that this was not a normal end (RFC 6455 sections 5.2, 7.4).
"""

from __future__ import annotations

import struct

GOING_AWAY, INTERNAL_ERROR, SERVICE_RESTART = 1001, 1011, 1012
_CLOSE = 0x8


class FrameTracker:
    """Fed with everything one side sends.

    at_boundary: between two frames. closing: a close frame has begun.
    """

    __slots__ = ("_head", "_payload", "closing")

    def __init__(self) -> None:
        self._head = bytearray()
        self._payload = 0  # bytes of the current frame still to come
        self.closing = False

    @property
    def at_boundary(self) -> bool:
        return not self._head and self._payload == 0

    def feed(self, data: bytes) -> None:
        position, end = 0, len(data)
        while position < end:
            if self._payload:
                step = min(self._payload, end - position)
                self._payload -= step
                position += step
                continue
            need = self._head_length() - len(self._head)
            self._head += data[position : position + need]
            position += need
            if len(self._head) == self._head_length():
                self._begin_frame()

    def _head_length(self) -> int:
        if len(self._head) < 2:
            return 2
        length = self._head[1] & 0x7F
        return 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if self._head[1] & 0x80 else 0)

    def _begin_frame(self) -> None:
        head = self._head
        length = head[1] & 0x7F
        if length == 126:
            (length,) = struct.unpack_from("!H", head, 2)
        elif length == 127:
            (length,) = struct.unpack_from("!Q", head, 2)
        if head[0] & 0x0F == _CLOSE:
            self.closing = True
        self._payload = length
        self._head = bytearray()


def close_frame(code: int, reason: str = "") -> bytes:
    """A server's close frame (unmasked). reason: at most 123 bytes in UTF-8."""
    payload = struct.pack("!H", code) + reason.encode()[:123].decode(errors="ignore").encode()
    return bytes([0x80 | _CLOSE, len(payload)]) + payload
