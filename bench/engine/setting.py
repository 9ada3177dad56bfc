"""What the engine and its reference have in common: threads, batches, and the environment."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import MissingError

ROOT = Path(__file__).parents[2]
SMALL_MODEL = ROOT / "samples" / "models" / "micro-whisper"
"""The shipped one. Its calls are the shortest, so what the engine adds shows the most."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
_MOST_THREADS = 4


@dataclass(frozen=True)
class Heard:
    """What came of one or several recordings. cpu: processor time of the process that did it, in seconds."""

    seconds: float
    texts: list[str]
    cpu: float = 0.0


def threads() -> int:
    """The engine's default, for both."""
    return min(_MOST_THREADS, len(os.sched_getaffinity(0)))


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """All that a process under measurement has: nothing that happens to be set here may change what it does."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # Without the first, CTranslate2's threads burn their cores while they wait, here as there. The last is the image's.
    fixed = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "PYTHONNODEBUGRANGES": "1"}
    return {**kept, **fixed, **(settings or {})}


def require() -> None:
    """Raises MissingError unless the engine and its library are installed here."""
    missing = [name for name in ("faster_whisper", "fastapi", "av") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingError(f"{', '.join(missing)} is not installed for {sys.executable} (make venv installs it)")


def versions() -> list[str]:
    return [f"{name} {importlib.metadata.version(name)}" for name in ("faster-whisper", "ctranslate2")]
