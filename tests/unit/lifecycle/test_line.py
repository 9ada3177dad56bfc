"""Who is next, and who gives way."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lifecycle.events import RequestArrived
from gateway.lifecycle.line import Line

Requests = list[RequestArrived]
REQUESTS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.booleans()), max_size=30)


def line_of(*parties: str) -> Line:
    """One request of each of these parties, in this order; tickets are numbered from 1."""
    line = Line()
    for ticket, party in enumerate(parties, start=1):
        line.add(RequestArrived(ticket, party))
    return line


def served(line: Line) -> list[int]:
    return [line.next() for _ in range(len(line))]


def test_one_partys_requests_are_served_in_the_order_in_which_they_came() -> None:
    assert served(line_of("a", "a", "a")) == [1, 2, 3]


def test_parties_take_turns_in_the_order_in_which_they_joined() -> None:
    assert served(line_of("a", "a", "a", "b", "c", "b")) == [1, 4, 5, 2, 6, 3]


@pytest.mark.parametrize("parties", [1, 200_000])
def test_the_longest_line_is_let_in_within_a_moment(parties: int) -> None:
    """Its length must not count twice: that would take ten seconds. What other programs take is not counted."""
    line = line_of(*(f"{number % parties}" for number in range(200_000)))
    began = time.process_time()
    assert len(served(line)) == 200_000
    assert time.process_time() - began < 4


def test_a_party_that_comes_back_joins_the_end_of_the_round() -> None:
    line = line_of("a", "b", "b", "c")
    assert line.next() == 1
    line.add(RequestArrived(5, "a"))
    assert served(line) == [2, 4, 5, 3]


def test_requests_under_which_an_engine_died_come_first() -> None:
    line = line_of("a", "b")
    line.add(RequestArrived(3, "a", again=True))
    line.add(RequestArrived(4, "c", again=True))
    assert (len(line), line.counted) == (4, 2)
    assert served(line) == [3, 4, 1, 2]


def test_who_leaves_takes_nobody_elses_turn() -> None:
    line = line_of("a", "b", "a", "c")
    line.remove(2)
    line.remove(99)
    assert 2 not in line
    assert served(line) == [1, 4, 3]
    assert not line


def test_all_can_be_taken_out_at_once() -> None:
    line = line_of("a", "a", "b")
    assert line.clear() == [1, 3, 2]
    assert (len(line), line.size) == (0, 0)


@given(REQUESTS, st.randoms(use_true_random=False))
def test_the_order_that_is_shown_is_the_order_of_service(facts: list[tuple[str, int, bool]], random: Random) -> None:
    line = Line()
    for ticket, (party, size, again) in enumerate(facts):
        line.add(RequestArrived(ticket, party, size, again))
    for ticket in random.sample(range(len(facts)), len(facts) // 3):
        line.remove(ticket)
    shown = list(line)
    assert len(shown) == len(line)
    assert served(line) == shown
    assert line.size == 0


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=60), st.integers(0, 10))
def test_nobody_waits_more_than_one_round(parties: list[str], joined_later: int) -> None:
    line = line_of(*parties[joined_later:])
    later = list(enumerate(parties[:joined_later], start=1000))
    party_of = dict(enumerate(parties[joined_later:], start=1)) | dict(later)
    meanwhile: dict[str, Counter[str]] = {}
    while line:
        for party in {party_of[ticket] for ticket in line}:
            meanwhile.setdefault(party, Counter())
        party = party_of[line.next()]
        del meanwhile[party]
        for turns in meanwhile.values():
            turns[party] += 1
            assert turns[party] <= 1
        if later:
            ticket, party = later.pop()
            line.add(RequestArrived(ticket, party))


# Who gives way


def too_many(line: Line, party: str, limit: int, size: int = 0, most_bytes: int | None = None) -> list[int]:
    return line.too_many(RequestArrived(50, party, size), limit, most_bytes)


def test_as_long_as_there_is_room_nobody_gives_way() -> None:
    assert too_many(line_of("a", "a"), "b", 3) == []


def test_a_full_line_takes_nobody_more_of_the_longest_party() -> None:
    assert too_many(line_of("a", "a", "b"), "a", 3) == [50]


def test_the_longest_party_gives_way_with_its_newest_request() -> None:
    assert too_many(line_of("a", "a", "a", "b"), "b", 4) == [3]
    assert too_many(line_of("a", "a", "a", "b"), "new", 4) == [3]


@pytest.mark.parametrize("parties", [("a", "b", "c"), ("a", "a", "b")])
def test_who_has_not_clearly_less_than_the_longest_does_not_drive_it_out(parties: tuple[str, ...]) -> None:
    """Else two parties would drive out each other's requests for ever."""
    assert too_many(line_of(*parties), "b", 3) == [50]


