"""Times for all words, whatever the aligner found. Needs no model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.whisperx.conversation import Word
from engines.whisperx.word_times import mended, spread, words_of

odd_times = st.one_of(st.none(), st.floats(-5, 40), st.just(float("nan")), st.just(float("inf")))
found = st.fixed_dictionaries(
    {"word": st.text("abcde42.,é日", min_size=1, max_size=6)},
    optional={"start": odd_times, "end": odd_times, "score": odd_times},
)


@given(st.lists(found, max_size=12), st.floats(0, 20), st.floats(0, 15))
def test_every_word_has_times_in_order_inside_the_segment(
    words: list[dict[str, Any]], start: float, length: float
) -> None:
    end = start + length
    timed = mended(words, start, end)
    assert [word.text for word in timed] == [one["word"] for one in words]
    starts = [word.start for word in timed]
    assert starts == sorted(starts)
    for word in timed:
        assert start - 0.001 <= word.start <= word.end <= end + 0.001
        assert word.score is None or -5 <= word.score <= 40


def test_times_that_were_found_stay() -> None:
    words: list[dict[str, Any]] = [
        {"word": "red", "start": 1.0, "end": 1.5, "score": 0.5},
        {"word": "blue", "start": 1.6, "end": 2.0},
    ]
    assert mended(words, 0.0, 3.0) == [Word("red", 1.0, 1.5, 0.5), Word("blue", 1.6, 2.0)]


def test_words_without_times_share_the_gap_between_their_neighbours_by_length() -> None:
    words: list[dict[str, Any]] = [
        {"word": "red", "start": 1.0, "end": 2.0, "score": 0.5},
        {"word": "a"},
        {"word": "green", "score": 0.1},
        {"word": "blue", "start": 6.0, "end": 7.0, "score": 0.5},
    ]
    assert mended(words, 0.0, 8.0)[1:3] == [Word("a", 2.0, 3.0), Word("green", 3.0, 6.0)]


def test_words_at_the_ends_reach_as_far_as_the_segment() -> None:
    words: list[dict[str, Any]] = [{"word": "a"}, {"word": "b", "start": 2.0, "end": 3.0}, {"word": "c"}]
    assert mended(words, 1.0, 5.0) == [Word("a", 1.0, 2.0), Word("b", 2.0, 3.0), Word("c", 3.0, 5.0)]


def test_without_any_time_words_share_the_segment() -> None:
    assert list(spread(["ab", "cdefg"], 0.0, 9.0)) == [Word("ab", 0.0, 3.0), Word("cdefg", 3.0, 9.0)]
    assert list(spread(["ab", "c"], 4.0, 4.0)) == [Word("ab", 4.0, 4.0), Word("c", 4.0, 4.0)]
    assert list(spread([], 0.0, 1.0)) == []


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", " the  house\nis ", ["the", "house", "is"]),
        ("ja", "今日は 雨", ["今", "日", "は", "雨"]),
        ("zh", "你好。", ["你", "好", "。"]),
        ("fr", "  ", []),
    ],
)
def test_words_are_what_is_between_spaces_or_single_characters(language: str, text: str, words: list[str]) -> None:
    assert words_of(text, language) == words
