"""The real models, small ones, each loaded once. Tests that ask for none of them need none of the libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from engines.whisperx.settings import WhisperXSettings
from tests.fixtures import whisperx_models
from tests.unit.engines.recordings import spoken

if TYPE_CHECKING:
    from engines.transcription.tape import Samples
    from engines.whisperx.aligner import Aligner
    from engines.whisperx.diarizer import Diarizer
    from engines.whisperx.listener import Listener


@pytest.fixture(scope="session")
def _loaded() -> None:
    from engines.whisperx import libraries

    with warnings.catch_warnings():
        libraries.load()


@pytest.fixture
def libraries(_loaded: None) -> Iterator[None]:
    """WhisperX and its company are imported, and warn as little as in the engine."""
    from engines.whisperx import libraries

    with warnings.catch_warnings():
        libraries.ignore_warnings()
        yield


@pytest.fixture(scope="session")
def settings(diarization_model: Path) -> WhisperXSettings:
    return WhisperXSettings.from_environment(whisperx_models.settings(whisperx_models.MODELS, diarization_model))


@pytest.fixture(scope="session")
def _listener(_loaded: None, settings: WhisperXSettings) -> Iterator[Listener]:
    from engines.whisperx.listener import Listener

    with warnings.catch_warnings(action="ignore"):
        listener = Listener(str(whisperx_models.WHISPER), settings)
    yield listener
    listener.close()


@pytest.fixture
def listener(_listener: Listener, libraries: None) -> Listener:
    return _listener


@pytest.fixture(scope="session")
def _aligner(_loaded: None, settings: WhisperXSettings) -> Iterator[Aligner]:
    from engines.whisperx.aligner import Aligner

    with warnings.catch_warnings(action="ignore"):
        aligner = Aligner("en", str(whisperx_models.ALIGN), settings)
    yield aligner
    aligner.close()


@pytest.fixture
def aligner(_aligner: Aligner, libraries: None) -> Aligner:
    return _aligner


@pytest.fixture(scope="session")
def _diarizer(_loaded: None, settings: WhisperXSettings) -> Iterator[Diarizer]:
    from engines.whisperx.diarizer import Diarizer

    with warnings.catch_warnings(action="ignore"):
        diarizer = Diarizer(settings)
    yield diarizer
    diarizer.close()


@pytest.fixture
def diarizer(_diarizer: Diarizer, libraries: None) -> Diarizer:
    return _diarizer


@pytest.fixture(scope="session")
def sound() -> Callable[[str], Samples]:
    """Samples of a shipped recording."""

    def sound(name: str) -> Samples:
        return spoken(name).astype(np.float32) / np.float32(32768)

    return sound
