"""What those who speak are called."""

from __future__ import annotations

from itertools import chain, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.whisperx.known_speakers import lettered, named, similarity

EAST, NORTH, NORTHEAST, WEST = [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]
voices = st.lists(st.integers(-3, 3).map(float), min_size=3, max_size=3)


def test_a_voice_that_is_known_has_its_name() -> None:
    assert named({"SPEAKER_00": NORTH, "SPEAKER_01": EAST}, {"Eve": EAST, "Nora": NORTH}) == {
        "SPEAKER_00": "Nora",
        "SPEAKER_01": "Eve",
    }


def test_how_loud_a_voice_is_does_not_matter() -> None:
    assert named({"SPEAKER_00": [0.001, 0.0]}, {"Eve": [500.0, 0.0]}) == {"SPEAKER_00": "Eve"}


def test_who_is_like_nobody_known_has_no_name() -> None:
    assert named({"SPEAKER_00": NORTH, "SPEAKER_01": WEST}, {"Eve": EAST}) == {}
    assert named({"SPEAKER_00": NORTHEAST}, {"Eve": EAST}, threshold=0.8) == {}
    assert named({"SPEAKER_00": NORTHEAST}, {"Eve": EAST}, threshold=0.7) == {"SPEAKER_00": "Eve"}


def test_a_name_is_given_once_to_who_is_most_like_it() -> None:
    assert named({"SPEAKER_00": NORTHEAST, "SPEAKER_01": EAST}, {"Eve": EAST}) == {"SPEAKER_01": "Eve"}


def test_two_who_are_both_like_one_known_voice_are_told_apart_by_the_other() -> None:
    """The best for each alone would leave the second without a name."""
    speakers = {"SPEAKER_00": [1.0, 0.1], "SPEAKER_01": [1.0, 0.0]}
    known = {"Eve": [1.0, 0.05], "Ann": [1.0, 0.6]}
    assert named(speakers, known) == {"SPEAKER_00": "Ann", "SPEAKER_01": "Eve"}


def test_a_certain_match_is_not_given_up_for_two_doubtful_ones() -> None:
    """Below, Eve's voice is EAST; 0.71 is how much the others are like it or each other."""
    speakers = {"SPEAKER_00": EAST, "SPEAKER_01": NORTHEAST}
    known = {"Eve": EAST, "Nora": [1.0, -1.0]}
    assert named(speakers, known, threshold=0.6) == {"SPEAKER_00": "Eve"}


@pytest.mark.parametrize("voice", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_who_was_heard_too_little_has_no_name(voice: list[float]) -> None:
    """For them pyannote has an embedding of zeros, or none that could be computed with."""
    assert similarity(voice, EAST) == similarity(EAST, voice) == -1.0
    assert named({"SPEAKER_00": voice}, {"Eve": EAST}) == {}
    assert named({"SPEAKER_00": EAST}, {"Eve": voice}) == {}


def test_without_speakers_or_names_nobody_is_named() -> None:
    assert named({}, {"Eve": EAST}) == named({"SPEAKER_00": EAST}, {}) == {}


@given(st.lists(voices, max_size=5), st.lists(voices, max_size=3), st.sampled_from([-1.0, 0.0, 0.3, 0.7]))
def test_no_other_way_to_give_the_names_is_better(
    speakers: list[list[float]], known: list[list[float]], threshold: float
) -> None:
    found = named(dict(zip("abcde", speakers, strict=False)), dict(zip("xyz", known, strict=False)), threshold)
    assert len(set(found.values())) == len(found)
    gains = {
        (a, b): similarity(one, other) - threshold
        for a, one in zip("abcde", speakers, strict=False)
        for b, other in zip("xyz", known, strict=False)
    }
    assert all(gains[pair] >= 0 for pair in found.items())
    ways = permutations([*"abcde"[: len(speakers)], *[""] * len(known)], len(known))
    best = max(sum(max(gains.get((a, b), 0.0), 0.0) for a, b in zip(way, "xyz", strict=False)) for way in ways)
    assert sum(gains[pair] for pair in found.items()) == pytest.approx(best)


def test_a_crowd_is_named_at_once() -> None:
    """A hundred speakers, and the four that OpenAI's API allows to be known."""
    crowd = {f"SPEAKER_{number:02d}": [float(number == place) for place in range(100)] for number in range(100)}
    known = {name: crowd[f"SPEAKER_{number}"] for name, number in [("Ann", 17), ("Bob", 42), ("Eve", 99), ("Max", 10)]}
    assert named(crowd, known) == {"SPEAKER_10": "Max", "SPEAKER_17": "Ann", "SPEAKER_42": "Bob", "SPEAKER_99": "Eve"}


def test_speakers_have_letters_as_they_come() -> None:
    assert lettered(["SPEAKER_02", "SPEAKER_00", "SPEAKER_02"], {}) == {"SPEAKER_02": "A", "SPEAKER_00": "B"}


def test_who_has_a_name_takes_no_letter() -> None:
    assert lettered(["x", "y", "z"], {"y": "Eve", "other": "Ann"}) == {"x": "A", "y": "Eve", "z": "B"}


def test_after_z_comes_aa() -> None:
    labels = list(lettered(map(str, range(26 + 26 * 26 + 1)), {}).values())
    assert (labels[0], labels[25], labels[26], labels[27], labels[701], labels[702]) == (
        "A",
        "Z",
        "AA",
        "AB",
        "ZZ",
        "AAA",
    )


def test_a_letter_that_is_somebodys_name_is_nobody_elses() -> None:
    """Who had A and B recognised in the next part of a recording did not mean anybody else by them."""
    assert lettered(["x", "y"], {"y": "A"}) == {"x": "B", "y": "A"}
    assert lettered(["x", "y"], {}, reserved=["A", "B"]) == {"x": "C", "y": "D"}


@given(st.lists(st.sampled_from("abcdef")), st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("ABCDE")))
def test_no_two_speakers_have_the_same_label(speakers: list[str], names: dict[str, str]) -> None:
    names = {speaker: name for name, speaker in {name: speaker for speaker, name in names.items()}.items()}
    labels = lettered(speakers, names)
    assert set(labels) == set(speakers)
    assert len(set(labels.values())) == len(labels)
    assert all(labels[speaker] == name for speaker, name in names.items() if speaker in labels)
    assert not set(chain.from_iterable(labels[one] for one in labels if one not in names)) & set(names.values())
