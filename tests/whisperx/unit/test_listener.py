"""Hearing words with the real pipeline and a small real model, compared with the library called directly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engines.transcription import prompts
from engines.transcription.errors import BadParameter, OutOfMemory
from engines.transcription.tape import SAMPLE_RATE, Samples
from engines.whisperx.options import ListeningOptions
from engines.whisperx.settings import WhisperXSettings
from tests.fixtures.whisperx_models import CHUNK_S, WHISPER, WHISPER_10S
from tests.whisperx.unit.stopping import Checkpoint, Stopped, never

Sound = Callable[[str], Samples]

DIALOGUES = ["dialogue-en.wav", "dialogue-fr.wav"]
MEETING = "meeting-en.flac"


def by_the_library(
    samples: Samples, *, prompt: str | None = None, hotwords: str | None = None, **options: Any
) -> tuple[str, list[tuple[str, float, float, Any]]]:
    """Language; and text, start, end and probability of each segment that has a text."""
    import whisperx

    asked = {"initial_prompt": prompt, "hotwords": hotwords}
    pipeline = whisperx.load_model(str(WHISPER), "cpu", compute_type="auto", threads=2, asr_options=asked)
    result = pipeline.transcribe(samples, chunk_size=CHUNK_S, **options)
    end = len(samples) / SAMPLE_RATE
    return result["language"], [
        (one["text"], one["start"], min(one["end"], round(end, 3)), pytest.approx(one["avg_logprob"], abs=1e-5))
        for one in result["segments"]
        if one["text"].strip()
    ]


def by_us(
    listener: Any, samples: Samples, options: ListeningOptions
) -> tuple[str, list[tuple[str, float, float, Any]]]:
    language, segments = listener.listen(samples, options, never)
    return language, [(one.text, one.start, one.end, one.avg_logprob) for one in segments]


@pytest.mark.parametrize("name", [*DIALOGUES, MEETING])
def test_the_result_is_the_librarys(listener: Any, sound: Sound, name: str) -> None:
    samples = sound(name)
    assert by_us(listener, samples, ListeningOptions()) == by_the_library(samples, batch_size=8)


@pytest.mark.parametrize(
    "options",
    [
        ListeningOptions(batch_size=1),
        ListeningOptions(batch_size=2, language="fr"),
        ListeningOptions(task="translate"),
        ListeningOptions(prompt="the house is white", hotwords="music window"),
    ],
)
def test_options_do_what_they_do_in_the_library(listener: Any, sound: Sound, options: ListeningOptions) -> None:
    samples = sound("dialogue-fr.wav")
    expected = by_the_library(
        samples,
        batch_size=options.batch_size or 8,
        language=options.language,
        task=options.task,
        prompt=options.prompt,
        hotwords=options.hotwords,
    )
    assert by_us(listener, samples, options) == expected


def test_nothing_that_one_call_asks_for_is_left_for_the_next(listener: Any, sound: Sound) -> None:
    samples = sound("dialogue-en.wav")
    plain = by_us(listener, samples, ListeningOptions())
    asked = ListeningOptions("fr", "translate", "bonjour " * 50, "red green", 1)
    assert by_us(listener, samples, asked) != plain
    assert by_us(listener, samples, ListeningOptions()) == plain
    with pytest.raises(Stopped):
        listener.listen(samples, asked, Checkpoint(last=6))
    assert by_us(listener, samples, ListeningOptions()) == plain


def test_a_checkpoint_can_end_it_anywhere(listener: Any, sound: Sound) -> None:
    """While speech is looked for, between the windows of a batch, between segments."""
    samples = sound("dialogue-en.wav")
    whole = Checkpoint()
    told: list[float] = []
    _, segments = listener.listen(samples, ListeningOptions(), whole, told.append)
    searching = sum(fraction < 0.1 for fraction in told)
    assert whole.looks > 2 * len(segments) + searching
    for last in {1, 2, searching + 1, whole.looks // 2, whole.looks - 1, whole.looks}:
        checkpoint = Checkpoint(last)
        with pytest.raises(Stopped):
            listener.listen(samples, ListeningOptions(), checkpoint)
        assert checkpoint.looks == last, "the work went on"


def test_what_is_told_grows_from_nothing_to_all(listener: Any, sound: Sound) -> None:
    told: list[float] = []
    heard: list[Any] = []
    _, segments = listener.listen(sound(MEETING), ListeningOptions(batch_size=2), never, told.append, heard.append)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 1)
    assert heard == segments
    assert [one.start for one in segments] == sorted(one.start for one in segments)


@pytest.mark.parametrize("seconds", [0, 1 / SAMPLE_RATE, 0.5, 12])
def test_where_nobody_speaks_there_are_no_segments(listener: Any, seconds: float) -> None:
    """Nor is there a language, so it is the one that was asked for, else English."""
    silence = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    assert listener.listen(silence, ListeningOptions(), never) == ("en", [])
    assert listener.listen(silence, ListeningOptions(language="fr"), never) == ("fr", [])


def test_music_is_no_speech(listener: Any) -> None:
    time = np.arange(15 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277.2, 329.6)) * (np.sin(4 * np.pi * time) > 0) / 8
    assert listener.listen(chord.astype(np.float32), ListeningOptions(), never) == ("en", [])


@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.0])
def test_a_moment_of_speech_is_no_problem(listener: Any, sound: Sound, seconds: float) -> None:
    samples = sound("dialogue-en.wav")[8_000:][: round(seconds * SAMPLE_RATE)]
    _, segments = listener.listen(samples, ListeningOptions(), never)
    assert all(0 <= one.start <= one.end <= seconds for one in segments)


def test_a_language_that_the_model_does_not_know_is_refused(listener: Any, sound: Sound) -> None:
    with pytest.raises(BadParameter, match="does not know yue") as refusal:
        listener.listen(sound("dialogue-en.wav"), ListeningOptions(language="yue"), never)
    assert refusal.value.param == "language"


def test_prompt_and_hot_words_leave_room_for_the_transcript(listener: Any, sound: Sound) -> None:
    long = " ".join(["house window music"] * 200)
    _, segments = listener.listen(sound("dialogue-en.wav"), ListeningOptions(prompt=long, hotwords=long), never)
    assert segments


class Noting:
    """A tokenizer that notes how long the longest text was that it has cut into tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.longest = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str, **options: Any) -> Any:
        self.longest = max(self.longest, len(text))
        return self._tokenizer.encode(text, **options)


