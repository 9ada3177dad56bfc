"""Engines under a budget, simulated second by second: what the rules of the budget lead to under a given load."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.lifecycle.budget import Ask, Budget, Decision, Room, Stay, Tenant

TURN = 10.0
START = 3
STOP = 2


@dataclass(slots=True)
class House:
    """One engine. Requests are seconds that they take; they wait in `line` and are served in `ends`, by their end."""

    name: str
    needs: Room
    warm: bool = False
    phase: str = "asleep"  # asleep, queued, starting, ready, stopping
    until: float = 0.0
    since: float = 0.0
    used: float = 0.0
    yielding: bool = False
    line: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    asked: float = 0.0
    starts: int = 0

    @property
    def held(self) -> bool:
        return self.phase in ("starting", "ready", "stopping")

    def as_tenant(self) -> Tenant:
        stay = {"starting": Stay.BEGINNING, "ready": Stay.SETTLED, "stopping": Stay.LEAVING}[self.phase]
        return Tenant(self.name, self.needs, stay, bool(self.ends), self.since + TURN, self.since, self.used, self.warm)


class Town:
    """All of them, and the time. What must never happen is asserted at every step.

    longest_wait: the longest that anybody waited from its ask until it had room.
    """

    def __init__(self, capacity: Room, houses: list[House]) -> None:
        self.now = 0.0
        self.budget = Budget(capacity)
        self.houses = {house.name: house for house in houses}
        self.asks: dict[str, Ask] = {}
        self.longest_wait = 0.0
        self.adopted = False

    def request(self, name: str, seconds: float) -> None:
        house = self.houses[name]
        house.line.append(seconds)
        if house.phase == "asleep" or (house.phase == "queued" and self.asks[name].politely):
            self._ask(house)
        self.settle()

    def keep_warm(self, name: str) -> None:
        house = self.houses[name]
        house.warm = True
        if house.phase == "asleep":
            self._ask(house)
        self.settle()

    def withdraw(self, name: str) -> None:
        """All who wait leave; the engine's ask goes with them, unless it is kept warm."""
        house = self.houses[name]
        house.line.clear()
        if house.phase == "queued":
            del self.asks[name]
            house.phase = "asleep"
            if house.warm:
                self._ask(house)
        self.settle()

    def crash(self, name: str) -> None:
        house = self.houses[name]
        if house.phase in ("starting", "ready"):
            house.ends.clear()
            self._comes_to_rest(house)
        self.settle()

    def starts_by_hand(self, name: str) -> None:
        house = self.houses[name]
        if house.phase in ("asleep", "queued"):
            self.asks.pop(name, None)
            house.phase, house.since, house.used, house.yielding = "ready", self.now, self.now, False
            self.adopted = True
        self.settle()

    def pass_time(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.now += 1
            for house in self.houses.values():
                self._lives(house)
            self.settle()

    def settle(self) -> None:
        """Let in who may come in, decide until nothing follows any more, and check."""
        for _ in range(3):
            for house in self.houses.values():
                if house.phase == "ready" and not house.yielding and house.line:
                    house.ends += [self.now + seconds for seconds in house.line]
                    house.used = self.now
                    house.line.clear()
            self._decide()
        self._check()

    def _ask(self, house: House) -> None:
        self.asks.pop(house.name, None)
        politely = not house.line
        house.phase, house.asked = "queued", self.now
        self.asks[house.name] = Ask(house.name, house.needs, politely)

    def _comes_to_rest(self, house: House) -> None:
        house.phase, house.yielding = "asleep", False
        if house.line or house.warm:
            self._ask(house)

    def _lives(self, house: House) -> None:
        house.ends = [end for end in house.ends if end > self.now]
        if house.ends:
            house.used = self.now
        if house.phase == "starting" and house.until <= self.now:
            house.phase, house.since, house.used = "ready", self.now, self.now
        elif house.phase == "ready" and house.yielding and not house.ends:
            self._stops(house)
        elif house.phase == "stopping" and house.until <= self.now:
            self._comes_to_rest(house)

    def _stops(self, house: House) -> None:
        assert not house.ends, f"{house.name} is stopped while it is busy"
        assert self.now >= house.since + TURN, f"{house.name} is stopped before its turn is over"
        house.phase, house.until = "stopping", self.now + STOP

    def _decide(self) -> None:
        decision = self.decision()
        for name in decision.grants:
            waited = self.houses[name]
            if not self.asks.pop(name).politely:
                self.longest_wait = max(self.longest_wait, self.now - waited.asked)
            waited.phase, waited.until = "starting", self.now + START
            waited.starts += 1
        for house in self.houses.values():
            house.yielding = house.phase == "ready" and house.name in decision.victims
            if house.yielding and not house.ends:
                self._stops(house)

    def decision(self) -> Decision:
        tenants = [house.as_tenant() for house in self.houses.values() if house.held]
        return self.budget.decide(self.now, tenants, self.asks.values())

    def _check(self) -> None:
        decision = self.decision()
        assert not decision.grants, "a decision leaves nothing to decide"
        held = [house for house in self.houses.values() if house.held]
        for resource, limit in self.budget.capacity.items():
            taken = sum(house.needs.get(resource, 0) for house in held)
            assert taken <= limit or self.adopted, f"{resource}: {taken} of {limit}"
        if decision.victims or not [ask for ask in self.asks.values() if not ask.politely]:
            return
        moving = any(house.phase in ("starting", "stopping") for house in held)
        assert moving or decision.again_at is not None, "somebody waits, and nothing will ever change that"
