"""From a request to its engine: route → admit → forward, and an answer in the caller's dialect when that fails."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from gateway.errors import EnginePutToSleep, EngineUnreachable, GatewayError
from gateway.proxy.headers import Peer, identified, request_head, request_id
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


@dataclass(frozen=True, slots=True)
class Errand:
    """What a request's head alone decides: the engine it goes to, and how.

    head: as the engine shall see it, but for the request's id. upgrade: to a WebSocket.
    """

    engine: Supervisor
    head: bytes
    upgrade: bool


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
        self.pool = pool
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
        record = self.record(scope)
        await self.account(record, scope, send, self._find_and_serve(record, receive, send))

    def record(self, scope: Message) -> Record:
        """The record of a request that has just come, with who sent it and what it is called from now on."""
        peer = self._peer(scope["client"][0]) if scope["client"] else NOBODY
        return Record(scope, peer, request_id(scope["headers"], peer))

    async def account(self, record: Record, scope: Message, send: Send, work: Coroutine[Any, Any, int]) -> None:
        """Do the work, which returns the answer's status; tell the client if it fails, and the log what it was."""
        try:
            record.status = await work
        except GatewayError as error:
            record.failed(error.code, str(error.__cause__ or error), error.status)
            await _refuse(error, scope, send, record.identity)
        except AnswerCut as cut:
            record.failed("answer_cut", f"the engine {cut}", cut.status)
        except asyncio.CancelledError as cancelled:
            record.failed("client_gone" if cancelled.args == ("client gone",) else "shutting_down")
            raise
        finally:
            self.note(record)

    def note(self, record: Record) -> None:
        """The request is over."""
        if record.notable or self._log_all:
            record.write()

    def errand(self, scope: Message, peer: Peer) -> Errand:
        """What has to be done for a request like this. Raises UnknownHost."""
        memo = scope["gateway.memo"]
        known: Errand | None = memo.get(self)
        if known is None:
            engine = self._routes.find(host_of(scope))
            upgrade = "gateway.upgrade" in scope["extensions"]
            known = memo[self] = Errand(engine, request_head(scope, peer, upgrade=upgrade), upgrade)
        return known

    async def _find_and_serve(self, record: Record, receive: Receive, send: Send) -> int:
        errand = self.errand(record.scope, record.peer)
        record.engine = errand.engine.name
        head = identified(errand.head, record.identity)
        return await self.serve(Call(record.scope, receive, send, head, record.identity), errand, record)

    async def serve(self, call: Call, errand: Errand, record: Record) -> int:
        """Admit and forward; returns the answer's status. Raises EngineTrouble and AnswerCut."""
        carry = tunnel if errand.upgrade else forward
        engine = errand.engine
        for _ in range(MOST_CONNECTS):
            async with engine.admitted() as lease:
                record.admitted(waited=lease.waited)
                try:
                    return await carry(call, self.pool, lease.address, engine.spec.answer_timeout)
                except ConnectFailed as failure:  # nothing was sent: hold the request until the engine is back
                    if lease.revoked:  # by an operator, whose order a request that is there already must not undo
                        raise EnginePutToSleep(f"{engine.name} was put to sleep", retry_after=1) from failure
                    record.reconnected(failure)
                    lease.lost_contact()
        raise EngineUnreachable(f"{engine.name} runs, but does not accept connections.", retry_after=5)


async def _refuse(error: GatewayError, scope: Message, send: Send, identity: bytes) -> None:
    status, headers, body = refusal(error, scope)
    headers.append((b"x-request-id", identity))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
