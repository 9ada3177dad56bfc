"""One client connection: bytes are parsed into exchanges, which are answered one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httptools
import structlog

from gateway.errors import BadRequestFraming, GatewayError, HeadTimeout, HeadTooLarge, ShuttingDown
from gateway.refusals import refusal
from gateway.server.exchange import Exchange, Headers, answer_head
from gateway.server.head import expects_continue, head_without_upgrade, new_parser, wants_tunnel
from gateway.server.limits import (
    HIGH_WATER,
    KEEP_ALIVE,
    LINGER,
    MOST_DROPPED,
    MOST_PIPELINED,
    MOST_QUEUED,
    STALL,
    Limits,
)
from gateway.server.outgoing import Outgoing
from gateway.server.scope import Scopes
from gateway.server.sweeper import Sweeper, peer_has_gone
from gateway.stream import shares

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

_FAULT_TEXT = "The request is not valid HTTP/1.1: {}."
_QUEUE_TEXT = f"More than {MOST_QUEUED} requests were sent without waiting for an answer."
_HEAD_TEXT = "The request's head, or its trailers, are larger than {} bytes."
_log = structlog.get_logger()


class Connection(Outgoing):
    """Built by uvicorn's server for each accepted socket."""

    __slots__ = (
        "_after_upgrade", "_app", "_app_state", "_arriving", "_at_once", "_begun_in", "_deadline", "_dropped",
        "_exchange", "_fault", "_head_bytes", "_headers", "_ignored_upgrade", "_in_head", "_last_read", "_limits",
        "_lingering", "_parser", "_paused", "_piece", "_queue", "_refused", "_refusing", "_scopes", "_state",
        "_stopping", "_sweeper", "_tunnelled", "_url",
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        sweeper: Sweeper,
    ) -> None:
        super().__init__(_loop or asyncio.get_running_loop())
        self._app = config.loaded_app
        self._at_once = getattr(self._app, "at_once", None)
        self._refused = getattr(self._app, "refused", None)
        self._state: Any = server_state
        self._app_state = app_state
        self._limits = limits
        self._sweeper = sweeper
        self._parser = new_parser(self)
        self._url = b""
        self._headers: Headers = []
        self._in_head = False
        self._head_bytes = 0
        self._piece = 0  # bytes that are being parsed
        self._begun_in = 0  # bytes of the piece in which the head began
        self._fault: GatewayError | None = None  # found in a parser callback
        self._refusing: GatewayError | None = None  # to be said when the answers before it are out
        self._lingering = False  # nothing more will be said; what still comes is dropped
        self._stopping = False  # the server shuts down: no request after those that have begun
        self._ignored_upgrade = False
        self._arriving: Exchange | None = None  # whose body is being parsed
        self._exchange: Exchange | None = None  # being answered
        self._queue: deque[Exchange] = deque()  # pipelined behind it
        self._tunnelled: Exchange | None = None  # has asked for an upgrade: all further bytes are its own
        self._after_upgrade = b""
        self._paused = False
        self._dropped = 0  # bytes
        self._deadline: float | None = None
        self._last_read = 0.0

    # Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._scopes = Scopes(transport, self._app_state)
        self._last_read = self.loop.time()
        self._deadline = self._last_read + self._limits.head_timeout
        self._state.connections.add(self)
        self._sweeper.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        self._closing = True
        self._state.connections.discard(self)
        self._sweeper.discard(self)
        shares.leave(self)
        self.resume_writing()
        self._queue.clear()
        if self._exchange is not None:
            self._exchange.client_gone()
        self._untie()

    def _untie(self) -> None:
        """End the circles of references that lead back here, or all of it lies about until the collector comes."""
        del self._parser
        self._exchange = self._arriving = self._tunnelled = self._fault = self._refusing = None

    @property
    def date(self) -> bytes:
        """The Date header's value, renewed by uvicorn once a second."""
        value: bytes = dict(self._state.default_headers).get(b"date", b"")
        return value

    def shutdown(self) -> None:
        """The server stops: an idle connection closes now, a busy one after its answer."""
        self._stopping = True
        if self._exchange is not None:
            self._exchange.keep_alive = False
            self._exchange.hand_over()  # the server waits for tasks, and cancels what takes too long
        elif not self._in_head or self._lingering:
            self._close()
        else:
            self._refuse(ShuttingDown("The gateway is shutting down; ask again in a moment.", retry_after=1))

    def cut(self) -> None:
        """End the connection now, whatever is under way."""
        self._abort()

    def sweep(self, now: float) -> None:
        """Once a second: overdue heads, stalled bodies, readers that do not read, and peers gone unnoticed."""
        exchange = self._exchange
        if self._is_not_read(now):
            self._abort()
        elif self._closing:
            return
        elif self._deadline is not None and now > self._deadline:
            if self._in_head and exchange is None and not self._lingering:
                self._refuse(HeadTimeout(f"The request's head took longer than {self._limits.head_timeout:g} s."))
            else:
                self._close()
        elif exchange is not None and self._is_forsaken(exchange, now):
            self._abort()

    def _is_forsaken(self, exchange: Exchange, now: float) -> bool:
        if self._paused:  # then the end of the connection is not seen
            return peer_has_gone(self._transport)
        return exchange.wants_body and now > self._last_read + STALL

    def _pause(self) -> None:
        if not self._paused and not self._closing:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._closing and len(self._queue) < MOST_PIPELINED and self._held() < shares.each:
            self._paused = False
            self._last_read = self.loop.time()
            self._transport.resume_reading()

    def _held(self) -> int:
        """Bytes of bodies that nobody has taken yet: of the request being answered, and of those behind it."""
        held = self._exchange.held if self._exchange is not None else 0
        return held + sum([waiting.held for waiting in self._queue]) if self._queue else held

    def _linger(self) -> None:
        """All is said, but the client still sends.

        Closing now would reset the connection and could swallow the answer (RFC 9112 section 9.6): end our side, then
        read and drop for a while.
        """
        self._lingering = True
        self._deadline = self.loop.time() + (0.0 if self._stopping else LINGER)
        self._queue.clear()
        self._resume()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _abort(self) -> None:
        self._break_off(in_body=self._exchange is not None and self._exchange.ends_with_connection)

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > MOST_DROPPED:
            self._abort()

    # Bytes in

    def data_received(self, data: bytes | memoryview) -> None:
        self._last_read = self.loop.time()
        if self._lingering or self._refusing is not None:
            self._drop(len(data))
            return
        if self._tunnelled is not None:
            self._tunnel(self._tunnelled, bytes(data))
            return
        self._piece = len(data)
        self._head_bytes += self._piece
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(bytes(data[upgrade.args[0] :]))
            return
        except httptools.HttpParserCallbackError as error:
            if self._fault is None:
                _log.error("gateway.request_broke", path=self._url.decode("latin-1"), exc_info=error.__context__)
                self._fault = GatewayError("The gateway failed to handle this request; its log says why.")
            self._refuse(self._fault)
            return
        except httptools.HttpParserError as error:
            self._refuse(BadRequestFraming(_FAULT_TEXT.format(str(error).rstrip("."))))
            return
        arriving = self._arriving
        if self._head_bytes > self._limits.head and (self._in_head or arriving is not None):
            self._refuse(HeadTooLarge(_HEAD_TEXT.format(self._limits.head)))
        elif (arriving is not None or self._queue) and self._held() > shares.each:
            self._pause()

    def _tunnel(self, exchange: Exchange, data: bytes) -> None:
        if exchange.upgraded:
            exchange.feed(data)
            if exchange.held > HIGH_WATER:
                self._pause()
        else:  # the engine has not agreed yet
            self._after_upgrade += data
            if len(self._after_upgrade) > HIGH_WATER:
                self._pause()

    def _switch(self, rest: bytes) -> None:
        """The parser stopped at an upgrade. WebSocket tunnels from here on; others are ignored (RFC 9110, 7.8)."""
        if not self._ignored_upgrade:
            self._after_upgrade += rest
            return
        self._ignored_upgrade = False
        head = head_without_upgrade(self._parser, self._url, self._headers)
        self._parser = new_parser(self)
        self.data_received(head + rest)

    def upgraded(self) -> None:
        """The engine agreed: what the client sent after its head belongs to the tunnel."""
        self._deadline = None
        if self._exchange is not None and self._after_upgrade:
            self._exchange.feed(self._after_upgrade)
            self._after_upgrade = b""

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._in_head = True
        self._head_bytes = 0
        self._begun_in = self._piece
        if self._exchange is None:
            self._deadline = self._last_read + self._limits.head_timeout

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._headers.append((name.lower(), value.rstrip(b" \t")))  # the parser leaves these (RFC 9112, 5.1)
        elif self._arriving is not None and len(self._arriving.trailers) < 32:
            self._arriving.trailers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._parser.should_upgrade() and not wants_tunnel(self._parser, self._headers):
            self._ignored_upgrade = True
            return
        try:
            self._begin_exchange()
        except GatewayError as error:
            self._fault = error
            raise

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0  # only what comes without end between two parts of a body is too much: it is trailers
        if self._arriving is not None and not self._arriving.complete:
            self._arriving.feed(body)

    def on_message_complete(self) -> None:
        if self._arriving is not None:
            self._arriving.feed_end()
            if self._exchange is None:  # answered early, the rest of the upload is now read and dropped
                self._deadline = self._last_read + KEEP_ALIVE
            self._arriving = None

    def _begin_exchange(self) -> None:
        self._in_head = False
        parser, headers = self._parser, self._headers
        limit = self._limits.head  # the sum is only needed when the bytes at hand could hold a head so large
        if (
            self._head_bytes + self._begun_in > limit
            and len(self._url) + sum([len(n) + len(v) + 4 for n, v in headers]) > limit
        ):
            raise HeadTooLarge(_HEAD_TEXT.format(self._limits.head))
        scope, has_body = self._scopes.make(parser, self._url, headers)
        if len(self._queue) >= MOST_QUEUED:
            raise BadRequestFraming(_QUEUE_TEXT)
        if has_body:
            shares.join(self)  # not in its task: a loop may read from a thousand clients before that has its turn
        upgrade = parser.should_upgrade()
        expects = has_body and expects_continue(scope["http_version"], headers)
        keep_alive = parser.should_keep_alive() and not upgrade and not self._stopping
        exchange = Exchange(self, scope, keep_alive=keep_alive, has_body=has_body, expects_continue=expects)
        self._arriving = exchange
        if upgrade:
            self._tunnelled = exchange
        if self._exchange is None:
            self._serve(exchange)
        else:
            self._queue.append(exchange)
            if len(self._queue) >= MOST_PIPELINED:
                self._pause()

    # Answers out

    def _serve(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._deadline = None
        try:
            if self._at_once is not None:
                exchange.shortcut = self._at_once(exchange)
        except Exception as error:  # ours; whoever called us has other requests to care for
            exchange.broke(error)
            return
        if exchange.shortcut is None:
            self.start(exchange, self._app)

    def start(self, exchange: Exchange, app: Any) -> None:
        """Serve it with this application, in a task."""
        task = exchange.task = self.loop.create_task(exchange.run(app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)
        if exchange.shortcut is not None:  # a task that is cancelled before its first step never takes it over
            task.add_done_callback(lambda _: exchange.abandon("shutting_down"))

    def body_taken(self) -> None:
        """Part of a body was taken; read on if that made room."""
        if self._paused:
            self._resume()

    def answered(self, exchange: Exchange, *, abort: bool) -> None:
        """The answer is out, or was cut."""
        if self._closing:
            return
        if abort:
            self._abort()
            return
        self._state.total_requests += 1
        self._exchange = None
        if not self._queue:
            shares.leave(self)
        if not exchange.keep_alive:
            if exchange.body_complete and self._tunnelled is None:
                self._close()
            else:
                self._linger()
            return
        if self._queue:
            self._serve(self._queue.popleft())
        elif self._refusing is not None:
            self._say_no(self._refusing)
        else:
            self._deadline = self.loop.time() + KEEP_ALIVE
        self._resume()

    def _refuse(self, error: GatewayError) -> None:
        """The bytes make no sense from here on. Answers that are due go out first."""
        self._refusing = error
        exchange = self._exchange
        if exchange is not None and exchange is self._arriving:  # its own body is broken: it cannot be served
            if exchange.started:
                self._abort()
                return
            exchange.client_gone()
            self._exchange = None
        elif self._arriving is not None and self._arriving in self._queue:  # likewise
            self._queue.remove(self._arriving)
        if self._exchange is None:
            self._say_no(error)

    def _say_no(self, error: GatewayError) -> None:
        client = self._scopes.client
        _log.info("connection.refused", client=client and client[0], error=error.code, reason=error.message)
        if self._refused is not None:
            self._refused(error)
        status, headers, body = refusal(error)
        self.write(answer_head(status, [*headers, (b"connection", b"close")]) + body)
        self._linger()
