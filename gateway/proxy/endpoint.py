"""From a request to its engine: route → admit → forward, and an answer in the caller's dialect when that fails."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.announcements import Announcements
from gateway.callers import Caller, Headers, Peer, Peers, origin_of
from gateway.errors import Forbidden, GatewayError, HostNotAllowed, NotAwake, UnknownHost
from gateway.proxy.cors import VARY, first, granted, is_allowed, is_foreign, is_preflight, permission, replaced
from gateway.proxy.delivery import Delivery
from gateway.proxy.headers import has_body, identified, request_head, request_id
from gateway.proxy.http import AnswerCut, Call, Message, Receive, Send
from gateway.proxy.intake import Intake
from gateway.proxy.pool import Pool
from gateway.proxy.quiet import LastAnswers, is_quiet, remembering, told_for
from gateway.proxy.record import Record
from gateway.proxy.routing import Routes, host_of
from gateway.refusals import refusal
from gateway.spool.spools import Spools
from gateway.supervision.admission import Visit
from gateway.supervision.supervisor import Supervisor

Door = Callable[[Message, Peer], Caller]
"""Asks who sends a request; raises GatewayError for those who are not let in."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a request's head alone decides: the engine it goes to, and how.

    host: the hostname that it was sent to. head: as the engine shall see it, but for the request's id. upgrade: to a
    WebSocket. grant: see `Call`. permission: the answer, if it is the preflight of a page that may use the engine.
    foreign: it was sent by a page that may not, and does something. quiet: see `is_quiet`.
    """

    engine: Supervisor
    host: str
    head: bytes
    upgrade: bool
    grant: Headers | None
    permission: Headers | None
    foreign: bool
    quiet: bool


class Endpoint:
    """The ASGI application behind every engine's hostname.

    spools: where bodies are kept while engines wake, and until they have answered; without them bodies stream through.
    last: what engines have answered to quiet requests.
    """

    def __init__(
        self,
        routes: Routes[Supervisor],
        pool: Pool,
        peers: Peers,
        door: Door,
        log: Literal["notable", "all"] = "notable",
        *,
        announce: Announcements | None = None,
        spools: Spools | None = None,
        last: LastAnswers | None = None,
    ) -> None:
        self._routes = routes
        self.pool = pool
        self._peers = peers
        self._door = door
        self._log_all = log == "all"
        self._announce = announce or Announcements()
        self._spools = spools
        self._last = last or LastAnswers()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        record = self.record(scope)
        await self.account(record, scope, send, self._find_and_serve(record, receive, send))

    def record(self, scope: Message) -> Record:
        """The record of a request that has just come, with who sent it and what it is called from now on."""
        peer = self._peers.at(scope["client"])
        return Record(scope, peer, request_id(scope["headers"], peer))

    async def account(self, record: Record, scope: Message, send: Send, work: Coroutine[Any, Any, int]) -> None:
        """Do the work, which returns the answer's status; tell the client if it fails, and the log what it was."""
        try:
            record.status = await work
        except GatewayError as error:
            record.refused(error)
            error.__traceback__ = None  # it refers to the request, which remembers the error: a cycle
            await self._refuse(error, scope, send, record.identity)
        except AnswerCut as cut:
            record.failed("answer_cut", f"the engine {cut}", cut.status)
        except asyncio.CancelledError as cancelled:
            record.failed("client_gone" if cancelled.args == ("client gone",) else "shutting_down")
            raise
        finally:
            self.note(record)

    def note(self, record: Record) -> None:
        """The request is over."""
        self._announce.tell(record.ended())
        if record.notable or self._log_all:
            record.write(self._peers.client_of(record.peer, record.scope["headers"]))

    def errand(self, record: Record) -> Errand:
        """What has to be done for this request.

        Raises UnknownHost, and whatever keeps its caller out: who may not come in does not learn which hosts there are.
        """
        memo = record.scope["gateway.memo"]
        plan: Errand | GatewayError | None = memo.get(self)
        if plan is None:
            plan = memo[self] = self._plan(record.scope, record.peer)
        if isinstance(plan, Errand) and plan.permission is not None:
            return plan  # a browser asks this without a password
        caller = record.caller = self._door(record.scope, record.peer)
        if isinstance(plan, GatewayError):
            raise plan.with_traceback(None)  # it is raised for each request with this head
        if not caller.may_use(plan.host):
            raise HostNotAllowed(f"This API key is not for {plan.host}. Use one that was made for it.")
        if plan.foreign and _is_lent(caller, plan.engine.spec.cors):
            raise Forbidden("This came from a page of another site. If it may use the engine, name it in `cors`.")
        return plan

    def _plan(self, scope: Message, peer: Peer) -> Errand | GatewayError:
        host = host_of(scope)
        try:
            engine = self._routes.find(host)
        except UnknownHost as error:
            return error.with_traceback(None)
        method, headers = scope["method"], scope["headers"]
        upgrade = "gateway.upgrade" in scope["extensions"]
        origins = engine.spec.cors
        asks = origins and is_preflight(method, headers) and is_allowed(origins, first(headers, b"origin"))
        return Errand(
            engine,
            host,
            request_head(scope, peer, upgrade=upgrade, authorization=engine.spec.forward_authorization),
            upgrade,
            granted(origins, headers) if origins else None,
            permission(origins, headers) if asks else None,
            is_foreign(method, headers, host, origins, upgrade=upgrade),
            is_quiet(scope, engine.spec),
        )

    def call(self, record: Record, errand: Errand, receive: Receive, send: Send) -> Call:
        """The request as it is forwarded."""
        head = identified(errand.head, record.identity)
        return Call(record.scope, receive, send, head, record.identity, errand.grant, record.answer_began)

    async def _find_and_serve(self, record: Record, receive: Receive, send: Send) -> int:
        errand = self.errand(record)
        record.engine = errand.engine.name
        if errand.permission is not None:
            return await _permit(errand.permission, send, record.identity)
        if errand.quiet:
            return await self._serve_quietly(self.call(record, errand, receive, send), errand, record)
        return await self.serve(self.call(record, errand, receive, send), errand, record)

    async def serve(self, call: Call, errand: Errand, record: Record) -> int:
        """Admit and forward; returns the answer's status. Raises EngineTrouble and AnswerCut."""
        if self._spools is None or not has_body(call.scope["headers"]):
            return await self.delivery(call, errand, record).run(self.pool)
        async with Intake(call.receive, self._spools.new(keep=errand.engine.spec.replay)) as intake:
            return await self.delivery(call, errand, record, intake).run(self.pool)

    async def _serve_quietly(self, call: Call, errand: Errand, record: Record) -> int:
        """Forward it if the engine is ready; else answer, or let it wake the engine if there is nothing to answer."""
        engine, scope = errand.engine, call.scope
        visit = self._visit(record)._replace(quiet=True)
        send = call.send
        caller = record.caller
        user = caller.name or "" if caller is not None and caller.kind == "user" else ""
        call = dataclasses.replace(call, send=remembering(send, engine, scope, self._last, user))
        delivery = Delivery(call, engine, record, visit=visit, announce=self._announce)
        try:
            return await delivery.run(self.pool)
        except NotAwake:
            told = told_for(engine, scope, self._last, user)
        if told is None:
            return await delivery.run_aloud(self.pool)  # not anew: the engine may have died under it
        headers = [*told.headers, (b"x-request-id", record.identity)]
        if errand.grant is not None:
            headers = replaced(headers, errand.grant)
        await send({"type": "http.response.start", "status": told.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else told.body
        await send({"type": "http.response.body", "body": body, "more_body": False})
        return told.status

    def delivery(self, call: Call, errand: Errand, record: Record, intake: Intake | None = None) -> Delivery:
        """The request's way into its engine."""
        visit = self._visit(record)
        announce, upgrade = self._announce, errand.upgrade
        return Delivery(call, errand.engine, record, visit=visit, announce=announce, intake=intake, upgrade=upgrade)

    def _visit(self, record: Record) -> Visit:
        caller, headers = record.caller, record.scope["headers"]
        if caller is None or caller.kind == "anybody":
            party = f"client:{origin_of(self._peers.client_of(record.peer, headers))}"
        else:
            party = f"{caller.kind}:{caller.name}"
        return Visit(party, int(first(headers, b"content-length") or 0), request_id=record.identity.decode())

    async def _refuse(self, error: GatewayError, scope: Message, send: Send, identity: bytes) -> None:
        status, headers, body = refusal(error, scope)
        headers.append((b"x-request-id", identity))
        plan = scope["gateway.memo"].get(self)
        grant = plan.grant if isinstance(plan, Errand) else None
        if grant is not None and grant != [VARY]:  # which grants nothing, and would tell strangers of the hostname
            headers += grant  # so that a page can read what is wrong
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_lent(caller: Caller, origins: Sequence[str]) -> bool:
    """Whether a browser lends these rights to every page: a password that it remembers, or its place on this machine.

    A key is known to the page itself. Where every page may come in anyway, a place is no right.
    """
    return caller.kind == "user" or (caller.kind == "anybody" and "*" not in origins)


async def _permit(headers: Headers, send: Send, identity: bytes) -> int:
    """Answer a preflight in the engine's name: it may sleep on."""
    headers = [*headers, (b"x-request-id", identity)]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return 204
