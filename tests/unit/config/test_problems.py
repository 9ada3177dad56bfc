from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.problems import Problem, described, did_you_mean, dotted, printable, quoted


def test_a_problem_is_printed_with_file_line_path_and_message() -> None:
    path = ("engines", "whisperx", "hosts", 0)
    assert Problem("bad", path, 14).printed("config.yaml") == "config.yaml:14 engines.whisperx.hosts[0]: bad"
    assert Problem("bad", line=3).printed("config.yaml") == "config.yaml:3: bad"
    assert Problem("bad").printed("config.yaml") == "config.yaml: bad"


def test_a_key_that_is_not_a_plain_word_is_quoted_in_a_path() -> None:
    assert dotted(("engines", "a.b", "x y")) == 'engines."a.b"."x y"'
    assert dotted(("engines", "a" * 100)) == f'engines."{"a" * 59}…"'


@pytest.mark.parametrize(
    ("value", "words"), [({}, "settings"), ([], "a list"), ((), "a list"), ("x", '"x"'), (5, '"5"')]
)
def test_a_value_is_described_in_a_few_words(value: object, words: str) -> None:
    assert described(value) == words


@given(st.text(), st.text())
def test_a_problem_is_one_printable_line_whatever_it_shows(file: str, value: str) -> None:
    line = Problem(f"{quoted(value)} is wrong", (value,), 1).printed(file)
    assert line.isprintable()


def test_what_a_terminal_would_obey_is_shown_as_its_code() -> None:
    assert printable("a\nb\x1b[2J\u202e\ud800\U000e0001") == r"a\nb\u001b[2J\u202e\ud800\U000e0001"


def test_a_suggestion_is_made_only_if_something_is_close() -> None:
    assert did_you_mean("idle_afer", ["idle_after", "port"]) == ' (did you mean "idle_after"?)'
    assert did_you_mean("colour", ["idle_after", "port"]) == ""
