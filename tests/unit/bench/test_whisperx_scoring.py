from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.engine.scoring import errors
from bench.whisperx.conversation import Segment, Turn, Word
from bench.whisperx.scoring import mixed, pairs, renaming, share_of_time, share_of_words, start_error

TALK = [Turn(0, 4, "A"), Turn(5, 9, "B")]


def spoken(text: str, speakers: str, start: float = 0.0) -> list[Word]:
    """A word each second. speakers: a letter for each word; `-` for nobody."""
    return [
        Word(word, start + place, start + place + 0.8, None if speaker == "-" else speaker)
        for place, (word, speaker) in enumerate(zip(text.split(), speakers, strict=True))
    ]


def test_words_that_are_the_same_stand_for_each_other_whatever_is_put_in_or_left_out() -> None:
    assert pairs(["one", "two", "three"], ["one", "three"]) == [(0, 0), (2, 1)]
    assert pairs(["one", "three"], ["one", "two", "three"]) == [(0, 0), (1, 2)]


def test_a_misheard_word_stands_for_the_one_in_its_place() -> None:
    assert pairs(["one", "two", "three"], ["one", "too", "three"]) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(("said", "heard"), [("", "one"), ("one", ""), ("", "")])
def test_of_nothing_nothing_can_be_paired(said: str, heard: str) -> None:
    assert pairs(said.split(), heard.split()) == []


few = st.lists(st.sampled_from("abc"), max_size=8)


@given(few, few)
def test_pairs_are_in_order_and_leave_as_few_words_wrong_as_can_be(said: list[str], heard: list[str]) -> None:
    found = pairs(said, heard)
    assert all(one[0] < other[0] and one[1] < other[1] for one, other in itertools.pairwise(found))
    right = sum(said[one] == heard[other] for one, other in found)
    unpaired = len(said) + len(heard) - 2 * len(found)
    assert len(found) - right + unpaired == errors(" ".join(said), " ".join(heard))


def test_the_best_renaming_is_that_of_all_together_not_of_each_alone() -> None:
    # X alone would be A, but then Y would be B, with whom it has nothing in common.
    assert renaming({("X", "A"): 5, ("X", "B"): 4, ("Y", "A"): 4}) == {"X": "B", "Y": "A"}


@pytest.mark.parametrize(
    ("shared", "names"),
    [
        ({("X", "A"): 1, ("Y", "A"): 2}, {"Y": "A"}),
        ({("X", "A"): 1, ("X", "B"): 2}, {"X": "B"}),
        ({}, {}),
    ],
)
def test_who_is_one_too_many_is_nobody(shared: dict[tuple[str, str], float], names: dict[str, str]) -> None:
    assert renaming(shared) == names


@pytest.mark.parametrize(
    ("heard", "share"),
    [
        ([Turn(0, 4, "2"), Turn(5, 9, "1")], 1),
        ([Turn(0, 4, "2"), Turn(4, 9, "1")], 1),  # in a pause anybody may be heard
        ([Turn(0, 4, "1"), Turn(5, 9, "1")], 0.5),
        ([Turn(0, 4, "1"), Turn(5, 7, "2")], 0.75),
        ([Turn(0, 3, "1"), Turn(3, 9, "2")], 0.875),
        ([Turn(0, 4, "1"), Turn(2, 9, "2")], 0.75),  # one who speaks, and one who does not
        ([Turn(0, 4, "1"), Turn(3, 4, "1"), Turn(5, 9, "2")], 1),
        ([Turn(0, 2, "1"), Turn(2, 4, "2"), Turn(5, 9, "3")], 0.75),
        ([], 0),
    ],
)
def test_time_is_right_where_exactly_those_are_heard_who_speak(heard: list[Turn], share: float) -> None:
    assert share_of_time(TALK, heard) == pytest.approx(share)


def test_who_speaks_at_the_same_time_must_be_heard_at_the_same_time() -> None:
    said = [Turn(0, 4, "A"), Turn(2, 6, "B")]
    assert share_of_time(said, [Turn(0, 4, "1"), Turn(2, 6, "2")]) == 1
    assert share_of_time(said, [Turn(0, 3, "1"), Turn(3, 6, "2")]) == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("heard", "speakers", "share"),
    [
        ("one two three four", "2211", 1),
        ("One, too three four", "2211", 1),  # a misheard word has a speaker, too
        ("one three four", "211", 1),
        ("one two three four", "2221", 0.75),
        ("one two three four", "2-11", 0.75),
        ("one two three four", "1111", 0.5),
        ("", "", 0),
    ],
)
def test_words_are_right_up_to_the_names_of_the_speakers(heard: str, speakers: str, share: float) -> None:
    assert share_of_words(spoken("one two three four", "AABB"), spoken(heard, speakers)) == share


def test_the_start_error_is_the_median_over_words_that_were_heard_rightly() -> None:
    said = spoken("one two three", "AAA")
    heard = [*spoken("One.", "A", 0.05), *spoken("too", "A", 5), *spoken("three", "A", 1.99)]
    assert start_error(said, heard) == pytest.approx(30)


def test_without_a_right_word_the_start_error_meets_no_target() -> None:
    assert start_error(spoken("one", "A"), []) == float("inf")


def test_a_segment_is_mixed_if_a_word_is_not_of_its_speaker() -> None:
    def segment(speaker: str, speakers: str) -> Segment:
        return Segment(0, 2, "one two", speaker, tuple(spoken("one two", speakers)))

    assert mixed([segment("A", "AA"), segment("A", "AB"), segment("A", "BB"), segment("B", "B-")]) == 3
