"""The more bodies are under way, the less of each waits in memory."""

from __future__ import annotations

from gateway.stream import Shares


def test_few_bodies_have_all_they_can_use() -> None:
    shares = Shares()
    assert (shares.each, len(shares.buffer)) == (Shares.MOST, Shares.MOST)
    for number in range(Shares.TOTAL // Shares.MOST):
        shares.join(number)
    assert shares.each == Shares.MOST


def test_many_bodies_share_and_none_is_left_without() -> None:
    shares = Shares()
    for number in range(1, 5000):
        shares.join(number)
        assert shares.each == Shares.LEAST or shares.each * number <= Shares.TOTAL
        assert Shares.LEAST <= shares.each == len(shares.buffer)
    for number in range(1, 5000):
        shares.leave(number)
    assert (shares.each, len(shares.buffer)) == (Shares.MOST, Shares.MOST)
