"""Joins the parts of the faster-whisper engine. Light to import: what is heavy is imported by threads that load."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from fastapi import FastAPI

from engines.faster.choice import settled
from engines.faster.desk import Desk
from engines.faster.routes import create_router
from engines.faster.settings import FasterSettings
from engines.models.model_routes import create_model_router
from engines.models.models import Models
from engines.transcription import memory
from engines.transcription.service import create_service

if TYPE_CHECKING:
    from engines.faster.transcriber import Transcriber

_TITLE = "faster-whisper engine"
_DESCRIPTION = "Speech to text with faster-whisper, behind OpenAI's audio API."


def create_app(settings: FasterSettings) -> FastAPI:
    """The engine as an ASGI application. When it is started it begins to load its models, beside serving."""
    settings = settled(settings)
    models = Models(settings, partial(_load, settings))
    desk = Desk(models, longest=settings.max_audio_hours * 3600)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        models.preload()
        yield

    app = create_service(_TITLE, _DESCRIPTION, settings, report=models.report, lifespan=lifespan)
    app.include_router(create_router(desk, models))
    app.include_router(create_model_router(models))
    return app


def _load(settings: FasterSettings, folder: str) -> Transcriber:
    """Runs in a thread of its own."""
    memory.settle()
    # A request may make another thread import the decoder at the same moment. Both begin with this module, so one waits
    # for the other; with different beginnings each could hold what the other needs.
    import_module("engines.transcription.audio")
    from engines.faster.transcriber import Transcriber  # noqa: PLC0415  the heavy part, see above

    return Transcriber(folder, settings)
