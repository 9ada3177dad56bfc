"""Who is served, who waits, and how many may be served at once."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from gateway.errors import GatewayError
from gateway.lifecycle import reasons
from gateway.lifecycle.commands import Admit, Command, Refuse
from gateway.lifecycle.events import RequestArrived
from gateway.lifecycle.line import Line
from gateway.lifecycle.policy import Policy


class Seats:
    """One engine's tickets.

    waiting: those that wait. serving: those that hold a lease. quiet: those that hold one and keep nobody awake; they
    take no seat. overdue: those that wait too long if they still do when the start alarm rings. most: how many seats
    there are.
    """

    __slots__ = ("most", "overdue", "quiet", "serving", "waiting")

    def __init__(self, policy: Policy) -> None:
        self.waiting = Line()
        self.serving: set[int] = set()
        self.quiet: set[int] = set()
        self.overdue: set[int] = set()
        self.most: float = policy.concurrency or inf

    @property
    def nobody_is_served(self) -> bool:
        return not self.serving and not self.quiet

    def fill(self) -> list[Command]:
        """Let in who is next, as many as there are seats for."""
        admitted: list[Command] = []
        while self.waiting and len(self.serving) < self.most:
            ticket = self.waiting.next()
            self.serving.add(ticket)
            admitted.append(Admit(ticket))
        return admitted

    def join(self, request: RequestArrived, policy: Policy, name: str) -> list[Command]:
        """Let it wait; refuses who has to give way for that, or itself if nobody has."""
        leaving: list[int] = []
        if not request.again:
            leaving = self.waiting.too_many(request, policy.queue_limit, policy.queue_bytes)
        for ticket in leaving:
            self.waiting.remove(ticket)
        if request.ticket not in leaving:
            self.waiting.add(request)
        return [Refuse(ticket, reasons.queue_full(name)) for ticket in leaving]

    def refuse_overdue(self, error: Callable[[], GatewayError]) -> list[Command]:
        """Refuse who waited already when the alarm was set."""
        refused = [ticket for ticket in self.waiting if ticket in self.overdue]
        for ticket in refused:
            self.waiting.remove(ticket)
        return [Refuse(ticket, error()) for ticket in refused]

    def refuse_waiting(self, error: Callable[[], GatewayError]) -> list[Command]:
        return [Refuse(ticket, error()) for ticket in self.waiting.clear()]
