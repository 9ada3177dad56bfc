"""HTTP/1.1 as the stand-in speaks it: heads, bodies and answers on asyncio streams. Only the standard library.

It is deliberately plain: what arrives is shown as it came, so that tests see exactly what the gateway sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

HEAD_LIMIT = 1024 * 1024
PIECE = 256 * 1024
"""Most bytes of a body that are taken or sent at a time."""

PHRASES = {int(status): status.phrase for status in HTTPStatus}

Pairs = Iterable[tuple[str, str]]


class BadFramingError(Exception):
    """The gateway let something through that is not HTTP."""


@dataclass
class Head:
    """A request's head, as it came."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def number(self, name: str, default: int) -> int:
        return int(self.query.get(name, default))

    @property
    def chunked(self) -> bool:
        return "chunked" in self.get("transfer-encoding").lower()

    @property
    def keeps_alive(self) -> bool:
        wish = self.get("connection").lower()
        return "keep-alive" in wish if self.version == "HTTP/1.0" else "close" not in wish


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next request's head, or None when the client has finished."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadFramingError("the head breaks off") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadFramingError("the head is too large") from error
    first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise BadFramingError(f"not a request line: {first!r}")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Head(words[0], words[1], words[2], headers)


class Exchange:
    """One request and its answer."""

    def __init__(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer
        self.trailers: list[tuple[str, str]] = []
        self.keep_alive = head.keeps_alive
        self.body_left = head.chunked or int(head.get("content-length") or 0) > 0
        self._answer_chunked = False

    # the request

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body, piece by piece as it arrives."""
        if not self.body_left:
            return
        if self.head.get("expect").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        pieces = self._chunks() if self.head.chunked else self._counted(int(self.head.get("content-length")))
        async for piece in pieces:
            yield piece
        self.body_left = False

    async def _counted(self, left: int) -> AsyncIterator[bytes]:
        while left:
            piece = await self.reader.read(min(left, PIECE))
            if not piece:
                raise ConnectionResetError("the client left during its body")
            left -= len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int((await self._line()).split(b";")[0], 16):
            async for piece in self._counted(size):
                yield piece
            await self.reader.readexactly(2)
        while line := await self._line():
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers.append((name, value.strip()))

    async def _line(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n"))[:-2]

    # the answer

    async def send(self, data: bytes) -> None:
        """Bytes as they are; waits while the client is slow."""
        self.writer.write(data)
        await self.writer.drain()

    async def begin(self, status: int, headers: Pairs = (), length: int | None = None) -> None:
        """The answer's head. Without a length the body is chunked, or ends with the connection for HTTP/1.0."""
        lines = [*headers]
        if length is not None:
            lines.append(("Content-Length", str(length)))
        elif self.head.version == "HTTP/1.1":
            self._answer_chunked = True
            lines.append(("Transfer-Encoding", "chunked"))
        else:
            self.keep_alive = False
        if not self.keep_alive:
            lines.append(("Connection", "close"))
        await self.send(head_of_answer(status, lines))

    async def piece(self, data: bytes) -> None:
        if self.head.method == "HEAD" or not data:
            return
        await self.send(b"%x\r\n%b\r\n" % (len(data), data) if self._answer_chunked else data)

    async def end(self, trailers: Pairs = ()) -> None:
        if self._answer_chunked and self.head.method != "HEAD":
            await self.send(b"0\r\n" + b"".join(_line(pair) for pair in trailers) + b"\r\n")

    async def answer(self, status: int, body: bytes, headers: Pairs = ()) -> None:
        """A whole answer in one write."""
        lines = [*headers, ("Content-Length", str(len(body)))]
        if not self.keep_alive:
            lines.append(("Connection", "close"))
        await self.send(head_of_answer(status, lines) + (b"" if self.head.method == "HEAD" else body))

    async def json(self, value: object, status: int = 200) -> None:
        await self.answer(status, json.dumps(value).encode(), [("Content-Type", "application/json")])

    async def rest(self, seconds: float) -> None:
        """Sleep; raises ConnectionResetError as soon as the client has left."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            if self.reader.at_eof() or self.writer.is_closing():
                raise ConnectionResetError("the client left")
            await asyncio.sleep(min(left, 0.01))


def head_of_answer(status: int, headers: Pairs) -> bytes:
    phrase = PHRASES.get(status, "")
    return f"HTTP/1.1 {status} {phrase}\r\n".encode() + b"".join(_line(pair) for pair in headers) + b"\r\n"


def _line(pair: tuple[str, str]) -> bytes:
    return f"{pair[0]}: {pair[1]}\r\n".encode("latin-1")


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
