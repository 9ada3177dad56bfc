"""The short way through a ready engine: a request without a body, on a kept connection, answered without a task.

Most small requests wait for nothing but the engine's answer, and that comes in one piece. A task, its wake-ups and the
turns of the event loop between them would cost more than all the rest. So the request is written as soon as its head is
read, and the answer as soon as it is here. Whatever does not fit (an answer in parts, a slow client, a connection that
ends, the gateway's shutdown) goes on in a task, from where it stands.

Only requests that may be sent twice come this way (RFC 9110 section 9.2.2; `replay`): a kept connection may be closed
by the engine just as we use it. If it was, and the engine's run is still the same, the request is sent again on a fresh
connection. If the run has ended that would be its replay. Any other request travels on a fresh connection from the
beginning and cannot be lost like that.
"""

from __future__ import annotations

from typing import Protocol

from gateway.callers import Headers
from gateway.errors import GatewayError
from gateway.proxy.cors import replaced
from gateway.proxy.endpoint import Endpoint, Errand
from gateway.proxy.headers import answer_headers, identified
from gateway.proxy.http import Call, Message, Receive, Send, finish, send_on
from gateway.proxy.pool import ConnectFailed
from gateway.proxy.record import Record
from gateway.proxy.upstream import Broke, Upstream
from gateway.supervision.admission import Lease

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110 section 9.2.2)."""
STALE = 1.0
"""Seconds within which a kept connection that ends was closed just as it was used. Later, the engine has died."""


class Client(Protocol):
    """The server's side of the exchange.

    at_leisure: whether the client takes what it is sent, so that nothing has to wait for it.
    """

    scope: Message
    has_body: bool

    @property
    def at_leisure(self) -> bool: ...
    def answer(self, status: int, headers: Headers, body: bytes) -> None: ...
    def hand_over(self) -> None:
        """Go on in a task, with `Shortcut.go_on` as the application."""


def shortcut(endpoint: Endpoint, client: Client) -> Shortcut | None:
    """Send the request to its engine now, or return None and do nothing if it does not fit."""
    scope = client.scope
    if client.has_body or scope["method"] not in REPEATABLE:
        return None
    record = endpoint.record(scope)
    try:
        errand = endpoint.errand(record)
    except GatewayError:
        return None  # to be said the long way
    address, spec = errand.engine.ready_at, errand.engine.spec
    if address is None or not spec.replay or errand.upgrade or errand.permission is not None or errand.quiet:
        return None
    upstream = endpoint.pool.idle(address)
    if upstream is None:
        return None
    lease = errand.engine.admit_at_once()
    if lease is None:  # it is ready, but has as much to do as it may
        endpoint.pool.keep(upstream)
        return None
    return Shortcut(endpoint, client, errand, record, upstream, lease=lease)


class Shortcut:
    """One request on its short way. Made by `shortcut`; ends with the answer, in `drop`, or in a task."""

    __slots__ = ("_client", "_endpoint", "_errand", "_lease", "_record", "_sent", "_upstream")

    def __init__(
        self, endpoint: Endpoint, client: Client, errand: Errand, record: Record, upstream: Upstream, *, lease: Lease
    ) -> None:
        self._endpoint = endpoint
        self._client = client
        self._errand = errand
        self._record = record
        self._upstream = upstream
        engine = errand.engine
        self._lease = lease
        record.engine = engine.name
        upstream.begin(client.scope["method"])
        upstream.listener = self._heard
        upstream.write(identified(errand.head, record.identity))
        upstream.expect_answer(engine.spec.answer_timeout)
        self._sent = upstream.loop.time()

    def _heard(self) -> None:
        """The engine has said something, or will say nothing any more."""
        upstream, client = self._upstream, self._client
        if not client.at_leisure or (whole := upstream.whole()) is None:
            if upstream.has_news:
                client.hand_over()
            return
        answer, body = whole
        upstream.listener = None
        upstream.release(request_sent=True)
        self._lease.leave()
        self._record.status = answer.status
        headers = answer_headers(answer.headers, self._record.identity)
        if self._errand.grant is not None:
            headers = replaced(headers, self._errand.grant)
        client.answer(answer.status, headers, body)
        self._endpoint.note(self._record)

    def drop(self, error: str) -> None:
        """The answer has nobody any more to go to, for this reason."""
        self._upstream.listener = None
        self._upstream.abort()
        self._lease.leave(served=False)
        self._record.failed(error)
        self._endpoint.note(self._record)

    # In a task

    def go_on(self) -> Shortcut:
        """The rest, as an ASGI application. If that is never called, `drop` is."""
        self._upstream.listener = None
        return self

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        call = self._endpoint.call(self._record, self._errand, receive, send)
        await self._endpoint.account(self._record, scope, send, self._rest(call))

    async def _rest(self, call: Call) -> int:
        delivery = self._endpoint.delivery(call, self._errand, self._record)
        served = False
        try:
            status = await self._answered(call)
            served = True
            return status
        except Broke as broke:
            delivery.send_again_after(broke, self._lease)
        finally:
            self._lease.leave(served=served)
        return await delivery.run(self._endpoint.pool)

    async def _answered(self, call: Call) -> int:
        """Returns the answer's status. Raises Broke if the engine has died, and AnswerCut."""
        try:
            return await finish(call, self._upstream)
        except Broke as broke:
            was_stale = self._upstream.loop.time() < self._sent + STALE
            if broke.heard or broke.late or self._lease.revoked or not was_stale:
                raise
            upstream = await self._same_engine(broke)
        return await send_on(call, upstream, self._errand.engine.spec.answer_timeout)

    async def _same_engine(self, broke: Broke) -> Upstream:
        """A new connection to the run of the engine that closed the kept one. Raises `broke` if that has ended."""
        try:
            upstream = await self._endpoint.pool.connect(self._lease.address)
        except ConnectFailed:
            raise broke from None
        if self._lease.run_ended:
            upstream.abort()
            raise broke
        return upstream
