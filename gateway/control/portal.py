"""The control API as clients reach it: they are asked who they are, and what they do there can be looked up.

Every answer carries the request's id. Logged is every refusal, and whoever steers an engine or reads its log; a look is
only where all requests are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.announcements import Announcements
from gateway.callers import Caller, Peer, Peers
from gateway.control.guard import refuse
from gateway.errors import GatewayError
from gateway.proxy.headers import request_id
from gateway.proxy.record import Record

PUBLIC = frozenset({"/healthz", "/readyz"})
"""Health is told to everybody: it says nothing."""


class Portal:
    """Asks who is calling, refuses those who are not let in, and says it to `app` in `scope["gateway.caller"]`."""

    def __init__(
        self,
        app: ASGIApp,
        peers: Peers,
        door: Callable[[Scope, Peer], Caller],
        *,
        log_all: bool,
        announce: Announcements,
    ) -> None:
        self._app = app
        self._peers = peers
        self._door = door
        self._log_all = log_all
        self._announce = announce

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = self._peers.at(scope["client"])
        record = Record(dict(scope), peer, request_id(scope["headers"], peer))
        try:
            await self._serve(scope, receive, _noting(record, send), record)
        finally:
            if self._log_all or record.notable or _steers(scope):
                record.write(self._peers.client_of(peer, scope["headers"]))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, record: Record) -> None:
        if scope["path"] not in PUBLIC:
            try:
                record.caller = self._door(scope, record.peer)
            except GatewayError as error:
                record.refused(error)
                self._announce.tell(record.ended())
                await refuse(error, scope, send)
                return
        await self._app(scope, receive, send)


def _noting(record: Record, send: Send) -> Send:
    """Sends on, with the request's id; what the answer is, the record learns."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Any] = list(message.get("headers", ()))
            record.status = message["status"]
            code = next((value for name, value in headers if name == b"x-gateway-error"), None)
            if code is not None and not record.notable:
                record.failed(code.decode())
            message = {**message, "headers": [*headers, (b"x-request-id", record.identity)]}
        await send(message)

    return noting


def _steers(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "POST" or path.endswith(("/logs", "/queue"))
