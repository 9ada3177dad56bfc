"""Joins the parts of the faster-whisper engine. Light to import: what is heavy is imported by the slot's thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from anyio import from_thread
from fastapi import FastAPI

from engines.faster.catalogue import Catalogue
from engines.faster.desk import Desk
from engines.faster.routes import create_router
from engines.faster.settings import FasterSettings
from engines.transcription.model_slot import ModelSlot
from engines.transcription.service import create_service

if TYPE_CHECKING:
    from engines.faster.transcriber import Transcriber

_TITLE = "faster-whisper engine"
_DESCRIPTION = "Speech to text with faster-whisper, behind OpenAI's audio API."


def create_app(settings: FasterSettings) -> FastAPI:
    """The engine as an ASGI application. It begins to load its model when it is started, beside serving."""
    slot = ModelSlot(lambda: _load(settings))
    catalogue = Catalogue(settings.model)
    desk = Desk(slot, longest=settings.max_audio_hours * 3600)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        slot.begin_loading()
        yield

    def report() -> dict[str, str]:
        now = {"status": slot.state.value, "model": catalogue.served}
        return now if slot.reason is None else {**now, "reason": slot.reason}

    app = create_service(_TITLE, _DESCRIPTION, settings, report=report, lifespan=lifespan)
    app.include_router(create_router(desk, catalogue))
    return app


def _load(settings: FasterSettings) -> Transcriber:
    """Runs in a thread of its own."""
    # A request may make another thread import the decoder at the same moment. Both begin with this module, so one waits
    # for the other; with different beginnings each could hold what the other needs.
    import_module("engines.transcription.audio")
    from engines.faster.transcriber import Transcriber  # noqa: PLC0415  the heavy part, see above

    return Transcriber(settings, checkpoint=from_thread.check_cancelled)
