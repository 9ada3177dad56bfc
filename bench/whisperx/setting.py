"""What the engine and its reference have in common: an environment with WhisperX in it, models, and how they are used.

The benchmark itself runs in the gateway's environment, where there is no torch; both are processes of the other one.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine.setting import ROOT, threads
from bench.engine.setting import environment as bare_environment
from bench.errors import MissingError

PYTHON = "WHISPERX_PYTHON"
"""The environment variable that names another interpreter than that of .venv-whisperx."""
_USUAL = ROOT / ".venv-whisperx" / "bin" / "python"
MODELS = ROOT / "samples" / "models"
WHISPER, ALIGN = MODELS / "micro-whisper", MODELS / "micro-align"
BATCH = 8
CHUNK_S = 10
"""Longest window, as many seconds as the shipped model can hear at once without losing its thread."""
COMPUTE_TYPE = "int8"

_LOOK = """
import importlib.metadata, importlib.util, json
spec = importlib.util.find_spec("whisperx")
print(json.dumps({
    "folder": spec and spec.submodule_search_locations[0],
    "versions": {name: importlib.metadata.version(name) for name in ("whisperx", "pyannote.audio", "torch") if spec},
}))
"""


@dataclass(frozen=True)
class Models:
    """What both are told to load. diarization: the folder of a whole pyannote pipeline."""

    diarization: Path
    whisper: Path = WHISPER
    align: Path = ALIGN


def python() -> Path:
    return Path(os.environ.get(PYTHON) or _USUAL)


def models(folder: Path) -> Models:
    """The shipped ones. The diarization model is made whole in `folder`: its largest part, which finds where speech and
    changes of speakers are, comes with the whisperx package.
    """
    whole = folder / "diarization"
    shutil.copytree(MODELS / "micro-diarization", whole)
    (whole / "segmentation").mkdir()
    (whole / "segmentation" / "pytorch_model.bin").symlink_to(Path(_found()["folder"]) / "assets" / "pytorch_model.bin")
    return Models(whole)


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """All that a process under measurement has."""
    told = {
        "NLTK_DATA": str(MODELS / "nltk_data"),
        "PYANNOTE_METRICS_ENABLED": "0",
        "PYTHONPATH": str(ROOT),
        **(settings or {}),
    }
    return bare_environment(told)


def engine_settings(models: Models, port: int) -> dict[str, str]:
    """Equal to what `library_process.py` does."""
    return {
        "PORT": str(port),
        "WHISPER_MODEL": str(models.whisper),
        "ALIGN_MODELS": f"en={models.align},fr={models.align}",
        "DIARIZATION_MODEL": str(models.diarization),
        "WHISPER_DEVICE": "cpu",
        "WHISPER_COMPUTE_TYPE": COMPUTE_TYPE,
        "WHISPER_CPU_THREADS": str(threads()),
        "WHISPERX_BATCH_SIZE": str(BATCH),
        "WHISPERX_CHUNK_SIZE": str(CHUNK_S),
    }


def require() -> None:
    """Raises MissingError unless there is an interpreter that has WhisperX."""
    remedy = f"make .venv-whisperx/.installed makes it, {PYTHON} names another, --only gateway,engine does without"
    if not python().is_file():
        raise MissingError(f"{python()}, the WhisperX environment, does not exist: {remedy}")
    if _found()["folder"] is None:
        raise MissingError(f"whisperx is not installed for {python()}: {remedy}")


def versions() -> list[str]:
    found: dict[str, str] = _found()["versions"]
    return [f"{name} {version}" for name, version in found.items()]


@functools.cache
def _found() -> dict[str, Any]:
    """Where the whisperx package is, without importing it, and versions. Raises MissingError."""
    done = subprocess.run([str(python()), "-c", _LOOK], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"{python()} does not work:\n{done.stderr[-1000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
