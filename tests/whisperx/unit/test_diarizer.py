"""Telling speakers apart with the real pipeline and small real models, compared with the library called directly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.transcription.errors import BadAudio, OutOfMemory
from engines.transcription.tape import SAMPLE_RATE, Samples
from engines.whisperx.conversation import Turn
from engines.whisperx.options import SpeakerOptions
from tests.unit.engines.recordings import AUDIO
from tests.whisperx.unit.stopping import Checkpoint, Stopped, never

Sound = Callable[[str], Samples]

TRUTH = {one["file"]: one for one in json.loads((AUDIO / "manifest.json").read_text())}
DIALOGUES = ["dialogue-en.wav", "dialogue-fr.wav"]
MEETING = "meeting-en.flac"


@pytest.fixture
def by_the_library(libraries: None, diarization_model: Path) -> Any:
    """WhisperX's own pipeline, with all of pyannote's own functions."""
    from pyannote.audio import Inference
    from pyannote.audio.pipelines import clustering, speaker_diarization
    from pyannote.audio.pipelines.speaker_verification import PyannoteAudioPretrainedSpeakerEmbedding as Embedding
    from whisperx.diarize import DiarizationPipeline

    from engines.whisperx import kept_batches
    from engines.whisperx import long_meetings as ours

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speaker_diarization, "binarize", ours._their_binarize)
        patch.setattr(clustering, "linkage", ours._their_linkage)
        patch.setattr(clustering.BaseClustering, "filter_embeddings", ours._their_filter)
        patch.setattr(Inference, "infer", kept_batches._their_infer)
        patch.setattr(Embedding, "__call__", kept_batches._their_embed)
        patch.setattr(speaker_diarization.SpeakerDiarization, "reconstruct", ours._their_reconstruct)
        yield DiarizationPipeline(model_name=str(diarization_model))


OPTIONS = [
    SpeakerOptions(),
    SpeakerOptions(exactly=2),
    SpeakerOptions(exactly=1),
    SpeakerOptions(at_least=3),
    SpeakerOptions(at_most=2),
]


@pytest.mark.parametrize("name", [*DIALOGUES, MEETING])
def test_the_result_is_the_librarys(by_the_library: Any, diarizer: Any, sound: Sound, name: str) -> None:
    samples = sound(name)
    found, voices = by_the_library(samples, return_embeddings=True)
    check_same(diarizer.diarize(samples, SpeakerOptions(), never), found, voices, len(samples) / SAMPLE_RATE)


@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
def test_options_do_what_they_do_in_the_library(
    by_the_library: Any, diarizer: Any, sound: Sound, options: SpeakerOptions
) -> None:
    samples = sound(DIALOGUES[0])
    found, voices = by_the_library(
        samples,
        num_speakers=options.exactly,
        min_speakers=options.at_least,
        max_speakers=options.at_most,
        return_embeddings=True,
    )
    check_same(diarizer.diarize(samples, options, never), found, voices, len(samples) / SAMPLE_RATE)


def check_same(ours: tuple[list[Turn], dict[str, Any]], found: Any, voices: dict[str, Any], duration: float) -> None:
    turns, embeddings = ours
    theirs = sorted((round(row.start, 3), round(min(row.end, duration), 3), row.speaker) for row in found.itertuples())
    assert [(turn.start, turn.end, turn.speaker) for turn in turns] == theirs
    assert embeddings.keys() == {
        speaker for speaker, voice in voices.items() if np.isfinite(voice).all() and any(voice)
    }
    for speaker, voice in embeddings.items():
        np.testing.assert_allclose(voice, voices[speaker], atol=1e-5)


@pytest.mark.parametrize("name", DIALOGUES)
def test_the_speakers_of_a_dialogue_are_told_apart(diarizer: Any, sound: Sound, name: str) -> None:
    """Two of them, and at 95 % of the time in which somebody speaks it is the right one."""
    turns, voices = diarizer.diarize(sound(name), SpeakerOptions(), never)
    assert len(voices) == len({turn.speaker for turn in turns}) == 2
    said = TRUTH[name]["segments"]
    names = sorted({one["speaker"] for one in said})
    total = sum(one["end"] - one["start"] for one in said)
    best = max(
        sum(
            max(0.0, min(turn.end, one["end"]) - max(turn.start, one["start"]))
            for one in said
            for turn in turns
            if who[one["speaker"]] == turn.speaker
        )
        for who in (dict(zip(names, order, strict=True)) for order in (sorted(voices), sorted(voices, reverse=True)))
    )
    assert best / total >= 0.95


def test_nothing_that_one_call_asks_for_is_left_for_the_next(diarizer: Any, sound: Sound) -> None:
    samples = sound(DIALOGUES[0])
    turns, voices = diarizer.diarize(samples, SpeakerOptions(), never)
    assert len(diarizer.diarize(samples, SpeakerOptions(exactly=1), never)[1]) == 1
    with pytest.raises(Stopped):
        diarizer.diarize(samples, SpeakerOptions(exactly=3), Checkpoint(last=12))
    again, again_voices = diarizer.diarize(samples, SpeakerOptions(), never)
    assert again == turns
    assert again_voices.keys() == voices.keys()


def test_a_checkpoint_can_end_it_in_each_step(diarizer: Any, sound: Sound) -> None:
    """Segmentation, embeddings, clustering, and putting it together."""
    samples = sound(DIALOGUES[0])
    whole = Checkpoint()
    told: list[float] = []
    diarizer.diarize(samples, SpeakerOptions(), whole, told.append)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 1)
    assert len(told) > 8
    for last in sorted({1, 2, 5, 8, whole.looks // 2, whole.looks - 5, whole.looks}):
        checkpoint = Checkpoint(last)
        with pytest.raises(Stopped):
            diarizer.diarize(samples, SpeakerOptions(), checkpoint)
        assert checkpoint.looks == last, "the work went on"


@pytest.mark.parametrize("seconds", [0, 1 / SAMPLE_RATE, 0.5, 12])
@pytest.mark.parametrize("options", [SpeakerOptions(), SpeakerOptions(exactly=2), SpeakerOptions(at_least=2)], ids=str)
def test_where_nobody_speaks_there_are_no_turns(diarizer: Any, seconds: float, options: SpeakerOptions) -> None:
    silence = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    assert diarizer.diarize(silence, options, never) == ([], {})


def test_music_has_no_speakers(diarizer: Any) -> None:
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277.2, 329.6)) * (np.sin(4 * np.pi * time) > 0) / 8
    assert diarizer.diarize(chord.astype(np.float32), SpeakerOptions(), never) == ([], {})


@pytest.mark.parametrize("seconds", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_short_recordings_are_no_problem(diarizer: Any, sound: Sound, seconds: float, options: SpeakerOptions) -> None:
    """Even if there are not as many speakers in them as were asked for; figures are figures."""
    samples = sound(DIALOGUES[0])[8_000:][: round(seconds * SAMPLE_RATE)]
    turns, voices = diarizer.diarize(samples, options, never)
    assert turns
    assert all(0 <= turn.start <= turn.end <= seconds for turn in turns)
    assert all(np.isfinite(voice).all() for voice in voices.values())


def test_a_clip_is_recognised_by_its_voice(diarizer: Any, sound: Sound) -> None:
    """Also with a pause before and after it."""
    samples = sound(DIALOGUES[0])
    turns, voices = diarizer.diarize(samples, SpeakerOptions(), never)
    pause = np.zeros(SAMPLE_RATE, np.float32)
    for speaker in voices:
        longest = max((turn for turn in turns if turn.speaker == speaker), key=lambda turn: turn.end - turn.start)
        clip = samples[int(longest.start * SAMPLE_RATE) : int(longest.end * SAMPLE_RATE)]
        voice = diarizer.embedding(np.concatenate([pause, clip, pause]))
        likeness = {other: cosine(voice, theirs) for other, theirs in voices.items()}
        assert likeness.pop(speaker) > 0.8
        assert max(likeness.values()) < 0.3


def cosine(one: Any, other: Any) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("seconds", [0, 0.1, 3])
def test_a_clip_in_which_nobody_speaks_is_refused(diarizer: Any, seconds: float) -> None:
    with pytest.raises(BadAudio, match="Nobody"):
        diarizer.embedding(np.zeros(round(seconds * SAMPLE_RATE), np.float32))


def test_without_memory_for_a_batch_smaller_ones_do(
    diarizer: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    samples = sound(DIALOGUES[0])
    turns, _ = diarizer.diarize(samples, SpeakerOptions(), never)
    pipeline = diarizer._pipeline
    usual = pipeline.segmentation_batch_size, pipeline.embedding_batch_size
    network, sizes = pipeline._embedding.model_, []

    def on_a_small_device(waveforms: Any, **options: Any) -> Any:
        sizes.append(len(waveforms))
        if len(waveforms) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return network(waveforms, **options)

    monkeypatch.setattr(pipeline._embedding, "model_", on_a_small_device)
    assert [(turn.start, turn.end) for turn in diarizer.diarize(samples, SpeakerOptions(), never)[0]] == [
        (turn.start, turn.end) for turn in turns
    ]
    assert sizes[:3] == [8, 4, 2]
    assert (pipeline.segmentation_batch_size, pipeline.embedding_batch_size) == usual, "the next one may have luck"


def test_without_memory_for_one_window_it_says_so(diarizer: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(diarizer._pipeline._embedding, "model_", fail)
    with pytest.raises(OutOfMemory):
        diarizer.diarize(sound(DIALOGUES[0]), SpeakerOptions(), never)
