"""Whose words they are."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given

from engines.whisperx.conversation import Segment, Turn, Word
from engines.whisperx.speakers import told_apart
from tests.whisperx.unit import conversations
from tests.whisperx.unit.conversations import TICK

A, B, C = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"


def said(text: str, *times: float) -> Segment:
    """A segment of words, each from one of the times to the next."""
    words = tuple(Word(word, start, end) for word, (start, end) in zip(text.split(), pairwise(times), strict=True))
    return Segment(times[0], times[-1], f" {text}", words, -0.25)


def lines(segments: list[Segment]) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text.strip()) for segment in segments]


def test_a_segment_is_cut_where_the_speaker_changes() -> None:
    talk = said("is it open? yes it is.", 0, 1, 2, 3, 4, 5, 6)
    first, second = told_apart([talk], [Turn(0, 3.2, A), Turn(3.2, 7, B)])
    assert first == Segment(
        0,
        3,
        "is it open?",
        (Word("is", 0, 1, None, A), Word("it", 1, 2, None, A), Word("open?", 2, 3, None, A)),
        -0.25,
        A,
    )
    assert second == Segment(
        3,
        6,
        "yes it is.",
        (Word("yes", 3, 4, None, B), Word("it", 4, 5, None, B), Word("is.", 5, 6, None, B)),
        -0.25,
        B,
    )


def test_a_segment_of_one_speaker_stays_whole() -> None:
    """Also its times and its text, to the space."""
    talk = Segment(0.5, 4, " good morning ", (Word("good", 1, 2), Word("morning", 2, 3)))
    (segment,) = told_apart([talk], [Turn(0, 5, B)])
    assert (segment.start, segment.end, segment.text, segment.speaker) == (0.5, 4, " good morning ", B)


def test_segments_of_the_same_speaker_are_not_joined() -> None:
    """They are sentences."""
    assert lines(told_apart([said("one.", 0, 1), said("two.", 1, 2)], [Turn(0, 2, A)])) == [(A, "one."), (A, "two.")]


def test_the_first_and_the_last_piece_reach_to_the_segments_ends() -> None:
    talk = Segment(0, 10, "yes no", (Word("yes", 2, 3), Word("no", 6, 7)))
    first, last = told_apart([talk], [Turn(0, 4, A), Turn(5, 9, B)])
    assert (first.start, first.end, last.start, last.end) == (0, 3, 6, 10)


def test_a_word_is_his_with_whom_it_overlaps_longest_in_all() -> None:
    """Two short turns can be more than one long one."""
    turns = [Turn(0, 0.4, A), Turn(0.4, 0.9, B), Turn(0.9, 1.3, A)]
    assert lines(told_apart([said("well", 0, 1.3)], turns)) == [(A, "well")]


def test_a_word_that_two_talk_all_through_is_his_who_began_first() -> None:
    assert lines(told_apart([said("yes", 2, 3)], [Turn(1, 4, B), Turn(0, 5, A)])) == [(A, "yes")]
    assert lines(told_apart([said("yes", 2, 3)], [Turn(1, 4, A), Turn(0, 5, B)])) == [(B, "yes")]


def test_turns_of_the_same_speaker_that_overlap_count_once() -> None:
    turns = [Turn(0, 0.5, A), Turn(0, 0.5, A), Turn(0, 0.5, A), Turn(0.4, 1, B)]
    assert lines(told_apart([said("yes", 0, 1)], turns)) == [(B, "yes")]


def test_a_lone_word_stays_with_its_speaker() -> None:
    """Answers of one word are common."""
    talk = said("open the door yes and the window", 0, 1, 2, 3, 4, 5, 6, 7)
    assert lines(told_apart([talk], [Turn(0, 3, A), Turn(3, 4, B), Turn(4, 7, A)])) == [
        (A, "open the door"),
        (B, "yes"),
        (A, "and the window"),
    ]


def test_a_word_that_nobody_was_heard_to_say_belongs_to_the_nearest_turn() -> None:
    """Nearest by the gap: a long turn's middle may be far away."""
    turns = [Turn(0, 60, A), Turn(64, 65, B)]
    assert lines(told_apart([said("right", 61, 61.5)], turns)) == [(A, "right")]
    assert lines(told_apart([said("right", 63, 63.5)], turns)) == [(B, "right")]
    assert lines(told_apart([said("right", 61.5, 62.5)], turns)) == [(A, "right")], "of two as near, who talked before"


@pytest.mark.parametrize(("start", "speaker"), [(0, A), (9, B)])
def test_words_before_the_first_turn_and_after_the_last_are_theirs(start: float, speaker: str) -> None:
    assert lines(told_apart([said("hm", start, start + 1)], [Turn(2, 3, A), Turn(4, 5, B)])) == [(speaker, "hm")]


def test_a_speaker_is_not_sure_where_nobody_was_heard() -> None:
    talk = [
        said("hello", 0, 1),
        said("who is there?", 3, 4, 5, 6),
        Segment(7, 8, "nobody"),
        Segment(1.5, 9, "somebody"),
    ]
    told = told_apart(talk, [Turn(0, 2, A)])
    assert [segment.confident for segment in told] == [True, False, False, True]


def test_one_word_that_was_heard_makes_a_segment_sure() -> None:
    (segment,) = told_apart([said("who is there?", 0, 1, 2, 3)], [Turn(2.5, 5, A)])
    assert segment.confident


