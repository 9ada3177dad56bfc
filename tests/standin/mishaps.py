"""Everything that can go wrong with an engine, on request. Only the standard library."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from wire import Exchange, head_of_answer

EXIT_CODE = 7
"""What the process exits with when it was asked to die."""


STALLED: list[Exchange] = []
"""Nothing else holds a connection that is not read, nor its task: they would be collected, and closed."""


async def die(exchange: Exchange) -> None:
    """GET /die?when=before|upload|head|body&framing=length|chunked: exit without a word, or in the middle of an answer.

    `before`: on the request's head. `upload`: once the request's body is there. `head`: after the answer's head.
    `body`: in the middle of the answer's body. Otherwise the same as /reset.
    """
    await _break_off(exchange)
    os._exit(EXIT_CODE)


async def reset(exchange: Exchange) -> None:
    """GET /reset?when=before|upload|head|body&framing=length|chunked: the connection ends with a TCP reset."""
    await _break_off(exchange)
    raw = exchange.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.writer.transport.abort()


async def cut(exchange: Exchange) -> None:
    """GET /cut?when=before|upload|head|body&framing=length|chunked: an orderly close, too early."""
    await _break_off(exchange)
    exchange.writer.close()


async def _break_off(exchange: Exchange) -> None:
    """Gets as far into an answer as `when` says."""
    when = exchange.head.query.get("when", "before")
    if when == "upload":
        async for _ in exchange.body():
            pass
    if when in ("head", "body"):
        chunked = exchange.head.query.get("framing") == "chunked"
        await exchange.begin(200, [("Content-Type", "text/plain")], length=None if chunked else 1000)
        if when == "body":
            await exchange.piece(b"x" * 500)
    exchange.keep_alive = False


async def garbage(exchange: Exchange) -> None:
    """GET /garbage: bytes that are not HTTP."""
    exchange.keep_alive = False
    await exchange.send(b"\x00\x01\x02 this is not HTTP\r\n\r\n")


async def huge_head(exchange: Exchange) -> None:
    """GET /huge-head?bytes=: an answer whose head is larger than anybody allows (1 MiB unless told)."""
    exchange.keep_alive = False
    size = exchange.head.number("bytes", 1024 * 1024)
    await exchange.send(head_of_answer(200, [("X-Huge", "x" * size), ("Content-Length", "2")]) + b"ok")


async def both_lengths(exchange: Exchange) -> None:
    """GET /both-lengths: an answer with Content-Length and Transfer-Encoding, which nobody may forward."""
    exchange.keep_alive = False
    lines = [("Content-Length", "3"), ("Transfer-Encoding", "chunked")]
    await exchange.send(head_of_answer(200, lines) + b"5\r\nhello\r\n0\r\n\r\n")


async def early(exchange: Exchange) -> None:
    """POST /early: 413 at once. The upload is never read; the connection closes when the client does, or after 1 s."""
    exchange.keep_alive = False
    await exchange.json({"error": "too large"}, status=413)
    await exchange.rest(1)
    exchange.writer.transport.abort()


async def stall(exchange: Exchange) -> None:
    """POST /stall: the body is never read and nothing is answered, for ever."""
    exchange.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport reads
    STALLED.append(exchange)
    await asyncio.Event().wait()
