from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import pytest

from bench.engine import recordings
from bench.engine.recordings import Recording


def test_the_clip_has_about_three_seconds_and_its_words_are_known() -> None:
    clip = recordings.clip()
    assert clip.seconds == pytest.approx(3, abs=0.1)
    assert (clip.language, clip.text) == ("en", "one two three four five")


def test_every_exact_recording_that_is_shipped_is_used() -> None:
    phrases = recordings.exact()
    assert {phrase.language for phrase in phrases} == {"en", "fr"}
    assert len(phrases) == len([file for file in recordings.AUDIO.glob("*-*.wav") if not file.name.startswith("dia")])


def test_joined_recordings_have_their_pauses_and_all_words() -> None:
    one, two = Recording(b"\1\0" * 16_000, "en", "one"), Recording(b"\2\0" * 8_000, "en", "two")
    both = recordings.joined([one, two], [0.25, 0.5])
    assert (both.text, both.language, both.seconds) == ("one two", "en", 2.25)
    assert both.sound == one.sound + bytes(8_000) + two.sound + bytes(16_000)


def test_a_talk_is_as_long_as_was_asked_for() -> None:
    assert len(recordings.talk(100)) == 100 * 16_000 * 2


def test_clips_differ() -> None:
    clips = recordings.clips(16, 5)
    assert {len(clip) for clip in clips} == {5 * 16_000 * 2}
    assert len(set(clips)) == 16


def test_a_wav_file_holds_the_sound() -> None:
    sound = recordings.clip().sound
    with wave.open(io.BytesIO(recordings.wav(sound))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(file.getnframes()) == sound


def test_an_mp3_file_is_as_long_as_the_sound(tmp_path: Path) -> None:
    with av.open(str(recordings.write_mp3(tmp_path / "talk.mp3", recordings.talk(10)))) as file:
        assert file.duration is not None
        assert file.duration / av.time_base == pytest.approx(10, abs=0.2)
