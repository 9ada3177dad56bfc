"""Who waits for an engine, and who is next.

Parties take turns: each round every party that waits is served one request, in the order in which they joined, and
a party's own requests in the order in which they came. So nobody waits more than one round for his next turn, however
many requests another has sent. Requests under which an engine died come before all others; each can only once.

When the line is full the longest party gives way, with its newest request, to a party that has at least two fewer in
it; so does the one with the most bytes, when there are too many of those. Otherwise one party could keep all others
out. Where both is so a newcomer must have a claim to both; who makes room for it makes a place as well.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.lifecycle.events import RequestArrived


@dataclass(slots=True)
class _Party:
    """One party's requests, oldest first, and the sum of their sizes."""

    requests: OrderedDict[int, RequestArrived] = field(default_factory=OrderedDict)
    size: int = 0


class Line:
    """Tickets that wait. Adding, removing and taking the next cost the same however long it is: so its parts are
    `OrderedDict`s, because a `dict` passes all that were taken out of it before it finds its first.

    size: bytes of all bodies together, those that come first not included.
    """

    __slots__ = ("_first", "_party_of", "_turns", "size")

    def __init__(self) -> None:
        self.size = 0
        self._first: OrderedDict[int, None] = OrderedDict()
        self._turns: OrderedDict[str, _Party] = OrderedDict()  # whose turn it is comes first
        self._party_of: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._first) + len(self._party_of)

    def __contains__(self, ticket: int) -> bool:
        return ticket in self._party_of or ticket in self._first

    def __iter__(self) -> Iterator[int]:
        """The tickets in the order in which they will be served if nobody else comes."""
        yield from self._first
        round_of = deque(iter(party.requests) for party in self._turns.values())
        while round_of:
            requests = round_of.popleft()
            for ticket in requests:
                yield ticket
                round_of.append(requests)
                break

    @property
    def counted(self) -> int:
        """How many there are for the limit: all but those that come first."""
        return len(self._party_of)

    def add(self, request: RequestArrived) -> None:
        """Join the line, at the end of one's party."""
        if request.again:
            self._first[request.ticket] = None
            return
        party = self._turns.setdefault(request.party, _Party())
        party.requests[request.ticket] = request
        party.size += request.size
        self.size += request.size
        self._party_of[request.ticket] = request.party

    def remove(self, ticket: int) -> None:
        """Leave the line. For a ticket that is not in it nothing happens."""
        self._first.pop(ticket, None)
        name = self._party_of.pop(ticket, None)
        if name is None:
            return
        party = self._turns[name]
        size = party.requests.pop(ticket).size
        party.size -= size
        self.size -= size
        if not party.requests:
            del self._turns[name]

    def next(self) -> int:
        """Take out whoever is next; its party's next turn comes after all others'. There must be one."""
        if self._first:
            ticket = next(iter(self._first))
            self.remove(ticket)
            return ticket
        name = next(iter(self._turns))
        ticket = next(iter(self._turns[name].requests))
        self.remove(ticket)
        if name in self._turns:
            self._turns.move_to_end(name)
        return ticket

    def clear(self) -> list[int]:
        """Take out everybody; returns them as `__iter__` would."""
        tickets = list(self)
        for ticket in tickets:
            self.remove(ticket)
        return tickets

    # Who gives way

    def too_many(self, newcomer: RequestArrived, limit: int, most_bytes: int | None) -> list[int]:
        """Who must be turned away, so that the newcomer may join: nobody, others, or the newcomer itself.

        Who would be alone in the line always may: it would never be let in otherwise.
        """
        leaver = None
        if self.counted >= limit:
            leaver = self._newest_of_the_longest(newcomer)
            if leaver is None:
                return [newcomer.ticket]
        if most_bytes is not None and self.counted:
            excess = self.size + newcomer.size - most_bytes
            if excess > (leaver.size if leaver else 0):
                return self._newest_of_the_largest(newcomer, excess)  # which makes a place as well
        return [leaver.ticket] if leaver else []

    def _newest_of_the_longest(self, newcomer: RequestArrived) -> RequestArrived | None:
        if len(self._turns) == self.counted:
            return None  # one each
        longest = max(self._turns.values(), key=lambda party: len(party.requests))
        own = self._turns.get(newcomer.party, _Party())
        if len(longest.requests) < len(own.requests) + 2:
            return None
        return next(reversed(longest.requests.values()))

    def _newest_of_the_largest(self, newcomer: RequestArrived, excess: int) -> list[int]:
        """As many as make up for `excess` bytes, while their party still has more than the newcomer's would have."""
        largest = max(self._turns.values(), key=lambda party: party.size)
        own = self._turns.get(newcomer.party, _Party()).size + newcomer.size
        leaving, left = [], largest.size
        for ticket in reversed(largest.requests):
            if left <= own:
                break
            leaving.append(ticket)
            left -= largest.requests[ticket].size
            if largest.size - left >= excess:
                return leaving
        return [newcomer.ticket]
