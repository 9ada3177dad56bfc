from __future__ import annotations

import itertools
import wave
from pathlib import Path

import pytest

from bench.whisperx import recordings
from bench.whisperx.conversation import Turn, Word
from bench.whisperx.recordings import Conversation


@pytest.mark.parametrize("file", [*recordings.DIALOGUES, *recordings.MEETINGS])
def test_of_a_shipped_conversation_every_word_lies_in_a_turn_of_its_speaker(file: str) -> None:
    conversation = recordings.shipped(file)
    assert len(conversation.speakers) == (2 if file in recordings.DIALOGUES else 3)
    assert conversation.turns[-1].end < conversation.seconds
    for word in conversation.words:
        (turn,) = [turn for turn in conversation.turns if turn.start <= word.start < turn.end]
        assert turn.speaker == word.speaker


def test_a_long_conversation_is_the_same_each_time_and_about_as_long_as_was_asked_for() -> None:
    long = recordings.long(60)
    assert long == recordings.long(60)
    assert long.seconds == pytest.approx(60, abs=4)
    assert long.speakers == {"A", "B"}


def test_what_is_heard_in_a_long_conversation_is_what_its_turns_and_words_say() -> None:
    dialogue, long = recordings.shipped(recordings.DIALOGUES[0]), recordings.long(60)
    known = {sound(dialogue, turn): turn.speaker for turn in dialogue.turns}
    assert {sound(long, turn): turn.speaker for turn in long.turns} == known
    spoken = {sound(dialogue, word): word.text for word in dialogue.words}
    assert {sound(long, word): word.text for word in long.words} == spoken


def sound(conversation: Conversation, piece: Turn | Word) -> bytes:
    return recordings.cut(conversation.sound, piece.start, piece.end)


def test_turns_of_a_long_conversation_come_one_after_the_other_and_in_other_orders() -> None:
    turns = recordings.long(60).turns
    assert all(one.end < other.start for one, other in itertools.pairwise(turns))
    lengths = [round(turn.end - turn.start, 3) for turn in turns]
    assert sorted(lengths[:5]) == sorted(lengths[5:10])
    assert lengths[:5] != lengths[5:10]


def test_a_file_is_filled_to_the_sample_with_the_sound_over_and_over(tmp_path: Path) -> None:
    with wave.open(str(recordings.write_wav(tmp_path / "long.wav", b"\1\0\2\0\3\0", 0.0005))) as file:
        assert file.readframes(100) == b"\1\0\2\0\3\0" * 2 + b"\1\0\2\0"
