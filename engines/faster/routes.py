"""POST /v1/audio/transcriptions and GET /v1/models."""

# No `from __future__ import annotations`: FastAPI reads the annotations when it builds the routes.

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from engines.faster.catalogue import Catalogue
from engines.faster.desk import Desk
from engines.faster.request import TranscriptionForm
from engines.transcription.disconnect import while_client_waits
from engines.transcription.errors import envelope
from engines.transcription.formats import Wanted, render

_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "The request cannot be served as it is: `error.message` says why, `error.param` where.",
        "content": {"application/json": {"example": envelope(400, "invalid_value", "temperature: …", "temperature")}},
    },
    "503": {
        "description": "The model could not be loaded. The next request makes it load again.",
        "content": {"application/json": {"example": envelope(503, "model_unavailable", "The model could not …")}},
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript in the form that was asked for. Without speech, its text is empty.",
        "content": {
            "application/json": {"example": {"text": "Good morning.", "usage": {"type": "duration", "seconds": 3}}},
            "text/plain": {"example": "Good morning.\n"},
            "text/vtt": {"example": "WEBVTT\n\n00:00:00.000 --> 00:00:01.200\nGood morning.\n\n"},
        },
    },
    **_REFUSALS,
}


def create_router(desk: Desk, catalogue: Catalogue) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/audio/transcriptions", responses=_ANSWERS, tags=["Audio"], summary="Turn speech into text")
    async def transcribe(
        request: Request, form: Annotated[TranscriptionForm, Form(media_type="multipart/form-data")]
    ) -> Response:
        """Speaks OpenAI's API. The whole file is listened to before the answer begins; leaving ends the work."""
        catalogue.resolve(form.model)
        listed, options = form.listed(), form.options()
        transcript = await while_client_waits(request, lambda: desk.transcribe(form.file.file, options))
        rendered = render(transcript, Wanted(form.response_format, listed))
        return Response(rendered.content, media_type=rendered.media_type)

    @router.get("/models", tags=["Models"], summary="The models that are served")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [catalogue.describe(catalogue.served)]}

    @router.get("/models/{name:path}", responses=_REFUSALS, tags=["Models"], summary="One model")
    async def model(name: str) -> dict[str, str | int]:
        """The name may hold slashes, plain or as `%2F`."""
        return catalogue.describe(name)

    return router