def test_a_flood_of_one_party_leaves_room_for_all_others() -> None:
    line = line_of(*["flood"] * 100)
    for ticket in range(200, 230):
        (leaver,) = line.too_many(RequestArrived(ticket, f"party {ticket}"), 100, None)
        line.remove(leaver)
        line.add(RequestArrived(ticket, f"party {ticket}"))
    assert len(line) == 100
    assert [line.next() for _ in range(31)] == [1, *range(200, 230)]


def test_requests_that_come_first_do_not_count() -> None:
    line = line_of("a")
    for ticket in range(10, 20):
        line.add(RequestArrived(ticket, "a", 100, again=True))
    assert too_many(line, "b", 2, 5, 5) == []


def sized(*requests: tuple[str, int]) -> Line:
    line = Line()
    for ticket, (party, size) in enumerate(requests, start=1):
        line.add(RequestArrived(ticket, party, size))
    return line


def test_a_line_with_too_many_bytes_takes_no_more() -> None:
    line = sized(("a", 6))
    assert too_many(line, "a", 9, 4, 10) == []
    assert too_many(line, "a", 9, 5, 10) == [50]
    assert too_many(line, "b", 9, 7, 10) == [50]


def test_the_party_with_the_most_bytes_gives_way_to_one_with_less() -> None:
    line = sized(("a", 4), ("a", 1), ("a", 4), ("b", 1))
    assert too_many(line, "b", 9, 2, 10) == [3]
    assert too_many(line, "c", 9, 4, 10) == [3]
    assert too_many(line, "c", 9, 5, 10) == [50], "it would have more than is left to the other"
    assert too_many(sized(("a", 4), ("a", 4), ("a", 1), ("b", 1)), "c", 9, 2, 10) == [3, 2]


def test_nobody_is_driven_out_in_vain() -> None:
    """Only the largest party gives way; if that is not enough, nobody does."""
    assert too_many(sized(("a", 5), ("b", 4), ("c", 1)), "d", 9, 4, 10) == [1]
    assert too_many(sized(("a", 4), ("b", 3), ("c", 3)), "d", 9, 5, 10) == [50]


def test_a_line_that_is_full_takes_no_more_bytes_either() -> None:
    """Whoever makes a place makes room as well, but only so much."""
    line = sized(("a", 10), ("a", 10), ("a", 10), ("a", 10))
    assert too_many(line, "b", 4, 10, 40) == [4]
    assert too_many(line, "b", 4, 15, 40) == [4, 3]
    assert too_many(line, "b", 4, 25, 40) == [50]
    assert too_many(line, "b", 4, 10_000, 100) == [50]


def test_who_may_have_a_place_and_no_room_drives_nobody_out() -> None:
    line = sized(("a", 1), ("a", 1), ("a", 1), ("b", 30))
    assert too_many(line, "c", 4, 1, 33) == [3]
    assert too_many(line, "c", 4, 2, 33) == [4], "the largest makes a place as well"
    assert too_many(line, "c", 4, 31, 33) == [50]
    assert too_many(sized(("a", 9), ("b", 1)), "b", 2, 1, 10) == [50], "there is room, but no place"


@given(REQUESTS, st.integers(2, 5), st.integers(0, 10))
def test_neither_limit_is_passed(facts: list[tuple[str, int, bool]], limit: int, most_bytes: int) -> None:
    """But by one that is alone."""
    line = Line()
    for ticket, (party, size, again) in enumerate(facts):
        newcomer = RequestArrived(ticket, party, size, again)
        leaving = [] if again else line.too_many(newcomer, limit, most_bytes)
        assert leaving == [ticket] or ticket not in leaving, "nobody is driven out by one that is refused"
        for leaver in leaving:
            line.remove(leaver)
        if ticket not in leaving:
            line.add(newcomer)
        assert line.counted <= limit
        assert line.size <= most_bytes or line.counted == 1


def test_who_is_alone_may_have_any_size() -> None:
    assert too_many(Line(), "a", 1, 1000, 10) == []
