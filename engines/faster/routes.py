"""OpenAI's audio routes, and one that only tells the language. Field by field see request.py."""

# No `from __future__ import annotations`: FastAPI reads the annotations when it builds the routes.

import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, BinaryIO, Protocol

from anyio import to_thread
from fastapi import APIRouter, Form, Request, Response

from engines.faster.answers import DETECTED, TRANSCRIBED, TRANSLATED
from engines.faster.options import ListeningOptions
from engines.faster.request import LanguageForm, TranscriptionForm, TranslationForm
from engines.faster.streaming import streamed
from engines.transcription.disconnect import while_client_waits
from engines.transcription.formats import Wanted, render
from engines.transcription.languages import LANGUAGES
from engines.transcription.large_fields import LargeFieldsRoute
from engines.transcription.transcript import LanguageGuess, Segment, Transcript

_MULTIPART = Form(media_type="multipart/form-data")


class Desk(Protocol):
    """Who listens. `model` is an id that the Names know. Both raise EngineError, and end their work when cancelled."""

    async def transcribe(
        self,
        upload: BinaryIO,
        model: str,
        options: ListeningOptions,
        on_segment: Callable[[Segment], None] | None = None,
    ) -> Transcript: ...

    async def detect(self, upload: BinaryIO, model: str) -> LanguageGuess: ...


class Names(Protocol):
    """Which models there are."""

    def resolve(self, name: str | None) -> str:
        """The id of the model that serves this name, or serves where none is given. Raises ModelNotFound."""


def create_router(desk: Desk, names: Names) -> APIRouter:
    router = APIRouter(prefix="/v1/audio", tags=["Audio"], route_class=LargeFieldsRoute)

    @router.post("/transcriptions", responses=TRANSCRIBED, summary="Turn speech into text")
    async def transcribe(request: Request, form: Annotated[TranscriptionForm, _MULTIPART]) -> Response:
        """Speaks OpenAI's API. The answer comes in one piece unless `stream` is set; leaving ends the work."""
        model, options, wanted = names.resolve(form.model), form.options(), form.wanted()
        work = partial(desk.transcribe, form.file.file, model, options)
        return streamed(work, wanted) if form.stream else await _answered(request, work, wanted)

    @router.post("/translations", responses=TRANSLATED, summary="Turn speech of any language into English text")
    async def translate(request: Request, form: Annotated[TranslationForm, _MULTIPART]) -> Response:
        """Speaks OpenAI's API. Not every model can translate."""
        model, options, wanted = names.resolve(form.model), form.options(), form.wanted()
        return await _answered(request, partial(desk.transcribe, form.file.file, model, options), wanted)

    @router.post("/language", responses=DETECTED, summary="Tell which language is spoken")
    async def detect(request: Request, form: Annotated[LanguageForm, _MULTIPART]) -> Response:
        """From the recording's beginning. An extension of OpenAI's API."""
        model = names.resolve(form.model)
        guess = await while_client_waits(request, lambda: desk.detect(form.file.file, model))
        return Response(json.dumps(_guessed(guess), allow_nan=False), media_type="application/json")

    return router


async def _answered(request: Request, work: Callable[[], Coroutine[Any, Any, Transcript]], wanted: Wanted) -> Response:
    transcript = await while_client_waits(request, work)
    rendered = await to_thread.run_sync(render, transcript, wanted)  # of hours of speech it is megabytes
    return Response(rendered.content, media_type=rendered.media_type)


def _guessed(guess: LanguageGuess) -> dict[str, Any]:
    return {
        "language": guess.language,
        "language_name": LANGUAGES.get(guess.language, guess.language),
        "probability": guess.probability,
        "all": [{"code": code, "probability": probability} for code, probability in guess.all],
    }
