"""Bytes are lent up to the total, in the order of asking."""

from __future__ import annotations

import pytest

from gateway.spool.quota import Quota

pytestmark = pytest.mark.anyio

TEN = 13
"""The total of which ten are for bodies that wait."""


async def test_what_is_taken_can_be_taken_by_others_when_it_has_come_back() -> None:
    quota = Quota(TEN)
    assert quota.take(10)
    assert not quota.take(1)
    quota.give(1)
    assert quota.take(1)
    assert quota.used == 10


async def test_who_asks_gets_it_in_the_order_of_asking() -> None:
    quota = Quota(TEN)
    assert quota.take(10)
    first, second = quota.ask(6), quota.ask(1)
    quota.give(5)
    assert (first.done(), second.done()) == (False, False), "nobody overtakes, however little it wants"
    quota.give(2)
    assert (first.done(), second.done()) == (True, True)
    assert quota.used == 10


async def test_nobody_takes_what_others_wait_for() -> None:
    quota = Quota(TEN)
    assert quota.take(9)
    asked = quota.ask(2)
    assert not quota.take(1)
    quota.withdraw(2, asked)
    assert quota.take(1)


async def test_what_was_lent_and_is_not_wanted_any_more_goes_back() -> None:
    quota = Quota(TEN)
    asked = quota.ask(4)
    assert asked.done()
    quota.withdraw(4, asked)
    assert quota.used == 0


async def test_who_withdraws_lets_those_behind_pass() -> None:
    quota = Quota(TEN)
    assert quota.take(5)
    large, small = quota.ask(10), quota.ask(5)
    quota.withdraw(10, large)
    assert small.done()


async def test_a_larger_total_helps_at_once_and_a_smaller_one_takes_nothing_away() -> None:
    quota = Quota(TEN)
    assert quota.take(10)
    asked = quota.ask(10)
    quota.total = 2 * TEN
    assert asked.done()
    quota.total = 6
    assert quota.used == 20
    quota.give(16)
    assert quota.take(1)
    assert not quota.take(1)


async def test_a_quarter_is_left_for_bodies_that_are_read() -> None:
    quota = Quota(12)
    assert quota.take(9)
    assert not quota.take(1)
    assert quota.take(2, read=True)
    assert not quota.take(2, read=True)
    quota.give(3)
    assert quota.take(1)


async def test_who_is_read_does_not_stand_behind_those_who_wait() -> None:
    quota = Quota(12)
    assert quota.take(9)
    asked = quota.ask(1)
    assert quota.take(3, read=True)
    quota.give(3)
    assert not asked.done()
    quota.give(1)
    assert asked.done()
