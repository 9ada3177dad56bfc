"""One HTTP/1.1 connection to an engine, on httptools. Streams both ways with backpressure.

Ready-made clients cost ten to a hundred times as much per request (bench/ has the figures), and hide what a gateway
must pass on: 1xx, trailers, upgrades, and whether the engine had said anything when its connection broke.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

import httptools

from gateway.runtimes.base import Address
from gateway.stream import Stream

Headers = list[tuple[bytes, bytes]]

HIGH_WATER = 256 * 1024
"""Bytes that may wait in memory, each way, before the sender is held back."""
LARGE = 64 * 1024
MOST_INFORMATIONAL = 32
MOST_LENGTH_DIGITS = 20
"""Of 64 bits; zeros before them count. Python reads no number of more than 4300."""


class Broke(Exception):
    """The engine's connection ended, or stopped making sense, before its answer was complete.

    heard: whether any byte of an answer had come. late: it took too long to begin. died: the connection ended, as it
    does when the engine does; otherwise the engine is alive and answers wrongly, or not at all.
    """

    def __init__(self, reason: str, *, heard: bool, late: bool = False, died: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.heard = heard
        self.late = late
        self.died = died


@dataclass(slots=True)
class Answer:
    """Head of an engine's answer. Header names in lower case, in the order they came."""

    status: int
    headers: Headers = field(default_factory=list)


class Keeper(Protocol):
    """Who takes a connection back when its exchange is over. head_limit: bytes an answer's head may have."""

    head_limit: int

    def keep(self, upstream: Upstream, *, spare: bool = False) -> None: ...
    def forget(self, upstream: Upstream) -> None: ...


