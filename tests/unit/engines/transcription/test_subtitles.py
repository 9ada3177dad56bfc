"""Cues and their lines. The golden files hold what openai-whisper 20250625 writes for the same words and limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines.transcription.subtitles import Cue, CueLimits, layout, srt, vtt
from engines.transcription.transcript import Segment, Word

GOLDEN = Path(__file__).parent / "golden"


def segment(text: str, start: float = 0.0, step: float = 0.5) -> Segment:
    """Each word takes `step` seconds."""
    words = tuple(
        Word(word, start + number * step, start + (number + 1) * step, 1.0) for number, word in enumerate(text.split())
    )
    return Segment(start, start + len(words) * step, f" {text}", 0, (), 0.0, 0.0, 1.0, 0.0, words)


TALK = (
    segment("Good morning, everybody, and welcome to our meeting."),
    segment("The report is ready.", start=4.5),
    segment("Now, after a pause, we go on with a very-long-compound-word-that-has-no-room.", start=12.0, step=0.4),
)


def lines(limits: CueLimits | None, *segments: Segment) -> list[tuple[str, ...]]:
    return [cue.lines for cue in layout(segments or TALK, limits)]


@pytest.mark.parametrize(
    "limits",
    [
        CueLimits(line_width=20),
        CueLimits(line_width=20, line_count=1),
        CueLimits(line_width=20, line_count=2),
        CueLimits(words_per_line=3),
        CueLimits(line_width=12, words_per_line=3),
        CueLimits(line_width=20, line_count=2, words_per_line=3),
        CueLimits(line_count=2),
    ],
    ids=["width", "one-line", "two-lines", "words", "width-and-words", "all", "count-alone"],
)
def test_limits_do_what_they_do_in_openai_whisper(limits: CueLimits, request: pytest.FixtureRequest) -> None:
    golden = GOLDEN / f"limits-{request.node.callspec.id}.srt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(srt(TALK, limits))
    assert srt(TALK, limits) == golden.read_text()


def test_without_limits_each_segment_is_a_cue() -> None:
    assert list(layout([segment("one two", start=1.0)], None)) == [Cue(1.0, 2.0, ("one two",))]


def test_a_width_breaks_lines_within_segments() -> None:
    assert lines(CueLimits(line_width=10), segment("one two three four"), segment("five", start=2)) == [
        ("one two", "three four"),
        ("five",),
    ]


def test_width_and_count_together_let_words_flow_from_segment_to_segment() -> None:
    limits = CueLimits(line_width=10, line_count=2)
    assert lines(limits, segment("one two three four"), segment("five", start=2)) == [
        ("one two", "three four"),
        ("five",),
    ]
    assert lines(limits, segment("one two three"), segment("five", start=1.5)) == [("one two", "three five")]


def test_after_a_long_pause_a_cue_begins() -> None:
    limits = CueLimits(line_width=40, line_count=2)
    assert lines(limits, segment("one"), segment("two", start=3.0)) == [("one two",)]
    assert lines(limits, segment("one"), segment("two", start=3.1)) == [("one",), ("two",)]


def test_a_cue_lasts_from_its_first_word_to_its_last() -> None:
    cues = list(layout([segment("one two three", start=1.0)], CueLimits(words_per_line=2)))
    assert [(cue.start, cue.end) for cue in cues] == [(1.0, 2.0), (2.0, 2.5)]


def test_a_word_longer_than_a_line_is_not_cut() -> None:
    assert lines(CueLimits(line_width=3), segment("a lengthy b")) == [("a", "lengthy", "b")]


def test_no_space_comes_between_words_that_have_none() -> None:
    """Chinese, Japanese and Thai have none, and a French word may be two tokens."""
    words = tuple(Word(text, number, number + 1, 1.0) for number, text in enumerate("今日は良い"))
    unspaced = Segment(0, 5, "今日は良い", 0, (), 0.0, 0.0, 1.0, 0.0, words)
    assert lines(CueLimits(line_width=3), unspaced) == [("今日は", "良い")]


def test_words_that_the_text_has_not_are_kept_apart() -> None:
    strange = Segment(0, 2, " one", 0, (), 0.0, 0.0, 1.0, 0.0, (Word("two", 0, 1, 1.0), Word("three", 1, 2, 1.0)))
    assert lines(CueLimits(line_width=40), strange) == [("two three",)]


def test_words_whose_times_are_not_known_are_shown_while_the_segment_lasts() -> None:
    unaligned = Segment(1, 3, " one two", 0, (), 0.0, 0.0, 1.0, 0.0)
    assert list(layout([unaligned], CueLimits(line_width=4))) == [Cue(1, 3, ("one", "two"))]


@pytest.mark.parametrize("limits", [None, CueLimits(line_width=5)])
def test_a_blank_segment_is_no_cue(limits: CueLimits | None) -> None:
    blank = Segment(0, 1, " \n", 0, (), 0.0, 0.0, 1.0, 0.0)
    assert srt([blank, segment("one", start=2)], limits) == "1\n00:00:02,000 --> 00:00:02,500\none\n\n"


@pytest.mark.parametrize("limits", [None, CueLimits(line_width=5), CueLimits(words_per_line=1)])
@pytest.mark.parametrize("text", ["a --> b", "a ---> b", "a\n\n2\n00:00:00,000 --> 00:00:01,000\nb", "a\u2028b\u0085c"])
def test_no_sentence_can_break_a_cue(text: str, limits: CueLimits | None) -> None:
    for content in (srt([segment(text)], limits), vtt([segment(text)], limits).removeprefix("WEBVTT\n\n")):
        cues = content.removesuffix("\n\n").split("\n\n")
        assert content.count("-->") == len(cues)
        assert all("-->" in cue for cue in cues)


def test_times_are_clocks() -> None:
    cue = Segment(3661.5, 360_000.0004, "x", 0, (), 0.0, 0.0, 1.0, 0.0)
    assert srt([cue]).startswith("1\n01:01:01,500 --> 100:00:00,000\n")
    assert vtt([cue]).startswith("WEBVTT\n\n01:01:01.500 --> 100:00:00.000\n")
    assert srt([segment("x", start=-0.1)]).startswith("1\n00:00:00,000 --> ")
