"""An engine without manners: `python rude.py PORT KIND`. Only the standard library.

KIND is `rude`: /health is well, and what else it is asked for says how it misbehaves; see RUDE. Or `mute`: it accepts
connections and says nothing. Or `unready`: it never is. Or `flapping`: it is well, and dies 0.3 s after it has begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

MB = 1024 * 1024
ENORMOUS = 100 * MB
PIECE = bytes(64 * 1024).replace(b"\0", b"x")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


async def silence(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)  # which the loop's clock holds on to: for an event nobody does, and its task is collected


async def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\0\1\2 no HTTP at all\r\n\r\n")


async def enormous(writer: asyncio.StreamWriter, before: bytes) -> None:
    writer.write(before)
    for _ in range(ENORMOUS // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()


async def head(writer: asyncio.StreamWriter) -> None:
    await enormous(writer, HEAD + b"X-Enormous: ")


async def heads(writer: asyncio.StreamWriter) -> None:
    """Of many small fields."""
    writer.write(HEAD)
    for _ in range(ENORMOUS // 65536):
        writer.write(b"X-Field: value\r\n" * 4096)
        await writer.drain()


async def trailer(writer: asyncio.StreamWriter) -> None:
    await enormous(writer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Enormous: ")


async def chunk_line(writer: asyncio.StreamWriter) -> None:
    await enormous(writer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n5;")


async def informational(writer: asyncio.StreamWriter) -> None:
    for _ in range(ENORMOUS // 65536):
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 2500)
        await writer.drain()


async def slow_head(writer: asyncio.StreamWriter) -> None:
    """A proper beginning, and then a byte now and then."""
    writer.write(HEAD + b"X-Slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def cut_length(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n" + PIECE)


async def cut_chunked(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n" + PIECE + b"\r\n")


async def reset(writer: asyncio.StreamWriter) -> None:
    """In the middle of the answer."""
    await cut_length(writer)
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def two_lengths(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!")


async def nothing(_: asyncio.StreamWriter) -> None:
    pass


RUDE: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    "silence": silence,
    "garbage": garbage,
    "head": head,
    "heads": heads,
    "trailer": trailer,
    "chunk-line": chunk_line,
    "informational": informational,
    "slow-head": slow_head,
    "cut-length": cut_length,
    "cut-chunked": cut_chunked,
    "reset": reset,
    "two-lengths": two_lengths,
    "nothing": nothing,
}


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            if kind == "mute":
                await silence(writer)
            target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            if kind == "unready":
                writer.write(b"HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n")
            elif kind == "flapping" and target != "/health":
                await silence(writer)
            elif target in ("/health", "/well"):
                writer.write(OK)
            else:
                await RUDE[target.removeprefix("/")](writer)
                await writer.drain()
                break
    writer.close()


async def main() -> None:
    port, kind = int(sys.argv[1]), sys.argv[2]
    if kind == "flapping":
        asyncio.get_running_loop().call_later(0.3, os._exit, 1)
    server = await asyncio.start_server(lambda r, w: converse(r, w, kind), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
