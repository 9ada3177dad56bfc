"""The engine behind every warm figure: answers so cheaply that what is measured is the proxy in front of it.

    GET  /health    200, empty
    GET  /small     200, a body of 200 bytes
    POST /upload    swallows the body (Content-Length or chunked) and answers how many bytes it had
    POST /stall     reads the head and then nothing more, and never answers
    GET  /events    an event every two milliseconds, each with the CLOCK_MONOTONIC time (ns) at which it was written

Raw uvloop protocol. It understands exactly what nginx, the gateway and the benchmark's own clients send, without
pipelining; do not put it on a network. Started as a script (`python -P bench/backend.py --port N`), so it imports
nothing from its own package.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path
from typing import cast

import uvloop

SMALL_BODY = b"x" * 199 + b"\n"
SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n" + SMALL_BODY
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
EVENT_INTERVAL = 0.002

# One buffer for all connections: the loop asks for it, reads into it and reports it within one callback, and nothing
# stays in it afterwards. 256 KiB fits in the processor's cache, which is what makes swallowing uploads cheap.
_BUFFER = bytearray(256 * 1024)
_VIEW = memoryview(_BUFFER)


class ChunkCounter:
    """Counts the bytes of a chunked body that comes in pieces. No trailers."""

    def __init__(self) -> None:
        self.total = 0
        self.done = False
        self._left = 0  # of the current chunk, its closing CRLF included
        self._line = b""  # a chunk's size line that is cut by the end of a piece

    def feed(self, data: bytes | bytearray, start: int, end: int) -> None:
        while start < end and not self.done:
            if self._left:
                step = min(self._left, end - start)
                self._left -= step
                start += step
                self.done = not self._left and self._last
                continue
            newline = data.find(b"\n", start, end)
            if newline < 0:
                self._line += data[start:end]
                return
            size = int((self._line + data[start:newline]).split(b";")[0], 16)
            self._line, start = b"", newline + 1
            self.total += size
            self._left = size + 2
            self._last = size == 0

    _last = False


class Connection(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._head = b""
        self._left = 0  # bytes of a body with Content-Length
        self._total = 0
        self._chunks: ChunkCounter | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer:
            self._timer.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return _VIEW

    def buffer_updated(self, nbytes: int) -> None:
        if self._left:
            self._swallow(nbytes)
        elif self._chunks:
            self._swallow_chunks(0, nbytes)
        elif not self._head and _BUFFER.startswith(b"GET /small ") and _BUFFER.endswith(b"\r\n\r\n", 0, nbytes):
            self._transport.write(SMALL)
        else:
            self._head_arrived(nbytes)

    def _swallow(self, nbytes: int) -> None:
        self._left -= nbytes
        if self._left <= 0:
            self._left = 0
            self._answer_count(self._total)

    def _swallow_chunks(self, start: int, end: int) -> None:
        assert self._chunks
        self._chunks.feed(_BUFFER, start, end)
        if self._chunks.done:
            total, self._chunks = self._chunks.total, None
            self._answer_count(total)

    def _answer_count(self, count: int) -> None:
        body = b"%d\n" % count
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    def _head_arrived(self, nbytes: int) -> None:
        before = len(self._head)
        data = self._head + _BUFFER[:nbytes]
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._head = data
            return
        self._head = b""
        self._begin(data[:end], start=end + 4 - before, end=nbytes)

    def _begin(self, head: bytes, start: int, end: int) -> None:
        """Acts on a request's head; its body begins at `start` in the buffer, of which `end` bytes are filled."""
        request_line, *fields = head.split(b"\r\n")
        path = request_line.split(b" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
        if path == b"/small":
            self._transport.write(SMALL)
        elif path == b"/health":
            self._transport.write(EMPTY)
        elif path == b"/events":
            self._transport.write(EVENTS)
            self._emit()
        elif path == b"/stall":
            self._transport.pause_reading()
        elif path == b"/upload" and b"content-length" in headers:
            self._left = self._total = int(headers[b"content-length"])
            self._swallow(end - start)
        elif path == b"/upload":
            self._chunks = ChunkCounter()
            self._swallow_chunks(start, end)
        else:
            self._transport.write(NOT_FOUND)

    def _emit(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVENT_INTERVAL, self._emit)
        event = b"data: %d\n\n" % time.monotonic_ns()
        self._transport.write(b"%x\r\n%s\r\n" % (len(event), event))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid-file", type=Path, required=True, help="where to write the process id")
    options = parser.parse_args()
    options.pid_file.write_text(str(os.getpid()))
    uvloop.run(serve(options.port))


if __name__ == "__main__":
    main()
