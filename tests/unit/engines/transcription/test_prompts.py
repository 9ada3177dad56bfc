"""What is told to a model before a recording is cut to what it can make use of."""

from __future__ import annotations

import pytest

from engines.transcription.prompts import MOST, first, latest


@pytest.mark.parametrize("text", [None, "", " ", "Ada Lovelace\n", "x" * MOST])
def test_what_is_short_stays_as_it_is(text: str | None) -> None:
    assert latest(text) == first(text) == text


def test_of_a_long_text_its_end_is_kept_and_of_long_hot_words_their_beginning() -> None:
    text = " ".join(map(str, range(MOST)))
    assert latest(text) == text[-MOST:]
    assert first(text) == text[:MOST]


def test_blanks_around_it_take_no_room_from_the_words() -> None:
    assert latest("Ada" + " " * MOST) == first("\n" * MOST + "Ada") == "Ada"
