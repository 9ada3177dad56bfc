"""The shell around an engine: /health, /docs, refusals, upload limit, request ids and logs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from engines.transcription import refusals
from engines.transcription.dialects import Dialects, openai_everywhere
from engines.transcription.request_ids import RequestIds
from engines.transcription.request_log import RequestLog, of_request
from engines.transcription.settings import ServiceSettings
from engines.transcription.upload_limit import UploadLimit

KEEP_ALIVE_S = 75
"""How long an idle connection is kept. Longer than a proxy in front keeps its own, so that the proxy closes first and
never sends a request into a connection that is just being closed.
"""


def create_service(
    title: str,
    description: str,
    settings: ServiceSettings,
    *,
    report: Callable[[], dict[str, str]],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    dialects: Dialects = openai_everywhere,
) -> FastAPI:
    """A FastAPI application without routes of its own but /health and /docs.

    report: what /health tells, with `status` and `model`. lifespan: entered when serving begins, left when it ends.
    dialects: how refusals look, by path.
    """
    # FastAPI's own page takes Swagger UI from somebody else's server, which an engine without internet access, or its
    # reader, may not reach. Here it comes from the package fastapi-offline, whose releases follow Swagger UI's.
    app = FastAPIOffline(
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs/assets",
        title=title,
        description=description,
        version="1",
        lifespan=lifespan,
        swagger_ui_parameters={"validatorUrl": None},  # a badge from swagger.io, shown where the document is public
    )
    app.add_middleware(UploadLimit, limit=settings.max_upload, dialects=dialects)
    app.add_middleware(RequestLog)
    app.add_middleware(RequestIds)  # the last one added is the first one asked
    refusals.install(app, dialects)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", summary="Is the engine ready?", tags=["Service"])
    async def health() -> dict[str, str]:
        """Always 200, because the port is open.

        `status` is `unloaded`, `loading`, `ready`, or `broken` with the `reason`.

        Requests are welcome in each of them: they wait for a model that loads, and make a broken one load again.
        """
        return report()

    return app


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT; then let running requests finish. What happens then, signals.py decides.

    What is logged, and how, `configure_logs` has settled before.
    """
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,  # its lines hold query strings, and ours (request_log.py) say more
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def configure_logs(level: str) -> None:
    """One line for each event, to standard output; at its end, the id of the request that caused it.

    Libraries only speak when something is wrong: at lower levels some tell what they were given.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(of_request)
    logging.basicConfig(
        handlers=[handler],
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s%(request)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every malformed form
    for name in ("engines", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
