"""`python -m engines.whisperx`: serve on HOST:PORT until SIGTERM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.transcription.launch import launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from engines.whisperx.settings import WhisperXSettings


def parts() -> tuple[type[WhisperXSettings], Callable[[WhisperXSettings], FastAPI]]:
    from engines.whisperx.app import create_app  # noqa: PLC0415  what takes long comes after signals and allocator
    from engines.whisperx.settings import WhisperXSettings  # noqa: PLC0415

    return WhisperXSettings, create_app


if __name__ == "__main__":
    launch(parts)
