"""The shell around an engine: loading at start, /health, refusals, upload limit and logs."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from engines.transcription import refusals
from engines.transcription.model_slot import ModelSlot
from engines.transcription.settings import ServiceSettings
from engines.transcription.upload_limit import UploadLimit

KEEP_ALIVE_S = 75
"""How long an idle connection is kept. Longer than a proxy in front keeps its own, so that the proxy closes first and
never sends a request into a connection that is just being closed.
"""


def create_service(
    title: str, description: str, model_id: str, slot: ModelSlot[Any], settings: ServiceSettings
) -> FastAPI:
    """A FastAPI application without routes of its own but /health and /docs. The slot begins to load when it starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        slot.begin_loading()
        yield

    app = FastAPI(title=title, description=description, version="1", redoc_url=None, lifespan=lifespan)
    app.add_middleware(UploadLimit, limit=settings.max_upload)
    refusals.install(app)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", summary="Is the engine ready?", tags=["Service"])
    async def health() -> dict[str, str]:
        """Always 200, because the port is open. `status` is `loading`, `ready`, or `broken` with the `reason`.

        Requests are welcome in each of them: they wait for a model that loads, and make a broken one load again.
        """
        report = {"status": slot.state.value, "model": model_id}
        return report if slot.reason is None else {**report, "reason": slot.reason}

    return app


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT; then let running requests finish. What happens then, signals.py decides."""
    configure_logs(settings.log_level)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,  # its lines hold query strings, and ours say more
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def configure_logs(level: str) -> None:
    """One line for each event, to standard output.

    Libraries only speak when something is wrong: at lower levels some tell what they were given.
    """
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every malformed form
    for name in ("engines", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
