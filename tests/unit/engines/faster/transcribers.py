"""Transcribers with the small shipped models, and faster-whisper called directly ("the library") beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel

from engines.faster.settings import FasterSettings
from engines.faster.transcriber import Transcriber
from engines.transcription.tape import Samples
from engines.transcription.transcript import Segment, Transcript
from tests.unit.engines.recordings import AUDIO, MODEL, SAMPLES, silence, spoken

TEN_SECONDS = SAMPLES / "models" / "micro-whisper-10s"
"""A model with windows of ten seconds, so that recordings are soon long."""
EXACT = [entry for entry in json.loads((AUDIO / "manifest.json").read_text()) if entry.get("exact")]
EXACT = [entry for entry in EXACT if (AUDIO / entry["file"]).is_file()]


def settings(model: Path | str, **environment: str) -> FasterSettings:
    return FasterSettings.from_environment(
        {"WHISPER_MODEL": str(model), "WHISPER_DEVICE": "cpu", "WHISPER_COMPUTE_TYPE": "int8", **environment}
    )


def loaded(model: Path, **environment: str) -> Transcriber:
    return Transcriber(str(model), settings(model, **environment))


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return loaded(MODEL)


@pytest.fixture(scope="module")
def brief() -> Transcriber:
    """Its windows are ten seconds."""
    return loaded(TEN_SECONDS, WHISPER_BATCH_SIZE="4")


@pytest.fixture(scope="module")
def library() -> WhisperModel:
    return WhisperModel(str(MODEL), device="cpu", compute_type="int8")


@pytest.fixture(scope="module")
def brief_library() -> WhisperModel:
    return WhisperModel(str(TEN_SECONDS), device="cpu", compute_type="int8")


def samples(*names: str) -> Samples:
    return np.concatenate([spoken(name) for name in names]).astype(np.float32) / np.float32(32768)


@pytest.fixture(scope="module")
def long() -> Samples:
    """All English phrases, with a pause after every second one: more than a minute."""
    names = [entry["file"] for entry in EXACT if entry["language"] == "en"]
    pause = silence(3).astype(np.float32)
    return np.concatenate(
        [part for first in range(0, len(names), 2) for part in (samples(*names[first : first + 2]), pause)]
    )


def facts(segment: Any) -> tuple[Any, ...]:
    """All that a segment says, be it ours or the library's."""
    words = [
        (word.text if isinstance(segment, Segment) else word.word.strip(), word.start, word.end, word.probability)
        for word in segment.words or ()
    ]
    return (
        segment.start, segment.end, segment.text, segment.seek, tuple(segment.tokens), segment.temperature,
        segment.avg_logprob, segment.compression_ratio, segment.no_speech_prob, words,
    )  # fmt: skip


def all_facts(transcript: Transcript) -> list[tuple[Any, ...]]:
    return [facts(segment) for segment in transcript.segments]
