"""Random walks through an engine's life. Whatever happens, in whatever order, the promises hold.

What can happen, and the promises, are in `world.py`: some are asserted while a command is performed, the others by
`World.check` after every step. Hypothesis looks for a short walk that breaks one; the long walks, without its
bookkeeping, go much further.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.lifecycle.phases import ASLEEP, FAILED, READY
from gateway.lifecycle.policy import Policy
from tests.unit.lifecycle.world import World

POLICIES: dict[str, list[Any]] = {
    "idle_after": [900, None],
    "start_timeout": [60, 61],
    "concurrency": [None, 1, 2],
    "queue_limit": [1024, 3],
    "queue_bytes": [None, 4],
    "budgeted": [False, True],
}


class Walk(RuleBasedStateMachine):
    """One engine, from the gateway's start until long after the last request."""

    world: World

    @initialize(policy=st.builds(Policy, **{name: st.sampled_from(values) for name, values in POLICIES.items()}))
    def gateway_starts(self, policy: Policy) -> None:
        self.world = World(policy, runs_already=policy.start_timeout == 61)

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        happenings = self.world.surprises(data.draw(st.integers(0, 5)))
        happenings[data.draw(st.sampled_from(list(happenings)))]()

    @rule(choices=st.lists(st.integers(0, 5), min_size=1, max_size=8))
    def world_goes_on(self, choices: list[int]) -> None:
        for choice in choices:
            steps = self.world.ordinary()
            if steps:
                steps[choice % len(steps)]()
                self.world.check()

    @rule(kind=st.booleans())
    def everybody_is_served_or_refused(self, *, kind: bool) -> None:
        self.world.settle(kind=kind)
        assert not self.world.waiting()

    @rule()
    def wake_is_never_lost(self) -> None:
        a_wake_is_never_lost(self.world)

    @invariant()
    def promises_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:  # otherwise the walk has failed already, and that is what should be read
            all_comes_to_rest(self.world)


Walk.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
TestWalk = Walk.TestCase


@pytest.mark.parametrize("seed", range(50))
def test_long_walk(seed: int) -> None:
    random = Random(seed)
    for _ in range(30):
        policy = Policy(**{name: random.choice(values) for name, values in POLICIES.items()})
        world = World(policy, runs_already=random.random() < 0.5)
        for _ in range(random.randrange(200)):
            walk_on(world, random)
            world.check()
        all_comes_to_rest(world)


def walk_on(world: World, random: Random) -> None:
    steps, dice = world.ordinary(), random.random()
    if steps and dice < 0.6:
        random.choice(steps)()
    elif dice > 0.99:
        a_wake_is_never_lost(world)
    elif dice > 0.97:
        world.settle(kind=random.random() < 0.5)
    else:
        random.choice(list(world.surprises(random.randrange(6)).values()))()


def a_wake_is_never_lost(world: World) -> None:
    """In a kind world it ends with an engine that has become ready, or failed once more; or was, for all we knew."""
    before, known_to_be_ready = (world.wakes, world.failures), world.machine.phase is READY
    world.wake_asked()
    world.settle(kind=True)
    assert (world.wakes, world.failures) != before or known_to_be_ready, "a wake was lost"


def all_comes_to_rest(world: World) -> None:
    """When everybody has gone and all alarms have rung, nothing runs that nobody needs."""
    if world.warm:
        world.warmth_changes()
    world.settle(kind=True)
    for ticket in world.present():
        world.request_leaves(ticket)
    while world.ordinary() or (world.machine.phase in (READY, FAILED) and world.armed):
        if world.armed and not world.ordinary():
            world.alarm_rings()
        world.settle(kind=True)
    if world.machine.policy.idle_after is not None:
        assert world.machine.phase is ASLEEP
        assert world.run is None, "an engine that nobody needs runs for ever"
