"""One request and its answer, as ASGI sees them.

Beside ASGI's own messages it understands, where `scope["extensions"]` says so:

- `gateway.informational`: {"status", "headers"}, a 1xx answer sent on at once (RFC 9110 section 15.2).
- `gateway.abort`: cut the connection, so that a half-sent answer cannot be mistaken for a whole one.
- `gateway.upgrade`: a response start with status 101 turns the rest of the connection into bytes both ways, carried by
  `http.request` and `http.response.body` messages (RFC 9110 section 7.8).
- `http.response.trailers`, as in the ASGI specification.
- `gateway.body_follows` in a response start: the first part of the body is sent next, without waiting for anything, so
  that head and body are one write. Without it a head goes out at the event loop's next turn; this saves the turn.

When the client goes, the task that serves it is cancelled, with the message "client gone"; in an upgraded connection
`receive` says `http.disconnect` after the last bytes instead, so that a closing handshake is not lost, and the task is
cancelled only if they cannot be delivered soon.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from gateway.errors import GatewayError, ShuttingDown
from gateway.refusals import refusal

if TYPE_CHECKING:
    from gateway.server.connection import Connection

Message = dict[str, Any]
Headers = list[tuple[bytes, bytes]]

LARGE = 64 * 1024
"""Above this a copy costs more than a second write."""

LAST_BYTES = 2.0
"""Seconds to deliver what came through a tunnel before its client left."""

CHUNKED, SIZED, UNTIL_CLOSE, NO_BODY, RAW = range(5)

_log = structlog.get_logger()
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_MEANING = frozenset({b"date", b"content-length", b"connection"})
"""Headers of an answer that say something to us."""


def status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


class Shortcut(Protocol):
    """What an application that can serve a request without a task gives to the connection that asks it to."""

    def drop(self, error: str) -> None:
        """The answer is not wanted any more, for this reason."""

    def go_on(self) -> Any:
        """The ASGI application that does the rest. If it is never called, `drop` is."""


class Exchange:
    """receive() and send() for one request. Made by the connection, which also feeds the body."""

    __slots__ = (
        "_body", "_conn", "_expects_continue", "_framing", "_head", "_remaining", "_reported_end", "_size",
        "_trailers_follow", "_waiter", "body_complete", "complete", "disconnected", "has_body", "keep_alive",
        "scope", "shortcut", "started", "task", "trailers", "upgraded",
    )  # fmt: skip

    def __init__(
        self, conn: Connection, scope: Message, *, keep_alive: bool, has_body: bool, expects_continue: bool
    ) -> None:
        self._conn = conn
        self.scope = scope
        self.keep_alive = keep_alive
        self.has_body = has_body
        self.task: asyncio.Task[None] | None = None
        self.shortcut: Shortcut | None = None
        self.disconnected = False
        self.started = False  # the answer's head has been given to the transport, or is about to be
        self.complete = False
        self.upgraded = False
        self.body_complete = not has_body
        self.trailers: Headers = []
        self._body: deque[bytes] = deque()
        self._size = 0
        self._reported_end = False
        self._expects_continue = expects_continue
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""  # what of the answer's head is still to be written
        self._framing = NO_BODY
        self._remaining = 0
        self._trailers_follow = False

    # The request, as it comes in

    @property
    def held(self) -> int:
        """Bytes of the body that nobody has taken yet."""
        return self._size

    @property
    def wants_body(self) -> bool:
        """The client's next bytes are what we wait for."""
        return not self.body_complete and not self._expects_continue

    @property
    def ends_with_connection(self) -> bool:
        """Nothing but the connection's end tells the client where the answer ends (RFC 9112 section 6.3, rule 8)."""
        return self.started and self._framing == UNTIL_CLOSE

    def feed(self, data: bytes) -> None:
        self._body.append(data)
        self._size += len(data)
        self._wake()

    def feed_end(self) -> None:
        self.body_complete = True
        self._wake()

    def client_gone(self) -> None:
        self.disconnected = True
        self._wake()
        if self.shortcut is not None:
            self.abandon("client_gone")
        if self.task is None or self.complete:
            return
        if self.upgraded:
            self._conn.loop.call_later(LAST_BYTES, self.task.cancel, "client gone")
        else:
            self.task.cancel("client gone")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        """The next part of the body; after the last one, waits for the client to go."""
        if self._expects_continue:
            self._expects_continue = False
            if not self.started and not self.body_complete and not self._body:
                self._conn.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            if self._body:
                return self._take()
            if self.disconnected or (self.complete and not self.upgraded):
                return {"type": "http.disconnect"}
            if self.body_complete and not self._reported_end:
                self._reported_end = True
                return {"type": "http.request", "body": b"", "more_body": False, "trailers": self.trailers}
            self._waiter = self._conn.loop.create_future()
            await self._waiter

    def _take(self) -> Message:
        body = self._body
        if len(body) == 1 or len(body[0]) >= LARGE:
            data = body.popleft()
            self._size -= len(data)
        else:
            data = b"".join(body)
            body.clear()
            self._size = 0
        self._conn.body_taken()
        more = bool(body) or not self.body_complete
        self._reported_end = not more
        return {"type": "http.request", "body": data, "more_body": more, "trailers": self.trailers}

    # The answer, as it goes out

    async def send(self, message: Message) -> None:
        """Raises RuntimeError for a message that does not fit; waits while the client is slower than the engine."""
        if self.disconnected:
            return
        conn = self._conn
        if conn.write_blocked is not None:
            await conn.writable()
        match message["type"]:
            case "http.response.body":
                self._send_body(message.get("body", b""), more=message.get("more_body", False))
            case "http.response.start":
                self._send_start(message["status"], message.get("headers", ()), trailers=message.get("trailers", False))
                if not message.get("gateway.body_follows", False):  # the head must not wait for the first event
                    conn.loop.call_soon(self._flush)
            case "http.response.trailers":
                self._send_trailers(message.get("headers", ()))
            case "gateway.informational":
                if not self.started and self.scope["http_version"] == "1.1":
                    conn.write(answer_head(message["status"], message["headers"]))
            case "gateway.abort":
                self._finish(abort=True)
            case other:
                raise RuntimeError(f"An HTTP exchange cannot send {other!r}.")

    def _send_start(self, status: int, headers: Headers, *, trailers: bool) -> None:
        if self.started:
            raise RuntimeError("The answer has already started.")
        self.started = True
        if self._expects_continue:  # nobody knows now whether the body will follow (RFC 9110 section 10.1.1)
            self.keep_alive = False
        http_1_1 = self.scope["http_version"] == "1.1"
        head = [status_line(status)]
        self._framing = CHUNKED if http_1_1 else UNTIL_CLOSE
        dated = False
        for name, value in headers:
            if name in _MEANING:
                if name == b"date":
                    dated = True
                elif name == b"content-length":
                    if status == 204:  # RFC 9110 section 8.6
                        continue
                    self._remaining = int(value)
                    self._framing = SIZED
                elif b"close" in value.lower():
                    self.keep_alive = False
                    continue
            head.append(b"%b: %b\r\n" % (name, value))
        lines = b"".join(head)
        if lines.count(b"\n") != len(head) or lines.count(b"\r") != len(head):
            raise RuntimeError("A header of the answer holds a line break.")
        if status == 101:
            self._switch(lines)
            return
        if self.scope["method"] == "HEAD" or status in (204, 304):
            self._framing = NO_BODY
        elif self._framing == CHUNKED:
            lines += b"transfer-encoding: chunked\r\n"
            self._trailers_follow = trailers
        elif self._framing == UNTIL_CLOSE:
            self.keep_alive = False
        if not dated:
            lines += b"date: %b\r\n" % self._conn.date
        if not self.keep_alive:
            lines += b"connection: close\r\n"
        elif not http_1_1:
            lines += b"connection: keep-alive\r\n"
        self._head = lines + b"\r\n"

    def _switch(self, lines: bytes) -> None:
        if "gateway.upgrade" not in self.scope["extensions"]:
            raise RuntimeError("This client has not asked for an upgrade.")
        self.upgraded = True
        self._framing = RAW
        self._conn.write(lines + b"\r\n")
        self._conn.upgraded()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._conn.write(head)

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if not self.started or self.complete:
            raise RuntimeError("A body can only be sent between the answer's start and its end.")
        parts = []
        if self._head:
            parts.append(self._head)
            self._head = b""
        match self._framing:
            case 0:  # CHUNKED
                if body:
                    parts += (b"%x\r\n" % len(body), body, b"\r\n")
                if not more and not self._trailers_follow:
                    parts.append(b"0\r\n\r\n")
            case 1:  # SIZED
                self._remaining -= len(body)
                if self._remaining < 0 or (self._remaining and not more):
                    self._finish(abort=True)
                    raise RuntimeError("The body is not as long as its Content-Length.")
                parts.append(body)
            case 2 | 4:  # UNTIL_CLOSE, RAW
                parts.append(body)
            case _:
                pass
        if parts:
            if len(body) < LARGE:
                self._conn.write(b"".join(parts))
            else:
                self._conn.writelines(parts)
        if not more and not self._trailers_follow:
            self._finish()

    def _send_trailers(self, headers: Headers) -> None:
        if not self._trailers_follow or self.complete:
            return
        lines = [b"%s: %s\r\n" % (name, value) for name, value in headers]
        self._conn.write(b"0\r\n" + b"".join(lines) + b"\r\n")
        self._finish()

    def _finish(self, *, abort: bool = False) -> None:
        self.complete = True
        self._head = b""
        self._wake()
        self._conn.answered(self, abort=abort)

    # The short way, without a task

    @property
    def at_leisure(self) -> bool:
        """Whether the client takes what it is sent, so that nothing has to wait for it."""
        return self._conn.write_blocked is None

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer in one write."""
        self.shortcut = None
        try:
            self._send_start(status, headers, trailers=False)
            self._send_body(body, more=False)
        except Exception as error:  # ours; the connection's other requests go on
            self.broke(error)

    def hand_over(self) -> None:
        """What began as a shortcut goes on in a task."""
        if self.shortcut is not None and self.task is None:
            self._conn.start(self, self.shortcut.go_on())

    def abandon(self, error: str) -> None:
        """A shortcut that nobody goes on with is dropped."""
        if self.shortcut is not None:
            dropped, self.shortcut = self.shortcut, None
            dropped.drop(error)

    # The application's task

    async def run(self, app: Any) -> None:
        """Call the application, and see to it that the client gets an answer or a cut, never silence."""
        self.shortcut = None  # it has become the application
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self.disconnected:
                self.give_up(ShuttingDown("The gateway is shutting down; ask again in a moment.", retry_after=1))
        except Exception as error:  # the application's; told to its client, and logged
            self.broke(error)
        else:
            if not self.complete and not self.disconnected:
                self.give_up(GatewayError("The gateway did not finish its answer; its log says why."))

    def broke(self, error: Exception) -> None:
        """The application made a mistake: one for the log, and an answer or a cut for the client."""
        _log.error("gateway.request_broke", path=self.scope["path"], exc_info=error)
        self.give_up(GatewayError("The gateway failed to handle this request; its log says why."))

    def give_up(self, error: GatewayError) -> None:
        """Answer with the error if the answer has not begun; else cut it."""
        if self.complete or self.disconnected:
            return
        if self.started:
            self._finish(abort=True)
            return
        self.keep_alive = False
        status, headers, body = refusal(error, self.scope)
        self._send_start(status, headers, trailers=False)
        self._send_body(body, more=False)


def answer_head(status: int, headers: Headers) -> bytes:
    """The head of an answer that needs nothing added to it."""
    return status_line(status) + b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n"
