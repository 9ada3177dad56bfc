"""Asks the other end of a quiet connection whether it is still there (RFC 9293 section 3.8.4).

A peer that lost its power, or its place in some router's table, says nothing. Without the question a WebSocket would
hold its engine awake for ever; with it, the connection ends after two minutes.
"""

from __future__ import annotations

import socket

OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence before the first question, seconds between questions, how many may stay unanswered."""


def keep_asking(sock: socket.socket) -> None:
    """Connections that a listening socket accepts inherit this from it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in OPTIONS.items():
        if hasattr(socket, option):  # not everywhere
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
