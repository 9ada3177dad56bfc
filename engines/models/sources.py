"""What a model is named by in the settings: a folder, a name on the Hugging Face hub, or one of the sizes that
faster-whisper knows by heart.
"""

from __future__ import annotations

import re
from pathlib import Path

SIZES = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "large": "Systran/faster-whisper-large-v3",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
"""Size → name on the hub. Written down here, so that settings are checked without importing faster-whisper; a test
compares it with theirs."""

_ON_THE_HUB = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def is_folder(source: str) -> bool:
    """Also one that is missing, if it can be nothing else."""
    return source.startswith(("/", ".", "~")) or Path(source).is_dir()


def id_of(source: str) -> str:
    """What the model is called in the API: a folder by its own name, anything else as it is written."""
    return Path(source).resolve().name if is_folder(source) else source


def owner_of(source: str) -> str:
    return source.partition("/")[0] if "/" in source and not is_folder(source) else "local"


def place_of(source: str) -> str:
    """Where the model really comes from: equal for two names of the same model."""
    return str(Path(source).resolve()) if is_folder(source) else SIZES.get(source, source)


def is_possible(source: str) -> bool:
    """Whether it could name a model at all. A folder may still come, as a volume does that is mounted late."""
    return is_folder(source) or source in SIZES or bool(_ON_THE_HUB.fullmatch(source))
