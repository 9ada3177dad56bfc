"""From a request to its engine: route → admit → forward, and an answer in the caller's dialect when that fails."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections.abc import Iterable
from typing import Literal

from gateway.errors import EngineUnreachable, GatewayError
from gateway.proxy.headers import Peer, request_head, request_id
from gateway.proxy.http import AnswerCut, Call, Message, Receive, Send, forward
from gateway.proxy.pool import ConnectFailed, Pool
from gateway.proxy.record import Record
from gateway.proxy.routing import Routes, host_of
from gateway.proxy.websocket import tunnel
from gateway.refusals import refusal
from gateway.supervision.supervisor import Supervisor

MOST_CONNECTS = 4
"""Admissions in a row that end in a refused connection, until the request is given up."""


NOBODY = Peer("unknown", trusted=False)
"""A peer that was gone before it could be asked for its address. The word is RFC 7239's, section 6."""


class Endpoint:
    """The ASGI application behind every engine's hostname."""

    def __init__(
        self,
        routes: Routes[Supervisor],
        pool: Pool,
        trusted: Iterable[str] = (),
        log: Literal["notable", "all"] = "notable",
    ) -> None:
        self._routes = routes
        self._pool = pool
        self._log_all = log == "all"
        networks = [ipaddress.ip_network(text) for text in trusted]

        @functools.lru_cache(maxsize=1024)
        def peer(address: str) -> Peer:
            known = ipaddress.ip_address(address)
            if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped:  # IPv4 on a socket for both
                known = known.ipv4_mapped
            return Peer(str(known), any(known in network for network in networks))

        self._peer = peer

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        record = Record(scope)
        try:
            peer = self._peer(scope["client"][0]) if scope["client"] else NOBODY
            identity = record.identity = request_id(scope["headers"], peer)
            engine = self._routes.find(host_of(scope))
            record.engine = engine.name
            upgrade = "gateway.upgrade" in scope["extensions"]
            head = request_head(scope, peer, identity, upgrade=upgrade)
            call = Call(scope, receive, send, head, identity)
            record.status = await self._serve(call, engine, record, upgrade=upgrade)
        except GatewayError as error:
            record.failed(error.code, str(error.__cause__ or error), error.status)
            await _refuse(error, scope, send, record.identity)
        except AnswerCut as cut:
            record.failed("answer_cut", f"the engine {cut}", cut.status)
        except asyncio.CancelledError as cancelled:
            record.failed("client_gone" if cancelled.args == ("client gone",) else "shutting_down")
            raise
        finally:
            if record.notable or self._log_all:
                record.write()

    async def _serve(self, call: Call, engine: Supervisor, record: Record, *, upgrade: bool) -> int:
        carry = tunnel if upgrade else forward
        for _ in range(MOST_CONNECTS):
            async with engine.admitted() as lease:
                record.admitted(waited=lease.waited)
                try:
                    return await carry(call, self._pool, lease.address, engine.spec.answer_timeout)
                except ConnectFailed as failure:  # nothing was sent: hold the request until the engine is back
                    record.reconnected(failure)
                    lease.lost_contact()
        raise EngineUnreachable(f"{engine.name} runs, but does not accept connections.", retry_after=5)


async def _refuse(error: GatewayError, scope: Message, send: Send, identity: bytes) -> None:
    status, headers, body = refusal(error, scope)
    headers.append((b"x-request-id", identity))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
