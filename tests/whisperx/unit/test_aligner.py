"""Finding the times of words with a small real alignment model, compared with the library called directly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engines.transcription.errors import BadParameter, OutOfMemory
from engines.transcription.tape import SAMPLE_RATE, Samples
from engines.whisperx.conversation import Segment
from engines.whisperx.settings import WhisperXSettings
from tests.fixtures.whisperx_models import ALIGN
from tests.unit.engines.recordings import AUDIO
from tests.whisperx.unit.stopping import Checkpoint, Stopped, never

Sound = Callable[[str], Samples]

TRUTH = {one["file"]: one for one in json.loads((AUDIO / "manifest.json").read_text())}
DIALOGUES = ["dialogue-en.wav", "dialogue-fr.wav", "meeting-en.flac"]


def transcript(name: str, *, together: int = 3) -> list[Segment]:
    """What is really said, several sentences in each segment."""
    said = TRUTH[name]["segments"]
    groups = [said[at : at + together] for at in range(0, len(said), together)]
    return [
        Segment(some[0]["start"], some[-1]["end"], " " + ". ".join(one["text"] for one in some) + ".", avg_logprob=-0.5)
        for some in groups
    ]


def check_words(segments: list[Segment]) -> None:
    for segment in segments:
        assert segment.start <= segment.end
        assert segment.words
        assert "".join(word.text for word in segment.words) == "".join(segment.text.split())
        starts = [word.start for word in segment.words]
        assert starts == sorted(starts)
        for word in segment.words:
            assert segment.start <= word.start <= word.end <= segment.end
            assert word.score is None or math.isfinite(word.score)


@pytest.mark.parametrize("name", DIALOGUES)
def test_the_result_is_the_librarys(aligner: Any, sound: Sound, name: str) -> None:
    import whisperx

    samples, segments = sound(name), transcript(name)
    model, facts = whisperx.load_align_model("en", "cpu", model_name=str(ALIGN))
    brought = [{"start": one.start, "end": one.end, "text": one.text} for one in segments]
    expected = whisperx.align(brought, model, facts, samples, "cpu")["segments"]
    aligned = aligner.align(segments, samples, never)
    assert [(one.start, one.end, one.text) for one in aligned] == [
        (one["start"], one["end"], one["text"].strip()) for one in expected
    ]
    assert [[(word.text, word.start, word.end, word.score) for word in one.words] for one in aligned] == [
        [(word["word"], word["start"], word["end"], word["score"]) for word in one["words"]] for one in expected
    ]
    assert len(aligned) > len(segments), "a segment for each sentence"
    assert {one.avg_logprob for one in aligned} == {-0.5}
    check_words(aligned)


@pytest.mark.parametrize("name", DIALOGUES)
def test_words_are_found_where_they_are(aligner: Any, sound: Sound, name: str) -> None:
    aligned = aligner.align(transcript(name), sound(name), never)
    words = [word for one in aligned for word in one.words]
    errors = [abs(word.start - true["start"]) for word, true in zip(words, TRUTH[name]["words"], strict=True)]
    assert np.median(errors) <= 0.06


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0.5, 3.0, "42 € 😀 日本 ٣"),
        (0.5, 3.0, "the house 1999 is, well: white!"),
        (3.0, 3.0, "hello you"),
        (4.0, 4.01, "a long text that never fits in there"),
        (5.0, 5.2, "a long text that never fits in there " * 5),
        (9.0, 99.0, "red green"),
        (50.0, 60.0, "way out"),
        (5.0, 4.0, "the wrong way round"),
        (0.0, 2.0, "stop\nthe\tmusic\u00a0please"),
        (0.0, 3.0, "Stop. The. Music. Please. The"),
        (0.0, 3.0, "...  ,  !"),
        (0.0, 3.0, "x" * 500),
    ],
)
def test_every_word_of_any_text_has_times(aligner: Any, sound: Sound, start: float, end: float, text: str) -> None:
    aligned = aligner.align([Segment(start, end, text)], sound("dialogue-en.wav"), never)
    check_words(aligned)
    assert "".join("".join(one.text.split()) for one in aligned) == "".join(text.split())
    assert all(start <= one.start <= one.end <= max(start, end) for one in aligned)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(1, np.float32), np.zeros(48_000, np.float32)])
def test_a_text_about_nothing_has_times_too(aligner: Any, samples: Samples) -> None:
    check_words(aligner.align([Segment(0.0, 3.0, "nobody says this")], samples, never))


def test_a_segment_without_text_is_left_out(aligner: Any, sound: Sound) -> None:
    segments = [Segment(0, 1, "  "), Segment(0.5, 2, "stop the music"), Segment(2, 3, "")]
    assert len(aligner.align(segments, sound("dialogue-en.wav"), never)) == 1
    assert aligner.align([], sound("dialogue-en.wav"), never) == []


@pytest.mark.usefixtures("libraries")
def test_without_spaces_each_character_is_a_word(settings: WhisperXSettings, sound: Sound) -> None:
    from engines.whisperx.aligner import Aligner

    aligner = Aligner("ja", str(ALIGN), settings)
    aligned = aligner.align([Segment(0.5, 3.0, "今日は 雨です。abc")], sound("dialogue-en.wav"), never)
    check_words(aligned)
    assert [word.text for one in aligned for word in one.words] == list("今日は雨です。abc")


@pytest.mark.usefixtures("libraries")
def test_without_nltks_data_sentences_are_split_by_rule(
    settings: WhisperXSettings, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is downloaded when a request comes."""
    import nltk

    from engines.whisperx import aligner as module

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("tried to download")

    def missing(_: str) -> None:
        raise LookupError

    monkeypatch.setattr(nltk, "download", refuse)
    monkeypatch.setattr(module, "_their_load", missing)
    module._sentence_splitter.cache_clear()
    try:
        aligner = module.Aligner("en", str(ALIGN), settings)
        aligned = aligner.align(
            [Segment(0.5, 4.0, "Stop the music please. The meeting is open.")], sound("dialogue-en.wav"), never
        )
        assert [one.text for one in aligned] == ["Stop the music please.", "The meeting is open."]
    finally:
        module._sentence_splitter.cache_clear()