BOOK, MUCH = "the window is red " * 4000, "house green music " * 400


@pytest.mark.parametrize("told", [{"prompt": BOOK + MUCH}, {"hotwords": MUCH + BOOK}], ids=["prompt", "hotwords"])
def test_a_book_is_not_read_for_the_sake_of_its_end(
    listener: Any, sound: Sound, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library reads it for every batch again, and stops the whole engine meanwhile. The result is the same."""
    samples = sound("dialogue-en.wav")
    expected = by_the_library(samples, batch_size=8, **told)
    tokenizer = Noting(listener._model.hf_tokenizer)
    monkeypatch.setattr(listener._model, "hf_tokenizer", tokenizer)
    assert by_us(listener, samples, replace(ListeningOptions(), **told)) == expected
    assert 0 < tokenizer.longest <= prompts.MOST + 1


@pytest.mark.usefixtures("libraries")
def test_a_model_with_short_windows_is_given_no_longer_ones(settings: WhisperXSettings, sound: Sound) -> None:
    from engines.whisperx.listener import Listener

    listener = Listener(str(WHISPER_10S), settings.model_copy(update={"chunk_size": 30}))
    try:
        language, segments = listener.listen(sound(MEETING), ListeningOptions(), never)
    finally:
        listener.close()
    assert language == "en"
    assert len(segments) >= 4
    assert all(one.end - one.start < 10.1 for one in segments)
    assert "the" in " ".join(one.text for one in segments)


class Small:
    """A CTranslate2 model on a device with room for so many windows."""

    def __init__(self, model: Any, room: int) -> None:
        self._model = model
        self._room = room
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, encoded: Any, prompts: list[Any], **options: Any) -> Any:
        self.sizes.append(len(prompts))
        if len(prompts) > self._room:
            raise RuntimeError("CUDA failed with error out of memory")
        return self._model.generate(encoded, prompts, **options)


def test_without_memory_for_a_batch_smaller_ones_do(
    listener: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.concatenate([sound(MEETING)] * 2)
    plain = by_us(listener, samples, ListeningOptions(batch_size=8))
    small = Small(listener._model.model, room=3)
    monkeypatch.setattr(listener._model, "model", small)
    assert by_us(listener, samples, ListeningOptions(batch_size=8)) == plain
    assert small.sizes[:3] == [8, 4, 2], "halved until it fits"
    assert max(small.sizes[2:]) == 2, "and not tried again with more"


def test_without_memory_for_one_window_it_says_so(listener: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener._model, "model", Small(listener._model.model, room=0))
    with pytest.raises(OutOfMemory):
        listener.listen(sound(MEETING), ListeningOptions(), never)


def test_other_failures_are_not_taken_for_want_of_memory(
    listener: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(type(listener._model), "generate_segment_batched", fail)
    with pytest.raises(RuntimeError, match="broken"):
        listener.listen(sound("dialogue-en.wav"), ListeningOptions(), never)


@pytest.mark.usefixtures("libraries")
def test_all_models_share_one_network_for_finding_speech() -> None:
    from engines.whisperx.vad import Sight

    first, second = Sight("cpu", print), Sight("cpu", print)
    assert first._network is second._network


def test_what_a_client_reads_holds_no_odd_figures(listener: Any, sound: Sound) -> None:
    _, segments = listener.listen(sound(MEETING), replace(ListeningOptions(), batch_size=3), never)
    assert all(np.isfinite([one.start, one.end, one.avg_logprob]).all() for one in segments)