def test_without_turns_there_still_is_a_speaker() -> None:
    for segment in told_apart([said("hello there", 0, 1, 2), Segment(3, 4, "hello")], []):
        assert (segment.speaker, segment.confident) == (A, False)
        assert {word.speaker for word in segment.words} <= {A}


def test_a_turn_without_length_is_none() -> None:
    (segment,) = told_apart([said("hello", 0, 1)], [Turn(0.5, 0.5, B)])
    assert (segment.speaker, segment.confident) == (A, False)


def test_a_segment_without_words_is_his_with_whom_it_overlaps_longest() -> None:
    turns = [Turn(0, 2, A), Turn(2, 5, B), Turn(5, 6, C)]
    assert told_apart([Segment(0, 6, " one two ")], turns) == [Segment(0, 6, " one two ", speaker=B)]


def test_a_word_without_length_is_his_who_talks_at_its_moment() -> None:
    (segment,) = told_apart([said("7", 2, 2)], [Turn(0, 1.9, A), Turn(1.9, 3, B)])
    assert (segment.speaker, segment.confident) == (B, True)


def test_languages_without_spaces_are_cut_between_words() -> None:
    words = tuple(Word(word, place, place + 1) for place, word in enumerate("开门吗开"))
    talk = Segment(0, 4, "开门吗?开。", words)
    assert lines(told_apart([talk], [Turn(0, 3, A), Turn(3, 4, B)])) == [(A, "开门吗?"), (B, "开。")]


def test_a_repeated_word_is_found_where_it_is() -> None:
    assert lines(told_apart([said("no no no no", 0, 1, 2, 3, 4)], [Turn(0, 3, A), Turn(3, 4, B)])) == [
        (A, "no no no"),
        (B, "no"),
    ]


def test_words_that_are_not_the_texts_make_the_texts_of_its_pieces() -> None:
    talk = Segment(0, 2, " 12 doors", (Word("twelve", 0, 1), Word("doors", 1, 2)))
    assert lines(told_apart([talk], [Turn(0, 1, A), Turn(1, 2, B)])) == [(A, "twelve"), (B, "doors")]


@given(conversations.segments(), conversations.turns())
def test_nothing_is_lost_mixed_or_moved(segments: list[Segment], turns: list[Turn]) -> None:
    told = told_apart(segments, turns)
    before = [word for segment in segments for word in segment.words]
    after = [word for segment in told for word in segment.words]
    assert [(word.text, word.start, word.end, word.score) for word in after] == [
        (word.text, word.start, word.end, word.score) for word in before
    ]
    assert "".join("".join(segment.text for segment in told).split()) == "".join(
        "".join(segment.text for segment in segments).split()
    )
    speakers = {turn.speaker for turn in turns if turn.start < turn.end} or {A}
    for segment in told:
        assert segment.speaker in speakers
        assert {word.speaker for word in segment.words} <= {segment.speaker}
        assert segment.start <= segment.end
        assert all(segment.start <= word.start <= word.end <= segment.end for word in segment.words)
        assert segment.avg_logprob == -0.5
    assert all(one.start <= other.start for one, other in pairwise(told))


@given(conversations.segments(), conversations.turns())
def test_pieces_lie_within_their_segment_and_change_the_speaker(segments: list[Segment], turns: list[Turn]) -> None:
    for segment in segments:
        pieces = told_apart([segment], turns)
        assert (pieces[0].start, pieces[-1].end) == (segment.start, segment.end)
        assert all(one.speaker != other.speaker and one.end <= other.start for one, other in pairwise(pieces))


@given(conversations.segments(), conversations.turns())
def test_each_word_has_the_speaker_who_looking_at_all_turns_finds(segments: list[Segment], turns: list[Turn]) -> None:
    for segment in told_apart(segments, turns):
        for word in segment.words:
            assert word.speaker in likely(word, turns)


def likely(word: Word, turns: list[Turn]) -> set[str]:
    """All with as good a claim to the word."""
    turns = [turn for turn in turns if turn.start < turn.end]
    if not turns:
        return {A}
    first, last = round(word.start / TICK), round(word.end / TICK)
    ticks = [tick * TICK for tick in range(first, max(last, first + 1))]
    shares = {
        speaker: sum(any(turn.start <= tick < turn.end and turn.speaker == speaker for turn in turns) for tick in ticks)
        for speaker in {turn.speaker for turn in turns}
    }
    gaps = {turn: max(turn.start - word.end, word.start - turn.end) for turn in turns}
    if most := max(shares.values()):
        return {speaker for speaker, share in shares.items() if share == most}
    return {turn.speaker for turn, gap in gaps.items() if gap == min(gaps.values())}


def test_a_day_of_talk_takes_seconds() -> None:
    """Also if somebody talks all day, so that his turn overlaps with everything."""
    words, turns = 50_000, 10_000
    day = [said("one two three four five", *(start + step / 5 for step in range(6))) for start in range(words // 5)]
    floor = [Turn(start, start + 1.5, f"SPEAKER_{start % 20:02d}") for start in range(turns)]
    began = time.monotonic()
    told_apart(day, [Turn(0, turns, "SPEAKER_99"), *floor])
    assert time.monotonic() - began < 20, "looking at all turns for each word takes minutes"
