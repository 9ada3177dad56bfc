"""A request's body on its way from client to engine: one writer, and readers that wait for more.

A small body stays in memory. A larger one goes into a file, all of it, so that a request that waits holds none of its
body in memory; the part that comes in just now is read from memory all the same. Because a new reader begins at the
first byte, a request can be sent again.

Where there is no room (the request's share, everybody's quota, the disk) the writer is held back until somebody reads.
Then the body can no longer be kept whole: the spool is a pipe from there on, what every reader has passed is dropped,
and the request cannot be sent again. Only a full disk is not waited for without end: if for `PATIENCE` nobody reads and
nothing can be written, the request is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

import structlog

from gateway.errors import GatewayError, SpoolFull
from gateway.spool.file import FileClosed, SpoolFile
from gateway.spool.folder import SpoolFolder, reason_of
from gateway.spool.quota import Quota
from gateway.stream import shares

MEMORY = 64 * 1024
"""Bytes of a body that stay in memory; fewer where hundreds of bodies share that."""
SMALL = 4 * 1024
"""Parts smaller than this are joined: each has a cost of its own, and a client may send its body byte by byte."""
PATIENCE = 45.0
"""Seconds a full disk is waited for while nobody reads, and any disk by who reads."""
SLOW = 10.0
"""Seconds after which a reader goes on without a disk that has not written what it was given, and with it all others
until the disk has answered somebody."""
RETRY = 0.25
"""Seconds until a write that failed is tried again."""
TOO_LARGE = "The request was too large to be kept for a second try (gateway.spool.per_request)."
NO_ROOM = "There was no room to keep the request for a second try (gateway.spool.total)."
NO_DISK = "The disk took too little of the request for a second try (gateway.spool.dir)."

Message = dict[str, Any]
Headers = list[tuple[bytes, bytes]]
_log = structlog.get_logger()


class Spool:
    """One request's body.

    replayable: whether a new reader would still get all of it. shortage: why it could not be kept, a sentence; empty if
    it could. per_request: bytes of it that may be on disk. keep: False for a body that need not be read twice; it is a
    pipe as soon as somebody reads.
    """

    def __init__(self, folder: SpoolFolder, quota: Quota, per_request: int, *, keep: bool = True) -> None:
        self.patience = PATIENCE
        self.shortage = ""
        self._folder = folder
        self._quota = quota
        self._per_request = per_request
        self._keep = keep
        self._size = 0
        self._parts: deque[bytes] = deque()  # what is in memory only, from `_base` on
        self._base = 0
        self._on_disk = 0  # bytes from the first on; all before `_base`, unless this is a pipe that has dropped some
        self._file: SpoolFile | None = None
        self._piping = False
        self._ended = False
        self._closed = False
        self._trailers: Headers = []
        self._readers: dict[Reader, None] = {}
        self._changed: dict[asyncio.Future[None], None] = {}  # who waits for something to happen here

    def __repr__(self) -> str:
        where = "pipe" if self._piping else "file" if self._file else "memory"
        return f"<Spool {self._size} bytes in {where}{' ended' * self._ended}{' closed' * self._closed}>"

    @property
    def replayable(self) -> bool:
        return not (self._piping or self._closed)

    @property
    def in_memory(self) -> int:
        """Bytes of the body that memory holds."""
        return self._size - self._base

    @property
    def _memory(self) -> int:
        """Bytes that may stay in memory: a thousand bodies on their way to the disk would be 64 MiB all the same."""
        return min(MEMORY, shares.each)

    # The writer

    async def append(self, data: bytes, *, end: Headers | None = None) -> None:
        """More of the body. Returns when there is room for what follows. Raises SpoolFull.

        end: the trailers, if nothing follows; readers know it at once. Cancelled, it has taken this part all the same.
        """
        if end is not None:
            self._ended = True
            self._trailers = end
        if self._closed:
            return
        if not data:
            self._happened()
            return
        if self._parts and len(self._parts[-1]) + len(data) <= SMALL:
            self._parts[-1] += data
        else:
            self._parts.append(data)
        self._size += len(data)
        self._happened()
        if self._file is None and self.in_memory <= self._memory:
            return
        await self._make_room()

    def close(self) -> None:
        """Free everything, whatever is under way."""
        self._closed = True
        self._parts.clear()
        self._base = self._size
        self._close_file()
        self._happened()

    def settle(self) -> None:
        """Nobody will read it from its beginning again: it is a pipe from now on."""
        self._piping = True
        self._drop()

    async def _make_room(self) -> None:
        while self.in_memory and not self._closed:
            if not self._piping and not await self._store():
                self.settle()
            if self._piping:
                if self.in_memory <= self._memory:
                    return
                await self._change()

    async def _store(self) -> bool:
        """Write all that is in memory to disk. False: there is no room, and a reader is under way. Raises SpoolFull."""
        parts, size = list(self._parts), self.in_memory
        if not await self._borrow(size):
            return False
        stored = False
        try:
            stored = await self._write(parts, size)
        finally:
            if not stored:
                self._quota.give(size)
        return stored or self._closed

    async def _borrow(self, size: int) -> bool:
        """Wait until so many bytes may go to disk. False: a reader comes first."""
        if self._base + size > self._per_request:
            while not (self._readers or self._closed):
                await self._change()
            self.shortage = TOO_LARGE
            return False
        if self._quota.take(size, read=bool(self._readers)):
            return True
        asked = self._quota.ask(size)
        asked.add_done_callback(lambda _: self._happened())
        lent = False
        try:
            while not (asked.done() or self._readers or self._closed):
                await self._change()
            lent = asked.done() and not self._closed
        finally:
            if not lent:
                self._quota.withdraw(size, asked)
        if not lent and not (self._readers and self._quota.take(size, read=True)):
            self.shortage = NO_ROOM
            return False
        return True

    async def _write(self, parts: list[bytes], size: int) -> bool:
        """Whether it is on disk. Tries until a reader is under way, or for a while. Raises SpoolFull."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                async with self._folder.disk.answers_within(SLOW):
                    return await self._written(parts, size)
            except OSError as error:
                self._folder.could_not_write(error)
                if self._readers or self._closed:
                    self.shortage = NO_DISK
                    return False
                hangs = isinstance(error, TimeoutError)  # or has much to do; to be held back harms nobody
                if not hangs and self._gives_up(waited=loop.time() - began):
                    raise SpoolFull("The disk for request bodies is full.", retry_after=30) from error
                await self._change(RETRY)

    def _gives_up(self, waited: float) -> bool:
        """One at a time, so that those who have waited as long get what room that makes; but not for ever."""
        return waited >= 2 * self.patience or (waited >= self.patience and self._folder.lets_give_up())

    async def _written(self, parts: list[bytes], size: int) -> bool:
        """False: while it was being written the spool became a pipe, or was closed. Raises OSError."""
        if not self._keeps():
            return False
        if self._file is None:
            file = await self._folder.open(self._freed)
            if not self._keeps():
                file.close()
                return False
            self._file = file
        with contextlib.suppress(FileClosed):
            await self._file.write(parts, self._on_disk)
            if self._keeps():
                self._on_disk += size
                self._base += size
                self._parts.clear()
                return True
        return False

    def _keeps(self) -> bool:
        """Whether what is written to disk will be read from there."""
        return not (self._closed or self._piping)

    def _freed(self) -> None:
        self._quota.give(self._on_disk)

    # Readers

    def reader(self) -> Reader:
        """A new one, at the first byte. Only while the spool is replayable, or if there was none yet."""
        return Reader(self)

    def began(self, reader: Reader) -> None:
        """The reader has asked for something."""
        if reader not in self._readers:
            self._readers[reader] = None
            if self._keep:
                self._happened()  # the writer may be waiting for this
            else:
                self.settle()

    def ended(self, reader: Reader) -> None:
        """The reader will not ask again."""
        self._readers.pop(reader, None)
        if self._piping:
            self._drop()

    def passed(self) -> None:
        """A reader has come further."""
        if self._piping:
            self._drop()

    async def after(self, at: int) -> tuple[bytes, bool] | None:
        """Some of what follows the first `at` bytes, and whether more may follow. None: the spool is closed.

        Waits for the writer. Raises GatewayError if the disk has failed.
        """
        while not self._closed:
            if at < self._size:
                data = await self._from_disk(at) if at < self._on_disk else self._from_memory(at)
                if data:
                    return data, not (self._ended and at + len(data) == self._size)
            elif self._ended:
                return b"", False
            else:
                await self._change()
        return None

    @property
    def trailers(self) -> Headers:
        """Complete when the body is."""
        return self._trailers

    async def _from_disk(self, at: int) -> bytes:
        """Empty if the file was closed meanwhile."""
        assert self._file is not None, "a reader was let fall behind what is kept"
        try:
            data = await self._file.read(min(shares.each, self._on_disk - at), at, within=self.patience)
        except FileClosed:
            return b""
        except OSError as error:
            _log.error("spool.not_read", folder=str(self._folder.path), reason=reason_of(error))
            raise GatewayError("The gateway could not read the request's body back from its disk.") from error
        assert data, "a spool's file has become shorter"
        return data

    def _from_memory(self, at: int) -> bytes:
        begin = self._base
        assert at >= begin, "a reader was let fall behind what is kept"
        for part in self._parts:
            if at < begin + len(part):
                most = shares.each
                return part if at == begin and len(part) <= most else part[at - begin : at - begin + most]
            begin += len(part)
        raise AssertionError("the parts do not add up to the size")

    def _drop(self) -> None:
        """Forget what every reader of this pipe has passed."""
        passed = min((reader.at for reader in self._readers), default=0)
        if passed >= self._on_disk:
            self._close_file()
        while self._parts and self._base + len(self._parts[0]) <= passed:
            self._base += len(self._parts.popleft())
        self._happened()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    # Waiting for each other

    def _happened(self) -> None:
        for waiting in self._changed:
            if not waiting.done():
                waiting.set_result(None)

    async def _change(self, within: float | None = None) -> None:
        """Wait until something has happened here, or for so many seconds."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed[waiting] = None
        try:
            async with asyncio.timeout(within):
                await waiting
        except TimeoutError:
            pass
        finally:
            del self._changed[waiting]


class Reader:
    """Reads a spool from its first byte. `receive` is ASGI's; `close` it when it is not wanted any more.

    at: bytes that it has had.
    """

    __slots__ = ("_spool", "at")

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.at = 0

    async def receive(self) -> Message:
        """The next part of the body; cancelled, it will come the next time. Raises what `Spool.after` raises."""
        self._spool.began(self)
        found = await self._spool.after(self.at)
        if found is None:
            return {"type": "http.disconnect"}
        data, more = found
        self.at += len(data)
        self._spool.passed()
        return {"type": "http.request", "body": data, "more_body": more, "trailers": self._spool.trailers}

    def close(self) -> None:
        """The spool need not wait for this reader any more."""
        self._spool.ended(self)
