"""Joins the parts of the WhisperX engine. Light to import: what is heavy is imported by threads that load."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from fastapi import FastAPI

from engines.models.model_routes import create_model_router
from engines.models.models import Models
from engines.transcription import memory
from engines.transcription.dialects import openai_where_it_is_expected
from engines.transcription.model_slot import ModelSlot
from engines.transcription.service import create_service
from engines.whisperx.align_models import AlignModels
from engines.whisperx.desk import Desk
from engines.whisperx.openai_routes import create_openai_router
from engines.whisperx.progress import Watches
from engines.whisperx.routes import create_router
from engines.whisperx.settings import WhisperXSettings
from engines.whisperx.toolbox import Toolbox

if TYPE_CHECKING:
    from engines.whisperx.diarizer import Diarizer
    from engines.whisperx.listener import Listener

_TITLE = "WhisperX engine"
_DESCRIPTION = "Speech to text with word times and speakers, with WhisperX."


def create_app(settings: WhisperXSettings) -> FastAPI:
    """The engine as an ASGI application. When it is started it begins to load its models, beside serving."""
    if token := settings.token():
        os.environ["HF_TOKEN"] = token  # where all libraries look for it that fetch models
    listeners = Models(settings, partial(_load_listener, settings))
    diarizers = Diarizers(settings)
    toolbox = Toolbox(listeners, AlignModels(settings), diarizers)
    desk = Desk(toolbox, longest=settings.max_audio_hours * 3600)
    watches = Watches()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_import_libraries, name="imports", daemon=True).start()
        listeners.preload()
        yield

    app = create_service(
        _TITLE,
        _DESCRIPTION,
        settings,
        report=listeners.report,
        lifespan=lifespan,
        dialects=openai_where_it_is_expected,
    )
    app.include_router(create_router(desk, listeners, watches))
    app.include_router(create_openai_router(desk, listeners, watches))
    app.include_router(create_model_router(listeners))
    return app


class Diarizers:
    """The one diarization model."""

    def __init__(self, settings: WhisperXSettings) -> None:
        self._slot = ModelSlot(
            partial(_load_diarizer, settings),
            close=lambda diarizer: diarizer.close(),
            ttl=settings.ttl_of(settings.diarization_model),
            name=settings.diarization_model,
        )

    def begin_loading(self) -> None:
        self._slot.begin_loading()

    def borrowed(self) -> AbstractAsyncContextManager[Diarizer]:
        return self._slot.borrowed()


def _import_libraries() -> None:
    """Seconds of every start, whatever is asked for first."""
    memory.settle()
    import_module("engines.transcription.audio")
    import_module("engines.whisperx.libraries").load()


def _load_listener(settings: WhisperXSettings, folder: str) -> Listener:
    _import_libraries()
    from engines.whisperx.listener import Listener  # noqa: PLC0415  heavy, and this is a thread

    return Listener(folder, settings)


def _load_diarizer(settings: WhisperXSettings) -> Diarizer:
    _import_libraries()
    from engines.whisperx.diarizer import Diarizer  # noqa: PLC0415  as above

    return Diarizer(settings)
