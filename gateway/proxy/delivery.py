"""One request's way into its engine: admitted, forwarded, and sent once more if the engine dies before it answers.

Transcribing is a pure function, and a request of which the client has seen no answer can be sent again without anybody
noticing, but for the wait. Once is enough: a request that kills every engine it meets must come to an end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway.announcements import Announcements, Replayed
from gateway.errors import EngineAnswerTimeout, EngineBroke, EngineTrouble, EngineUnreachable
from gateway.lifecycle.reasons import put_to_sleep
from gateway.proxy.http import Call, forward
from gateway.proxy.intake import Intake
from gateway.proxy.pool import ConnectFailed, Pool
from gateway.proxy.record import Record
from gateway.proxy.upstream import Broke
from gateway.proxy.websocket import tunnel
from gateway.runtimes.base import Address
from gateway.supervision.admission import Lease, Visit
from gateway.supervision.supervisor import Supervisor

MOST_CONNECTS = 4
"""Admissions in a row that end in a refused connection, until the request is given up."""

Carry = Callable[[Call, Pool, Address, float], Awaitable[int]]
_log = structlog.get_logger()


class Delivery:
    """One request, until its answer is with the client.

    intake: takes its body in, if it has one that is spooled. upgrade: to a WebSocket.
    """

    def __init__(
        self,
        call: Call,
        engine: Supervisor,
        record: Record,
        *,
        visit: Visit,
        announce: Announcements,
        intake: Intake | None = None,
        upgrade: bool = False,
    ) -> None:
        self._call = call
        self._engine = engine
        self._visit = visit
        self._record = record
        self._announce = announce
        self._intake = intake
        self._replay = engine.spec.replay  # as it was when the request came, and its body was to be kept or not
        self._carry: Final[Carry] = tunnel if upgrade else forward

    async def run(self, pool: Pool) -> int:
        """Returns the answer's status. Raises EngineTrouble and AnswerCut."""
        engine, refused = self._engine, 0
        held = self._intake.begin if self._intake is not None else None
        while refused < MOST_CONNECTS:
            visit = self._visit._replace(again=True) if refused else self._visit  # who was let in keeps his place
            async with engine.admitted(visit, held) as lease:
                self._record.admitted(waited=lease.waited)
                try:
                    return await self._forward(lease, pool)
                except ConnectFailed as failure:  # nothing was sent: hold the request until the engine is back
                    refused += 1
                    if lease.revoked:  # by an operator, whose order a request that is there already must not undo
                        raise put_to_sleep(engine.name) from failure
                    self._record.reconnected(failure)
                    lease.lost_contact()
                except Broke as broke:
                    self.send_again_after(broke, lease)
        raise EngineUnreachable(f"{engine.name} runs, but does not accept connections.", retry_after=5)

    async def run_aloud(self, pool: Pool) -> int:
        """Likewise, for a quiet visit that was not let in: it wakes the engine after all."""
        self._visit = self._visit._replace(quiet=False)
        return await self.run(pool)

    async def _forward(self, lease: Lease, pool: Pool) -> int:
        """Raises ConnectFailed and AnswerCut, and Broke if the engine failed before its answer began."""
        spec, call, intake = self._engine.spec, self._call, self._intake
        if intake is None or not (lease.waited or self._replay or intake.begun):
            return await self._carry(call, pool, lease.address, spec.answer_timeout)
        intake.begin()
        reader = intake.spool.reader()
        try:
            call = dataclasses.replace(call, receive=reader.receive, begun=self._answer_began)
            return await self._carry(call, pool, lease.address, spec.answer_timeout)
        finally:
            reader.close()

    def _answer_began(self) -> None:
        self._record.answer_began()
        if self._intake is not None:
            self._intake.spool.settle()

    def send_again_after(self, broke: Broke, lease: Lease) -> None:
        """The engine broke off before it answered: `run` shall send the request once more. Raises EngineTrouble if it
        must not.
        """
        engine, spec = self._engine, self._engine.spec
        if lease.revoked:
            raise put_to_sleep(engine.name) from broke
        if not (broke.died and self._replay and spec.replay):
            raise trouble(broke, spec.answer_timeout) from broke
        if self._visit.again:
            raise trouble(broke, spec.answer_timeout, "It was sent the request twice.") from broke
        if self._intake is not None and not self._intake.spool.replayable:
            raise trouble(broke, spec.answer_timeout, self._intake.spool.shortage) from broke
        self._visit = self._visit._replace(again=True)
        self._record.replayed(broke)
        self._announce.tell(Replayed(engine.name, broke.reason))
        _log.warning(
            "request.replayed", engine=engine.name, request_id=self._record.identity.decode(), reason=broke.reason
        )
        lease.lost_contact()


def trouble(broke: Broke, answer_timeout: float, more: str = "") -> EngineTrouble:
    """What to tell a client whose answer had not begun. more: a sentence."""
    if broke.late:
        return EngineAnswerTimeout(f"The engine had the request for {answer_timeout:g} s and did not begin to answer.")
    return EngineBroke(f"The engine {broke.reason} before it answered. {more}".rstrip(), retry_after=1)
