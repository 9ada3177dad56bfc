from __future__ import annotations

import pytest

from bench.engine.scoring import errors


@pytest.mark.parametrize(
    ("heard", "wrong"),
    [
        ("one two three", 0),
        (" One, two: three!\n", 0),
        ("one three", 1),
        ("one two two three", 1),
        ("one too three", 1),
        ("two three one", 2),
        ("", 3),
        ("four five six seven", 4),
    ],
)
def test_wrong_words_are_those_that_would_have_to_be_put_in_left_out_or_changed(heard: str, wrong: int) -> None:
    assert errors("one two three", heard) == wrong


def test_everything_is_wrong_where_nothing_was_said() -> None:
    assert errors("", "thank you") == 2


def test_words_are_words_in_any_script() -> None:
    assert errors("réunion demain", "Réunion, demain.") == 0
