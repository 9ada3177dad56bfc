"""Who may have room in the budget, and who has to make room: pure rules over what stands where.

Engines that do not fit together take turns. Four rules make that fair and calm.

*First come, first served.* Who asks is served in the order of asking, and who had to make room asks anew, at the end. A
later one goes ahead only if that costs those before it nothing: there is room for it now, and they need no other
tenants to leave than without it.

*A turn is a turn.* An engine that has become ready may stay for its turn, idle or not: so the number of starts is
bounded by the time, whatever the load.

*Nobody is cut off.* An idle engine is put to sleep, the least recently used first. A busy one is only asked to make
room: it lets nobody in any more, and leaves with its last request. One that is stuck, with a request that perhaps never
ends, is asked last. Who is still starting is left alone.

*Only what helps.* Tenants are asked to leave when that makes enough room, and only those that are needed for it.

A polite ask, for an engine that nobody waits for, is met when there is room and nobody else waits, and moves nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

Room = Mapping[str, int]
"""How much of each resource, in bytes."""


class Stay(Enum):
    """How far a tenant is. BEGINNING: it starts. SETTLED: it is ready. LEAVING: its stop is under way."""

    BEGINNING = "beginning"
    SETTLED = "settled"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Tenant:
    """An engine that takes up room. Times are those of one clock that never steps.

    turn_ends: until when it may stay though others wait; counts only if SETTLED. since: when it became ready. used:
    when it was last needed. warm: it is kept ready on schedule, and goes last of those that are idle. stuck: it serves
    somebody who perhaps never leaves, and goes last of all.
    """

    name: str
    needs: Room
    stay: Stay = Stay.SETTLED
    busy: bool = False
    turn_ends: float = 0.0
    since: float = 0.0
    used: float = 0.0
    warm: bool = False
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """An engine that wants room, in the order of asking. politely: nobody waits for it."""

    name: str
    needs: Room
    politely: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows. grants: who gets room now. victims: who has to make room, and for whom; nobody else has to.

    again_at: when to ask next, if nothing happens before; None if only an event can change anything.
    """

    grants: tuple[str, ...] = ()
    victims: Mapping[str, str] = field(default_factory=dict)
    again_at: float | None = None


class Budget:
    """How much there is of each resource. What is not named is not counted."""

    def __init__(self, capacity: Room) -> None:
        self.capacity = dict(capacity)

    def __repr__(self) -> str:
        return f"<Budget {self.capacity}>"

    def counted(self, needs: Room) -> dict[str, int]:
        """The part of an engine's needs that counts here. More than all there is would wait for ever: it gets all."""
        return {name: min(needs[name], limit) for name, limit in self.capacity.items() if needs.get(name)}

    def decide(self, now: float, tenants: Iterable[Tenant], asks: Iterable[Ask]) -> Decision:
        """Who gets room and who makes room, given all tenants and all asks, these in the order of asking."""
        held, pending = list(tenants), list(asks)
        grants: list[str] = []
        waiting: list[Ask] = []
        for ask in [ask for ask in pending if not ask.politely]:
            if self._fits(ask, held) and self._costs_nobody(ask, held, waiting):
                held.append(_newcomer(ask))
                grants.append(ask.name)
            else:
                waiting.append(ask)
        for ask in [ask for ask in pending if ask.politely and not waiting]:
            if self._fits(ask, held):
                held.append(_newcomer(ask))
                grants.append(ask.name)
        victims, again_at = self._victims(now, held, waiting)
        return Decision(tuple(grants), victims, again_at)

    def _free(self, tenants: Iterable[Tenant]) -> dict[str, int]:
        """What these leave of the capacity; less than nothing where more runs than fits, after an adoption."""
        free = dict(self.capacity)
        for tenant in tenants:
            for name, amount in self.counted(tenant.needs).items():
                free[name] -= amount
        return free

    def _fits(self, ask: Ask, tenants: Iterable[Tenant]) -> bool:
        free = self._free(tenants)
        return all(free[name] >= amount for name, amount in self.counted(ask.needs).items())

    def _costs_nobody(self, ask: Ask, held: list[Tenant], ahead: list[Ask]) -> bool:
        """Whether all who wait before it would need the very same tenants to leave if this one came in now."""
        return not ahead or self._outlook(held, ahead) == self._outlook([*held, _newcomer(ask)], ahead)

    def _outlook(self, held: list[Tenant], waiting: list[Ask]) -> list[set[str] | None]:
        """Who would have to leave for each of those who wait, one after another, once all have had their turn."""
        outlook: list[set[str] | None] = []
        staying = [tenant for tenant in held if tenant.stay is not Stay.LEAVING]
        for ask in waiting:
            leaving = self._enough(ask, staying, _in_order(staying))
            outlook.append(leaving)
            staying = [tenant for tenant in staying if tenant.name not in (leaving or ())]
            staying.append(_newcomer(ask))
        return outlook

    def _victims(self, now: float, held: list[Tenant], waiting: list[Ask]) -> tuple[dict[str, str], float | None]:
        victims: dict[str, str] = {}
        staying = [tenant for tenant in held if tenant.stay is not Stay.LEAVING]
        for ask in waiting:
            ripe = [tenant for tenant in staying if tenant.stay is Stay.SETTLED and tenant.turn_ends <= now]
            leaving = self._enough(ask, staying, _in_order(ripe)) or set()
            victims |= dict.fromkeys(sorted(leaving), ask.name)
            staying = [tenant for tenant in staying if tenant.name not in leaving]
            staying.append(_newcomer(ask))  # its room is spoken for, also as long as it is not enough
        turns = [tenant.turn_ends for tenant in held if tenant.stay is Stay.SETTLED and tenant.turn_ends > now]
        return victims, min(turns, default=None) if waiting else None

    def _enough(self, ask: Ask, staying: list[Tenant], candidates: Sequence[Tenant]) -> set[str] | None:
        """The first candidates that make enough room by leaving, without those that are not needed for it.

        None if not even all of them are enough.
        """
        free = self._free(staying)
        short = {name: amount - free[name] for name, amount in self.counted(ask.needs).items() if amount > free[name]}
        chosen: list[Tenant] = []
        for tenant in candidates:
            if self._covers(chosen, short):
                break
            if any(tenant.needs.get(name) for name in short):
                chosen.append(tenant)
        if not self._covers(chosen, short):
            return None
        for tenant in reversed(chosen):
            others = [other for other in chosen if other is not tenant]
            if self._covers(others, short):
                chosen = others
        return {tenant.name for tenant in chosen}

    def _covers(self, leaving: Iterable[Tenant], short: Room) -> bool:
        given = [self.counted(tenant.needs) for tenant in leaving]
        return all(sum(needs.get(name, 0) for needs in given) >= amount for name, amount in short.items())


def _newcomer(ask: Ask) -> Tenant:
    return Tenant(ask.name, ask.needs, Stay.BEGINNING)


def _in_order(tenants: Iterable[Tenant]) -> list[Tenant]:
    """In which order tenants have to leave.

    Idle ones, least recently used first; then busy ones, longest ready first; last those of which nobody knows when.
    """

    def rank(tenant: Tenant) -> tuple[bool, bool, bool, bool, float]:
        if tenant.stay is Stay.BEGINNING:
            return True, False, True, False, 0.0
        if tenant.busy:
            return False, tenant.stuck, True, False, tenant.since
        return False, tenant.stuck, False, tenant.warm, tenant.used

    return sorted(tenants, key=rank)
