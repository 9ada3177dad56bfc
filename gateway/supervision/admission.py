"""`async with engine.admitted() as lease`: waits until the engine is ready, and keeps it awake inside the block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Protocol

from gateway.clock import Timer
from gateway.runtimes.base import Address


class Target(NamedTuple):
    """Where the admitted go: the engine's address, and the run of the program behind it."""

    address: Address
    instance: str


class Visit(NamedTuple):
    """Who wants in, and with what.

    party: whose request it is, as "key:ci", "user:anna", "client:192.0.2.7" or "client:2001:db8::/64"; parties take
    turns. size: bytes of its body, as declared. again: the engine died under it. quiet: it neither wakes the engine nor
    keeps it awake, and is refused with NotAwake where it would have to wait. request_id: its name in the logs.
    """

    party: str = ""
    size: int = 0
    again: bool = False
    quiet: bool = False
    request_id: str = ""


PLAIN = Visit()
"""Somebody, with nothing much."""


class Desk(Protocol):
    """The part of a supervisor that hands out tickets."""

    def arrive(self, visit: Visit) -> tuple[int, Target | asyncio.Future[Target]]: ...
    def leave(self, ticket: int, *, served: bool = True) -> None:
        """served: it was answered to the end."""

    def limit(self, future: asyncio.Future[Target]) -> Timer:
        """Let nobody wait for this for ever."""

    def holds(self, ticket: int) -> bool:
        """Whether this one still keeps the engine awake."""

    def lost_contact(self, instance: str) -> None: ...
    def runs(self, instance: str) -> bool:
        """Whether this run of the program goes on, as far as is known."""


class Lease:
    """The right to use the engine, from admission until the block is left.

    address: where it listens. waited: whether the request was held before it was let in.
    """

    __slots__ = ("_desk", "_instance", "_ticket", "address", "waited")

    def __init__(self, desk: Desk, ticket: int, target: Target, *, waited: bool) -> None:
        self._desk = desk
        self._ticket = ticket
        self.address, self._instance = target
        self.waited = waited

    @property
    def revoked(self) -> bool:
        """Whether an operator has put the engine to sleep by force since, which cuts off whom it served."""
        return not self._desk.holds(self._ticket)

    @property
    def run_ended(self) -> bool:
        """Whether the run of the engine that it was given for has ended since, as far as is known."""
        return not self._desk.runs(self._instance)

    def leave(self, *, served: bool = True) -> None:
        """Give it back. Only for a lease that was not had from a block. served: the answer came to its end."""
        self._desk.leave(self._ticket, served=served)

    def lost_contact(self) -> None:
        """The engine at this address refuses connections. The next admission waits until it answers again."""
        self._desk.lost_contact(self._instance)


class Admission:
    """One request's stay. Leaving the block, for whatever reason, gives the place back; so does a cancelled wait.

    held: called once if the request has to wait and was not refused at once.
    """

    __slots__ = ("_desk", "_held", "_ticket", "_visit")

    def __init__(self, desk: Desk, visit: Visit = PLAIN, held: Callable[[], None] | None = None) -> None:
        self._desk = desk
        self._visit = visit
        self._held = held
        self._ticket = 0

    async def __aenter__(self) -> Lease:
        self._ticket, target = self._desk.arrive(self._visit)
        if isinstance(target, Target):
            return Lease(self._desk, self._ticket, target, waited=False)
        deadline = self._desk.limit(target)
        try:
            if self._held is not None and not target.done():
                self._held()
            return Lease(self._desk, self._ticket, await target, waited=True)
        except BaseException:  # refused, or the client has gone: either way the ticket goes back
            if target.done() and not target.cancelled():
                target.exception()  # a refusal that came together with the client's leaving is not an unseen error
            self._desk.leave(self._ticket)
            raise
        finally:
            deadline.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._desk.leave(self._ticket, served=error is None)
