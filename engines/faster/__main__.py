"""`python -m engines.faster`: serve on HOST:PORT until SIGTERM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.transcription.launch import launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from engines.faster.settings import FasterSettings


def parts() -> tuple[type[FasterSettings], Callable[[FasterSettings], FastAPI]]:
    from engines.faster.app import create_app  # noqa: PLC0415  what takes long comes after signals and allocator
    from engines.faster.settings import FasterSettings  # noqa: PLC0415

    return FasterSettings, create_app


if __name__ == "__main__":
    launch(parts)
