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

    closing: a close frame has begun.
    """

    __slots__ = ("_head", "_payload", "closing")

    def __init__(self) -> None:
        self._head = b""  # of the next frame, as far as it is here
        self._payload = 0  # bytes of the current frame still to come
        self.closing = False

    @property
    def at_boundary(self) -> bool:
        """Between two frames."""
        return not self._head and self._payload == 0

    def feed(self, data: bytes) -> None:
        if self._head:
            data = self._head + data
        at, size = self._payload, len(data)
        while at + 2 <= size:  # at: where a frame begins
            length = data[at + 1] & 0x7F
            begin = at + (6 if data[at + 1] & 0x80 else 2)  # of its payload, behind the mask
            if length == 126:
                begin += 2
                length = int.from_bytes(data[at + 2 : at + 4])
            elif length == 127:
                begin += 8
                length = int.from_bytes(data[at + 2 : at + 10])
            if begin > size:
                break
            if data[at] & 0x0F == _CLOSE:
                self.closing = True
            at = begin + length
        self._head = data[at:]
        self._payload = max(0, at - size)


def close_frame(code: int, reason: str = "") -> bytes:
    """A server's close frame (unmasked). reason: at most 123 bytes in UTF-8."""
    payload = struct.pack("!H", code) + reason.encode()[:123].decode(errors="ignore").encode()
    return bytes([0x80 | _CLOSE, len(payload)]) + payload
