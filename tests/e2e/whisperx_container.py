"""The WhisperX engine in a container, on the small models."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import httpx
from docker.models.containers import Container

from tests.e2e.engine_container import HARDENED, url
from tests.fixtures import whisperx_models
from tests.fixtures.speech import recording

PATIENCE_S = 180.0
"""Seconds that a first answer may take on a busy machine: torch is imported, three models are loaded."""
SEGMENTATION = PurePosixPath("/venv/lib/python3.11/site-packages/whisperx/assets/pytorch_model.bin")
"""In the image."""


def settings(folder: Path, **environment: str) -> dict[str, Any]:
    """What a container is made with, in the Docker SDK's words. folder: where a diarization model is put together."""
    diarization = whisperx_models.diarization_folder(folder / "diarization", Path(SEGMENTATION))
    told = whisperx_models.settings(Path("/models"), Path("/diarization"))
    del told["NLTK_DATA"]  # is in the image
    return {
        **HARDENED,
        "environment": {**told, "WHISPER_ALIASES": "base=micro-whisper", **environment},
        "volumes": {
            str(whisperx_models.MODELS): {"bind": "/models", "mode": "ro"},
            str(diarization): {"bind": "/diarization", "mode": "ro"},
        },
    }


def transcribe(container: Container, name: str, **fields: str) -> httpx.Response:
    return httpx.post(f"{url(container)}/transcribe", data=fields, files={"file": recording(name)}, timeout=PATIENCE_S)
