"""Fixtures for the tests of the WhisperX engine, which run in its own environment: `make test-whisperx`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures import whisperx_models
from tests.fixtures.engine_process import EngineProcess

if TYPE_CHECKING:
    from openai import OpenAI

# Read by the libraries when they are imported, so before any test: nothing looks for a hub, nor for NLTK's data.
os.environ.update(HF_HUB_OFFLINE="1", NLTK_DATA=str(whisperx_models.NLTK_DATA))

PATIENCE_S = 120.0
"""Importing torch and its company alone takes ten seconds where a core is free."""


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, except this one: our audio is decoded before pyannote sees it, so torchcodec is left out."""
    config.addinivalue_line("filterwarnings", r"ignore:\s*torchcodec is not installed:UserWarning")


@pytest.fixture(scope="session")
def diarization_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole pyannote pipeline as a folder."""
    folder = tmp_path_factory.mktemp("models") / "diarization"
    return whisperx_models.diarization_folder(folder, whisperx_models.bundled_segmentation())


@pytest.fixture(scope="session")
def engine_environment(diarization_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an engine is told of its models. What it or a library may want to keep goes into a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    return {
        **whisperx_models.settings(whisperx_models.MODELS, diarization_model),
        "HF_HOME": str(home / "huggingface"),
        "TORCH_HOME": str(home / "torch"),
        "LOG_LEVEL": "debug",
    }


@pytest.fixture(scope="session")
def engine(engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """One engine for all tests that leave it as it was; its port is open, its libraries and models may still load.

    Afterwards, nothing that it was told may be left anywhere.
    """
    uploads = tmp_path_factory.mktemp("uploads")
    environment = {**engine_environment, "TMPDIR": str(uploads), "MAX_UPLOAD": "40m"}
    engine = EngineProcess("engines.whisperx", environment, PATIENCE_S)
    try:
        engine.until_logged("Uvicorn running")
        yield engine
        assert engine.stop() == 0, engine.log
    finally:
        engine.close()
    assert not list(uploads.iterdir()), "uploads were left on the disk"
    for secret in ("goodbye", "window", "merci", "secret", ".wav", "Traceback"):
        assert secret not in engine.log, engine.log


@pytest.fixture
def start(engine_environment: dict[str, str]) -> Iterator[Callable[..., EngineProcess]]:
    """Starts engines of one's own: `start(WHISPERX_BATCH_SIZE="1")`."""
    engines: list[EngineProcess] = []

    def start(**environment: str) -> EngineProcess:
        engines.append(EngineProcess("engines.whisperx", {**engine_environment, **environment}, PATIENCE_S))
        engines[-1].until_logged("Uvicorn running")
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


@pytest.fixture(scope="session")
def client(engine: EngineProcess) -> Iterator[OpenAI]:
    from openai import OpenAI

    with OpenAI(**engine.sdk()) as client:
        yield client