class Upstream(Stream):
    """One connection to an engine. `begin`, write the request, `answer`, `read` to the end, and give it back.

    listener: called, instead of anyone waiting, when bytes have come or the connection has ended.
    """

    __slots__ = (
        "_answer", "_answer_due", "_body", "_broke", "_head_bytes", "_headers", "_heard", "_held", "_high_water",
        "_idle", "_in_head", "_informational", "_keep_alive", "_lost", "_method", "_parser", "_paused", "_pool",
        "_timer", "_transport", "_until_close", "_upgraded", "_waiter", "address", "complete", "idle_since",
        "listener", "trailers",
    )  # fmt: skip

    def __init__(self, pool: Keeper, address: Address) -> None:
        super().__init__(asyncio.get_running_loop())
        self.address = address
        self.idle_since = 0.0
        self.listener: Callable[[], None] | None = None
        self.trailers: Headers = []
        self.complete = False
        self._pool = pool
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._idle = True
        self._lost = False
        self._paused = False
        self._high_water = HIGH_WATER
        self._method = "GET"
        self._timer: asyncio.TimerHandle | None = None
        self._body: deque[bytes] = deque()
        self._informational: deque[Answer] = deque()
        self._reset()

    def _reset(self) -> None:
        """Between two exchanges; a connection that is used again has nothing left in its queues."""
        self.trailers = []
        self.complete = False
        self._answer: Answer | None = None
        self._headers: Headers = []
        self._in_head = True
        self._head_bytes = 0
        self._heard = False
        self._until_close = False
        self._keep_alive = False
        self._upgraded = False
        self._held = 0
        self._broke: Callable[[], Broke] | None = None  # not one itself: what is raised refers to all it passed
        self._waiter: asyncio.Future[None] | None = None
        self._answer_due: float | None = None

    # Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        del self._parser  # it refers to us: else both would lie about until the collector comes
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        if self._idle:
            self._pool.forget(self)
        elif self._answer is not None and (self._until_close or self._upgraded) and exc is None:
            self.complete = True
        elif not self.complete:
            self._break("closed the connection" if exc is None else "reset the connection", died=True)
        self._wake()
        if self.listener is not None:
            self.listener()

    def data_received(self, data: bytes | memoryview) -> None:
        self._take_in(data)
        self._wake()
        if self.listener is not None:
            self.listener()

    def _take_in(self, data: bytes | memoryview) -> None:
        if self._idle or self._broke:
            self.close()  # nobody asked
            return
        self._heard = True
        if self._upgraded:
            self._feed(bytes(data))
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(bytes(data[upgrade.args[0] :]))
            return
        except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
            if not self.complete:
                self._break(f"sent something that is not HTTP/1.1 ({error.__context__ or error})")
            self.close()
            return
        if self._head_bytes > self._pool.head_limit and not self.complete:
            what = "a head" if self._in_head else "trailers"
            self._break(f"sent {what} larger than {self._pool.head_limit} bytes")
            self.close()

    def _switch(self, rest: bytes) -> None:
        """The parser stopped at a 101. One behind a whole answer is an answer to nothing, and no part of the first."""
        if not self._upgraded:
            self.close()
        elif rest:
            self._feed(rest)

    # Parser callbacks

    def on_message_begin(self) -> None:
        if self.complete:  # a second answer to one request: this connection cannot be trusted any more
            self._keep_alive = False
        elif self._answer is None:
            self._headers = []
            self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._headers.append((name.lower(), value))
        elif not self.complete and len(self.trailers) < 32:
            self.trailers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self._in_head = False
        status = self._parser.get_status_code()
        if status < 100:
            raise ValueError(f"status {status}")
        answer = Answer(status, self._headers)
        limit = self._pool.head_limit  # the sum is only needed when the bytes at hand could hold a head so large
        if self._head_bytes > limit and sum([len(n) + len(v) + 4 for n, v in self._headers]) > limit:
            self._break(f"sent a head larger than {limit} bytes")
            raise ValueError
        if 100 <= status < 200 and status != 101:
            self._hear_informational(answer)
            return
        self._keep_alive = self._parser.should_keep_alive()
        self._upgraded = status == 101
        self._note_framing(answer)
        self._answer = answer
        self._answer_due = None

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0  # only what comes without end between two parts of a body is too much: it is trailers
        if self._answer is not None and not self.complete:  # a 1xx that claims to have a body has none
            self._feed(body)

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._upgraded:
            self.complete = True

    def _hear_informational(self, answer: Answer) -> None:
        if len(self._informational) >= MOST_INFORMATIONAL:
            raise ValueError("too many informational answers")
        if answer.status != 100:  # 100 was the gateway's own to say
            self._informational.append(answer)

    def _note_framing(self, answer: Answer) -> None:
        framed = answer.status in (101, 204, 304) or self._method == "HEAD"
        chunked = False
        for name, value in answer.headers:
            if name == b"content-length":
                if len(value) > MOST_LENGTH_DIGITS:
                    raise ValueError("a length with more digits than any has")
                framed = True
            elif name == b"transfer-encoding":
                if chunked or value.strip().lower() != b"chunked":
                    raise ValueError("a transfer coding other than chunked, or more than one")
                framed = chunked = True
        self._until_close = not framed
        if self._method == "HEAD":
            # The parser cannot be told that no body follows, so the connection is not used again.
            self._keep_alive = False
            self.complete = True

    # The request

    @property
    def usable(self) -> bool:
        return not self._lost and not self._transport.is_closing()

    def begin(self, method: str) -> None:
        """A new request is about to be written."""
        self._reset()
        self._idle = False
        self._method = method

    def hold_back_at(self, size: int) -> None:
        """More than so many bytes that the engine has not taken hold the writer back."""
        if size != self._high_water and not self._lost:
            self._high_water = size
            self._transport.set_write_buffer_limits(high=size)

    def write(self, data: bytes) -> None:
        if not self._lost:
            self._transport.write(data)

    def writelines(self, parts: list[bytes]) -> None:
        if not self._lost:
            self._transport.writelines(parts)

    # The answer

    def expect_answer(self, within: float) -> None:
        """The final head has to come within so many seconds from now; after that the exchange is broken off as late."""
        if self._answer is None and not self._lost:
            self._answer_due = self.loop.time() + within
            if self._timer is None:
                self._timer = self.loop.call_later(within, self._look_at_clock)

    def _look_at_clock(self) -> None:
        """One timer serves all exchanges of a connection, because almost none of them ever needs it."""
        self._timer = None
        if self._answer_due is None:
            return
        if (left := self._answer_due - self.loop.time()) > 0:
            self._timer = self.loop.call_later(left, self._look_at_clock)
            return
        self._break("did not begin to answer", late=True)
        self.abort()
        if self.listener is not None:
            self.listener()

    async def writable_within(self, seconds: float) -> None:
        """Like `writable`; an engine that takes nothing for so long is broken off as late."""
        try:
            async with asyncio.timeout(seconds):
                await self.writable()
        except TimeoutError:
            self._break("stopped reading the request", late=True)
            self.abort()

    async def answer(self) -> Answer:
        """The next head: of an informational answer (1xx, except 100), or else of the final one. Raises Broke.

        A head behind which the engine has already broken off, without a byte of the body, is no answer: better to be
        told so than to be sent a head and cut.
        """
        while not self._informational:
            if self._answer is not None and (self._broke is None or self._body or self._upgraded):
                return self._answer
            await self._more()
        return self._informational.popleft()

    async def read(self) -> tuple[bytes, bool]:
        """The next bytes of the body, and whether more may follow. Raises Broke if the body ends too early."""
        while (taken := self.take()) is None:
            await self._more()
        return taken

    def take(self) -> tuple[bytes, bool] | None:
        """What `read` would return without waiting, or None if it would have to wait."""
        if not self._body:
            return (b"", False) if self.complete else None
        if len(self._body) == 1 or len(self._body[0]) >= LARGE:
            data = self._body.popleft()
            self._held -= len(data)
        else:
            data = b"".join(self._body)
            self._body.clear()
            self._held = 0
        if self._paused and self._held < HIGH_WATER and not self._lost:
            self._paused = False
            self._transport.resume_reading()
        return data, bool(self._body) or not self.complete

    @property
    def has_news(self) -> bool:
        """Whether `answer` would return or raise at once."""
        return self._answer is not None or bool(self._informational) or self._broke is not None or self._lost

    def whole(self) -> tuple[Answer, bytes] | None:
        """The answer with all of its body, if that is here and nothing else goes with it: no 1xx, no trailers."""
        if not self.complete or self._answer is None or self._upgraded:
            return None
        if self._informational or self.trailers or self._paused:
            return None
        body = b"".join(self._body)
        self._body.clear()
        self._held = 0
        return self._answer, body

    async def _more(self) -> None:
        if self._broke is not None:
            raise self._broke()
        if self._lost:
            raise Broke("closed the connection", heard=self._heard, died=True)
        self._waiter = self.loop.create_future()
        await self._waiter

    def _feed(self, data: bytes) -> None:
        self._body.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER and not self._paused and not self._lost:
            self._paused = True
            self._transport.pause_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, reason: str, *, late: bool = False, died: bool = False) -> None:
        if self._broke is None:
            self._broke = partial(Broke, reason, heard=self._heard, late=late, died=died)
        self._wake()

    # Afterwards

    def release(self, *, request_sent: bool, spare: bool = False) -> None:
        """The exchange is over. The connection serves again if both sides are at a clean boundary.

        spare: of a kind that is never made on a kept connection, so that many of them need not be kept.
        """
        clean = request_sent and self.complete and self._keep_alive and not self._upgraded
        if clean and self.usable and not (self._paused or self._body or self._informational):
            self._idle = True
            self._pool.keep(self, spare=spare)
        elif request_sent:
            self.close()
        else:
            self.abort()

    def close(self) -> None:
        """Close when what is buffered has been sent; at once if the engine does not take it."""
        if self.write_blocked is not None:
            self.abort()
        elif not self._lost:
            self._transport.close()

    def abort(self) -> None:
        """Close without sending what is still buffered: the client has gone, and so must the engine's work."""
        if not self._lost:
            self._transport.abort()
