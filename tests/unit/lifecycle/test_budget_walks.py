"""Random loads on random budgets: nobody starves, nobody is cut off, and starts are bounded by the time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.lifecycle.town import START, STOP, TURN, House, Town

LONGEST = 15
"""Seconds of the longest request."""

needs = st.fixed_dictionaries({"memory": st.integers(1, 4), "gpu": st.sampled_from([0, 0, 1, 2])})
CAPACITY = {"memory": 4, "gpu": 2}


def bound(engines: int) -> float:
    """Each of the others may have come before, and has a turn, a last request, a stop and a start to do."""
    return engines * (TURN + LONGEST + STOP + START + 1)


class Walks(RuleBasedStateMachine):
    """Anything that can happen, in any order. What must never happen is asserted by the town itself."""

    @initialize(all_needs=st.lists(needs, min_size=2, max_size=5))
    def build(self, all_needs: list[dict[str, int]]) -> None:
        self.town = Town(CAPACITY, [House(f"e{number}", need) for number, need in enumerate(all_needs)])

    def one(self, number: int) -> str:
        return f"e{number % len(self.town.houses)}"

    @rule(number=st.integers(0, 4), seconds=st.integers(1, LONGEST))
    def request(self, number: int, seconds: int) -> None:
        self.town.request(self.one(number), seconds)

    @rule(number=st.integers(0, 4))
    def warm(self, number: int) -> None:
        self.town.keep_warm(self.one(number))

    @rule(number=st.integers(0, 4))
    def withdraw(self, number: int) -> None:
        self.town.withdraw(self.one(number))

    @rule(number=st.integers(0, 4))
    def crash(self, number: int) -> None:
        self.town.crash(self.one(number))

    @rule(number=st.integers(0, 4))
    def by_hand(self, number: int) -> None:
        self.town.starts_by_hand(self.one(number))

    @rule(seconds=st.integers(1, 30))
    def time(self, seconds: int) -> None:
        self.town.pass_time(seconds)

    @invariant()
    def nobody_waits_longer_than_the_bound(self) -> None:
        if hasattr(self, "town") and not self.town.adopted:
            assert self.town.longest_wait <= bound(len(self.town.houses))

    def teardown(self) -> None:
        """When no more requests come, all who wait are served."""
        if hasattr(self, "town"):
            self.town.pass_time(int(2 * bound(len(self.town.houses))))
            assert not [house.name for house in self.town.houses.values() if house.line]


TestWalks = Walks.TestCase
TestWalks.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    all_needs=st.lists(needs, min_size=2, max_size=4),
    gaps=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(1, LONGEST)), min_size=20, max_size=80),
)
def test_under_any_load_nobody_starves_and_nobody_thrashes(
    all_needs: list[dict[str, int]], gaps: list[tuple[int, int, int]]
) -> None:
    """Every engine has at most one start in the time of a turn, a start and a stop."""
    town = Town(CAPACITY, [House(f"e{number}", need) for number, need in enumerate(all_needs)])
    for gap, number, seconds in gaps:
        town.pass_time(gap)
        town.request(f"e{number % len(all_needs)}", seconds)
    assert town.longest_wait <= bound(len(all_needs))
    for house in town.houses.values():
        assert house.starts <= town.now / (TURN + START) + 1


def test_two_engines_that_do_not_fit_take_turns_for_ever() -> None:
    """Both are wanted all the time: each is served in turn, and neither waits longer than the other's turn."""
    town = Town({"memory": 4}, [House("a", {"memory": 3}), House("b", {"memory": 3})])
    for _ in range(600):
        for name in town.houses:
            town.request(name, 4)
        town.pass_time()
    a, b = town.houses.values()
    assert abs(a.starts - b.starts) <= 1
    assert 600 / (TURN + START + STOP + 4 + 2) - 1 <= a.starts + b.starts <= 600 / (TURN + START + STOP) + 2
    assert town.longest_wait <= TURN + START + STOP + 4 + 1


def test_a_large_engine_gets_its_room_though_small_ones_are_wanted_all_the_time() -> None:
    """It needs all of them gone at once, and they would always fit one by one."""
    small = [House(f"s{number}", {"memory": 1}) for number in range(4)]
    town = Town({"memory": 4}, [*small, House("large", {"memory": 4})])
    for second in range(300):
        town.request(f"s{second % 4}", 5)
        if second == 30:
            town.request("large", 5)
        town.pass_time()
    assert town.houses["large"].starts >= 1
    assert town.longest_wait <= 2 * (TURN + LONGEST + STOP + START)
