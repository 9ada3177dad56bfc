"""What must always hold in a world, whatever happens there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway.lifecycle.phases import ASLEEP, READY, STOPPING, WAKING, Phase

if TYPE_CHECKING:
    from tests.unit.lifecycle.stagehand import Stagehand, Ticket


def check(world: Stagehand) -> None:
    """Between any two happenings."""
    check_ways_out(world)
    check_requests(world)
    world.turns.check({ticket.party for ticket in world.waiting() if not ticket.again})


def check_turn(world: Stagehand, ticket: Ticket) -> None:
    machine = world.machine
    assert not machine.yielding, "let in while others wait for the room"
    if ticket.quiet:
        assert not machine._due, "quiet requests keep it awake together"
        return
    places = machine.policy.concurrency
    assert places is None or len(machine.serving) <= places, "more at once than it may serve"
    waiting = [other for other in world.waiting() if other.number in machine.waiting]
    assert ticket.again or not [other for other in waiting if other.again], "somebody came before who died already"
    earlier = [other for other in waiting if other.party == ticket.party and other.number < ticket.number]
    assert ticket.again or not earlier, "overtaken by one's own party"
    if not ticket.again:
        world.turns.served(ticket.party)


def check_ways_out(world: Stagehand) -> None:
    machine = world.machine
    assert not machine.yielding or machine.phase in (READY, WAKING), "makes room that it has not"
    match machine.phase:
        case Phase.ASLEEP:
            assert not machine.warm, "asleep in its warm hours"
        case Phase.READY:
            stays = machine.policy.idle_after is None or machine.warm
            quiet_only = machine.quiet and (machine._due or machine.yielding)
            assert world.armed or machine.serving or stays or quiet_only, "an idle engine without an alarm"
            assert machine.serving or machine.quiet or not machine.yielding, "stays though it should make room"
            assert machine.instance is not None, "ready, but nobody has seen it"
        case Phase.QUEUED:
            assert world.asked is not None, "queued for nothing"
            assert machine.waiting or world.wake_wanted or machine.warm or world.preload_wanted, "queued for nobody"
        case Phase.WAKING:
            assert world.armed, "a wake without an alarm"
        case Phase.FAILED:
            assert world.armed or world.stopping, "a failed engine without an alarm"
        case Phase.STOPPING:
            assert world.stopping, "stopping without a stop"


def check_requests(world: Stagehand) -> None:
    machine = world.machine
    assert sorted(machine.waiting) == [ticket.number for ticket in world.waiting()]
    assert machine.serving <= {ticket.number for ticket in world.admitted() if not ticket.quiet}
    assert machine.quiet <= {ticket.number for ticket in world.admitted() if ticket.quiet}
    assert machine.serving | machine.quiet >= {ticket.number for ticket in world.served()}, "served without a lease"
    if not machine.waiting:
        return
    assert machine.phase is not ASLEEP, "waiting, but nothing is being done about it"
    if machine.phase is READY:
        full = len(machine.serving) >= (machine.policy.concurrency or len(world.tickets) + 1)
        assert full or machine.yielding, "waiting, though there is room"
    if machine.phase in (WAKING, STOPPING):
        probing = world.probe is not None
        looking = world.look is not None or world.look_wanted
        assert world.starting or world.stopping or probing or looking, "waiting for nothing"


class Turns:
    """Whose turns there were while others waited: nobody may have two of them during one wait for a turn."""

    def __init__(self) -> None:
        self._meanwhile: dict[str, Counter[str]] = {}

    def joined(self, party: str, *, alone: bool) -> None:
        """One more of the party waits; `alone` if none did before."""
        if alone:
            self._meanwhile[party] = Counter()

    def served(self, party: str) -> None:
        for other, turns in self._meanwhile.items():
            if other != party:
                turns[party] += 1
        self._meanwhile[party] = Counter()

    def check(self, waiting: set[str]) -> None:
        for party in waiting:
            assert max(self._meanwhile[party].values(), default=0) <= 1, f"{party} waits more than one round"