def test_a_checkpoint_can_end_it_at_any_segment(aligner: Any, sound: Sound) -> None:
    samples, segments = sound("meeting-en.flac"), transcript("meeting-en.flac", together=1)
    whole = Checkpoint()
    told: list[float] = []
    aligner.align(segments, samples, whole, told.append)
    assert whole.looks >= 2 * len(segments)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 1)
    for last in range(1, whole.looks + 1, 5):
        checkpoint = Checkpoint(last)
        with pytest.raises(Stopped):
            aligner.align(segments, samples, checkpoint)
        assert checkpoint.looks == last


def test_without_memory_it_says_so(aligner: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def fail(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(aligner._model, "_model", fail)
    with pytest.raises(OutOfMemory):
        aligner.align(transcript("dialogue-en.wav"), sound("dialogue-en.wav"), never)


def long_recording(sound: Sound) -> tuple[Samples, str, list[float]]:
    """Somebody talks for minutes: the sound, everything that is said, and when each word begins."""
    samples, said = sound("meeting-en.flac"), TRUTH["meeting-en.flac"]
    length = len(samples) / SAMPLE_RATE
    words = [word["start"] + at * length for at in range(6) for word in said["words"]]
    return np.concatenate([samples] * 6), " ".join([said["text"]] * 6), words


def test_a_long_text_is_aligned_in_pieces_of_memory(
    aligner: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four minutes as one segment; the model hears half a minute at a time, and the table is kept in part."""
    from engines.whisperx import trellis

    monkeypatch.setattr(trellis, "LARGEST", 1_000_000)
    samples, text, starts = long_recording(sound)
    checkpoint = Checkpoint()
    aligned = aligner.align([Segment(0.0, len(samples) / SAMPLE_RATE, text)], samples, checkpoint)
    check_words(aligned)
    words = [word for one in aligned for word in one.words]
    assert np.median([abs(word.start - true) for word, true in zip(words, starts, strict=True)]) <= 0.06
    assert checkpoint.looks > 100, "it can be stopped"


def test_a_text_that_is_too_long_is_refused(aligner: Any) -> None:
    samples = np.zeros(31 * 60 * SAMPLE_RATE, np.float32)
    with pytest.raises(BadParameter, match="30 minutes") as refusal:
        aligner.align([Segment(0.0, 31 * 60.0, "hello")], samples, never)
    assert refusal.value.param == "transcript"


@pytest.mark.parametrize("length", [3, 40, 300])
@pytest.mark.usefixtures("libraries")
def test_a_table_of_which_rows_are_kept_has_the_figures_of_the_whole(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from whisperx.alignment import backtrack, get_trellis

    from engines.whisperx import aligner, trellis

    assert aligner
    generator = torch.Generator().manual_seed(length)
    emission = torch.log_softmax(torch.randn(120, 20, generator=generator) * 3, dim=-1)
    tokens = torch.randint(1, 20, (length,), generator=generator).tolist()
    whole = get_trellis(emission, tokens, 0)
    assert torch.is_tensor(whole)
    expected = backtrack(whole, emission, tokens, 0)
    monkeypatch.setattr(trellis, "LARGEST", 0)
    rows = get_trellis(emission, tokens, 0)
    assert isinstance(rows, trellis.Rows)
    assert (rows.size(0), rows.size(1)) == tuple(whole.shape)
    assert backtrack(rows, emission, tokens, 0) == expected
    assert (expected is None) == (length > 120)
