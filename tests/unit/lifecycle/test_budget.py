"""Who gets room and who makes it: single decisions."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.lifecycle.budget import Ask, Budget, Decision, Stay, Tenant

BUDGET = Budget({"memory": 4, "gpu": 8})
NOW = 100.0


def tenant(name: str, memory: int = 0, *, gpu: int = 0, **more: Any) -> Tenant:
    return Tenant(name, {"memory": memory, "gpu": gpu}, **more)


def ask(name: str, memory: int = 0, *, gpu: int = 0, politely: bool = False) -> Ask:
    return Ask(name, {"memory": memory, "gpu": gpu}, politely)


def decided(tenants: list[Tenant], *asks: Ask) -> Decision:
    return BUDGET.decide(NOW, tenants, asks)


def test_who_fits_gets_room() -> None:
    assert decided([tenant("x", 3)], ask("a", 1)) == Decision(("a",))


def test_grants_of_one_decision_share_the_room() -> None:
    assert decided([], ask("a", 3), ask("b", 3)).grants == ("a",)
    assert decided([], ask("a", 2), ask("b", 2)).grants == ("a", "b")


def test_the_least_recently_used_idle_engine_makes_room() -> None:
    held = [tenant("x", 2, used=20), tenant("y", 2, used=10)]
    assert decided(held, ask("a", 2)).victims == {"y": "a"}


def test_a_warm_engine_goes_after_the_other_idle_ones_and_before_busy_ones() -> None:
    held = [tenant("x", 1, used=10, warm=True), tenant("y", 1, used=20), tenant("z", 2, busy=True)]
    assert decided(held, ask("a", 1)).victims == {"y": "a"}
    assert decided(held, ask("a", 2)).victims == {"x": "a", "y": "a"}


def test_nobody_leaves_before_the_end_of_its_turn() -> None:
    held = [tenant("x", 4, turn_ends=NOW + 7), tenant("y", gpu=1, turn_ends=NOW + 3)]
    assert decided(held, ask("a", 2)) == Decision(again_at=NOW + 3)


def test_who_still_starts_is_left_alone() -> None:
    assert decided([tenant("x", 4, stay=Stay.BEGINNING)], ask("a", 1)) == Decision()


def test_busy_engines_are_asked_to_make_room_only_if_idle_ones_are_not_enough() -> None:
    held = [tenant("x", 2, busy=True), tenant("y", 2)]
    assert decided(held, ask("a", 2)).victims == {"y": "a"}
    assert decided(held, ask("a", 3)).victims == {"x": "a", "y": "a"}


def test_of_busy_engines_the_one_that_is_ready_longest_makes_room() -> None:
    held = [tenant("x", 2, busy=True, since=20), tenant("y", 2, busy=True, since=10)]
    assert decided(held, ask("a", 2)).victims == {"y": "a"}


def test_an_engine_of_which_nobody_knows_when_it_can_leave_is_asked_last() -> None:
    held = [tenant("x", 2, busy=True, since=10, stuck=True), tenant("y", 2, busy=True, since=20)]
    assert decided(held, ask("a", 2)).victims == {"y": "a"}
    assert decided(held, ask("a", 3)).victims == {"x": "a", "y": "a"}


def test_nobody_leaves_if_that_is_not_enough() -> None:
    held = [tenant("x", 2), tenant("y", 2, turn_ends=NOW + 5)]
    assert decided(held, ask("a", 4)) == Decision(again_at=NOW + 5)


def test_nobody_leaves_needlessly() -> None:
    held = [tenant("small", 1, used=1), tenant("large", 3, used=2)]
    assert decided(held, ask("a", 3)).victims == {"large": "a"}


def test_who_has_nothing_that_is_wanted_stays() -> None:
    held = [tenant("x", gpu=8, used=1), tenant("y", 4, used=2)]
    assert decided(held, ask("a", 1)).victims == {"y": "a"}


def test_room_that_is_being_left_is_waited_for() -> None:
    held = [tenant("x", 2, stay=Stay.LEAVING), tenant("y", 2)]
    assert decided(held, ask("a", 2)) == Decision()
    assert decided(held, ask("a", 3)).victims == {"y": "a"}


def test_a_later_one_may_not_take_what_an_earlier_one_waits_for() -> None:
    held = [tenant("x", 3, busy=True, turn_ends=NOW + 5)]
    assert decided(held, ask("a", 4), ask("b", 1)).grants == ()


def test_a_later_one_goes_ahead_where_that_costs_the_earlier_one_nothing() -> None:
    held = [tenant("x", 3, busy=True)]
    decision = decided(held, ask("a", 3), ask("b", 1))
    assert (decision.grants, decision.victims) == (("b",), {"x": "a"})
    assert decided([tenant("x", 4, busy=True)], ask("a", 1), ask("b", gpu=8)).grants == ("b",), "of another resource"


def test_a_later_one_stays_behind_where_one_more_would_have_to_leave_for_it() -> None:
    held = [tenant("x", 2, busy=True), tenant("y", 1, busy=True)]
    assert decided(held, ask("a", 3), ask("b", 1)).grants == ()


def test_several_who_wait_have_room_made_for_each() -> None:
    held = [tenant("x", 4), tenant("y", gpu=8, used=3)]
    assert decided(held, ask("a", 4), ask("b", gpu=1)).victims == {"x": "a", "y": "b"}


def test_room_that_is_spoken_for_is_not_made_twice() -> None:
    """The second waits for the first one's turn to end."""
    assert decided([tenant("x", 4)], ask("a", 4), ask("b", 4)).victims == {"x": "a"}


def test_a_polite_ask_is_met_where_there_is_room_and_moves_nobody() -> None:
    assert decided([tenant("x", 3)], ask("a", 1, politely=True)).grants == ("a",)
    assert decided([tenant("x", 4)], ask("a", 1, politely=True)) == Decision()


def test_a_polite_ask_waits_for_all_others() -> None:
    assert decided([tenant("x", 3, busy=True)], ask("a", 1, politely=True), ask("b", 4)).grants == ()
    assert decided([tenant("x", 2)], ask("a", 1, politely=True), ask("b", 2)).grants == ("b",)


@pytest.mark.parametrize("needs", [{}, {"memory": 0}, {"disk": 9}])
def test_what_needs_nothing_that_is_counted_gets_in_and_never_makes_room(needs: dict[str, int]) -> None:
    assert decided([tenant("x", 4)], Ask("a", needs)).grants == ("a",)
    assert decided([Tenant("x", needs), tenant("y", 4, used=9)], ask("a", 1)).victims == {"y": "a"}


def test_where_more_runs_than_fits_nobody_gets_room_until_enough_have_left() -> None:
    """An operator's start by hand, or a smaller budget."""
    held = [tenant("x", 3, used=1), tenant("y", 3, used=2)]
    assert decided(held, ask("a", 1)).victims == {"x": "a"}
    assert decided(held, ask("a", 2)).victims == {"x": "a", "y": "a"}
    assert decided(held) == Decision(), "and nobody has to leave for nobody"


def test_who_needs_more_than_there_is_gets_all_there_is() -> None:
    """The configuration does not allow that; what it missed must not wait for ever."""
    assert decided([], ask("a", 9)).grants == ("a",)
    assert decided([tenant("x", 1)], ask("a", 9)).victims == {"x": "a"}
