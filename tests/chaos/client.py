"""A client that always knows how its request ended: answered as a whole, cut, reset, refused, or not at all.

It sends bodies of any size in either framing, as slowly as it is told, reads the answer meanwhile, and never takes a
part of an answer for all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self

from tests.chaos.bodies import PIECE, Body

KEPT = 64 * 1024
"""Bytes of an answer's body that are kept to look at."""


class Ending(Enum):
    """How a request ended for its client."""

    WHOLE = "whole"
    CUT = "cut"
    """The answer had begun, and the connection ended in order before it was complete."""
    RESET = "reset"
    """The answer had begun, and the connection was reset."""
    SILENT = "silent"
    """The connection ended before a byte of an answer."""
    REFUSED = "refused"
    """No connection could be made."""
    LATE = "late"
    """Nothing of this within the client's patience."""


@dataclass(slots=True)
class Told:
    """What the client was told. size, sha256: of the whole body. body: its beginning. took: seconds."""

    ending: Ending = Ending.SILENT
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    size: int = 0
    sha256: str = ""
    took: float = 0.0
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def ok(self) -> bool:
        return self.ending is Ending.WHOLE and self.status == 200

    @property
    def code(self) -> str | None:
        """The gateway's error code, if this is an error of its own."""
        if self.ending is not Ending.WHOLE or "json" not in (self.get("content-type") or ""):
            return None
        answer = json.loads(self.body)
        return answer.get("code") if isinstance(answer, dict) else None

    def json(self) -> Any:
        return json.loads(self.body)

    def has_summed(self, body: Body) -> bool:
        """Whether this is the right answer of the stand-in's /sum to this body."""
        return self.ok and self.json()["bytes"] == body.size and self.json()["sha256"] == body.sha256

    def __str__(self) -> str:
        return f"{self.ending.value} {self.status} {self.code or ''}".strip()


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks. rate: bytes per second that the body is sent at; None: as fast as it goes."""

    target: str
    body: Body | None = None
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    rate: float | None = None

    @property
    def verb(self) -> str:
        return self.method or ("POST" if self.body else "GET")

    def head(self, hostname: str) -> bytes:
        lines = [f"{self.verb} {self.target} HTTP/1.1", f"Host: {hostname}", *(f"{n}: {v}" for n, v in self.headers)]
        if self.body is not None:
            lines.append("Transfer-Encoding: chunked" if self.body.chunked else f"Content-Length: {self.body.size}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Client:
    """One connection at a time, kept as long as the server keeps it.

    patience: seconds until a request is given up as late.
    """

    def __init__(self, port: int, hostname: str, *, address: str = "127.0.0.1", patience: float = 60.0) -> None:
        self._port = port
        self._hostname = hostname
        self._address = address
        self._patience = patience
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """What is not sent yet, of a body that was answered before its end, is never sent: nobody waits for it."""
        if self._reader is not None:
            transport = self._writer.transport
            transport.abort() if transport.get_write_buffer_size() else transport.close()
            self._reader = None

    def leave(self) -> None:
        """Go without a word, in the middle of whatever is under way."""
        if self._reader is not None:
            self._writer.transport.abort()
            self._reader = None

    async def ask(self, target: str, **details: Any) -> Told:
        """One request and its answer. details: those of a `Question`."""
        question = Question(target, **details)
        told = Told()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                await self._converse(told, question)
        except TimeoutError:
            told.ending = Ending.LATE
        except ConnectionRefusedError:
            told.ending = Ending.REFUSED
        except ConnectionError:
            told.ending = Ending.RESET if told.status else Ending.SILENT
        except asyncio.IncompleteReadError:
            told.ending = Ending.CUT if told.status else Ending.SILENT
        except asyncio.CancelledError:
            self.leave()
            raise
        if told.ending is not Ending.WHOLE or (told.get("connection") or "").lower() == "close":
            self.leave() if told.ending is Ending.LATE else self.close()
        told.took = time.monotonic() - began
        return told

    async def _converse(self, told: Told, question: Question) -> None:
        if self._reader is not None and (self._reader.at_eof() or self._writer.is_closing()):
            self.close()  # the server ended it between two questions
        if self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self._address, self._port, limit=KEPT)
        self._writer.write(question.head(self._hostname))
        if question.body is None:
            await self._answer(told, question.verb)
            return
        upload = asyncio.get_running_loop().create_task(self._upload(question.body, question.rate))
        try:
            await self._answer(told, question.verb)
        finally:
            unfinished = not upload.done()
            upload.cancel()
            await asyncio.wait({upload})
        if unfinished:  # it was answered early: what would come next on this connection is the rest of the body
            self.close()

    async def _upload(self, body: Body, rate: float | None) -> None:
        writer = self._writer
        pieces = body.pieces(PIECE if rate is None else max(1, min(PIECE, int(rate / 20))))
        due = time.monotonic()
        with contextlib.suppress(ConnectionError):  # what the answer's side sees of it is what counts
            for piece in pieces:
                if rate is not None:
                    due += len(piece) / rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                writer.writelines([b"%x\r\n" % len(piece), piece, b"\r\n"] if body.chunked else [piece])
                await writer.drain()
            if body.chunked:
                writer.write(b"0\r\n\r\n")
            await writer.drain()

    # the answer

    async def _answer(self, told: Told, method: str) -> None:
        await self._head(told)
        while told.status < 200:
            await self._head(told)
        length = told.get("content-length")
        digest = hashlib.sha256()
        if method == "HEAD" or told.status in (204, 304):
            pass
        elif told.get("transfer-encoding") == "chunked":
            while size := int(await self._line(), 16):
                await self._take(told, size, digest)
                if await self._line():
                    raise AssertionError("a chunk is longer than it says")
            told.trailers = await self._fields()
        elif length is not None:
            await self._take(told, int(length), digest)
        else:
            while await self._take(told, None, digest):
                pass
        told.sha256 = digest.hexdigest()
        told.ending = Ending.WHOLE

    async def _head(self, told: Told) -> None:
        first = await self._line()
        version, _, rest = first.partition(" ")
        if version != "HTTP/1.1":
            raise AssertionError(f"this is not HTTP/1.1: {first!r}")
        headers = await self._fields()
        told.status, told.headers = int(rest[:3]), headers

    async def _fields(self) -> list[tuple[str, str]]:
        found = []
        while line := await self._line():
            name, _, value = line.partition(":")
            found.append((name.lower(), value.strip()))
        return found

    async def _line(self) -> str:
        assert self._reader is not None
        return (await self._reader.readuntil(b"\r\n"))[:-2].decode("latin-1")

    async def _take(self, told: Told, size: int | None, digest: Any) -> bool:
        """So many bytes of the body, or as many as are here. False at an end that may come at any time."""
        assert self._reader is not None
        left = size
        while left is None or left:
            piece = await self._reader.read(PIECE if left is None else min(left, PIECE))
            if not piece:
                if left is None:
                    return False
                raise asyncio.IncompleteReadError(b"", left)
            digest.update(piece)
            told.size += len(piece)
            if len(told.body) < KEPT:
                told.body += piece[: KEPT - len(told.body)]
            if left is None:
                return True
            left -= len(piece)
        return True
