"""OpenAI's audio routes. Field by field see openai_form.py."""

# No `from __future__ import annotations`: FastAPI reads the annotations when it builds the routes.

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Protocol

from anyio import to_thread
from fastapi import APIRouter, Form, Request, Response

from engines.transcription import events, formats
from engines.transcription.event_stream import EventStream, Tell
from engines.transcription.formats import Rendered, Wanted
from engines.transcription.large_fields import LargeFieldsRoute
from engines.transcription.request_ids import request_id
from engines.transcription.transcript import Task
from engines.whisperx import diarized, progress_events
from engines.whisperx.answering import Work, answered
from engines.whisperx.answers import OPENAI_TRANSCRIBED, OPENAI_TRANSLATED
from engines.whisperx.conversation import Conversation, Segment
from engines.whisperx.openai_form import TranscriptionForm, TranslationForm
from engines.whisperx.progress import Watch, Watches
from engines.whisperx.service_desk import Desk, Heard, Names
from engines.whisperx.transcripts import segment_of, transcript_of

_MULTIPART = Form(media_type="multipart/form-data")


class ToldWork(Protocol):
    """Work that also tells each segment as it is heard."""

    async def __call__(self, watch: Watch, heard: Heard | None = None) -> Conversation: ...


def create_openai_router(desk: Desk, names: Names, watches: Watches) -> APIRouter:
    router = APIRouter(prefix="/v1/audio", tags=["OpenAI"], route_class=LargeFieldsRoute)

    @router.post("/transcriptions", responses=OPENAI_TRANSCRIBED, summary="Turn speech into text")
    async def transcribe(request: Request, form: Annotated[TranscriptionForm, _MULTIPART]) -> Response:
        """Speaks OpenAI's API. The answer comes in one piece unless `stream` is set; leaving ends the work."""
        name, model = request_id(request, form.request_id), names.resolve(form.model)
        options, wanted = await to_thread.run_sync(form.options), form.wanted()  # voices come as texts of megabytes
        work = partial(desk.transcribe, form.file.file, model, options)
        reserved = [known.name for known in options.known]
        if form.stream and form.diarized:
            return EventStream(partial(_told_apart, watches, name, work, reserved))
        if form.stream:
            return EventStream(partial(_told, watches, name, work, task=form.task, wanted=wanted))
        if form.diarized:
            return await answered(request, watches, name, work, partial(diarized.render, reserved=reserved))
        return await answered(request, watches, name, work, partial(_rendered, task=form.task, wanted=wanted))

    @router.post("/translations", responses=OPENAI_TRANSLATED, summary="Turn speech of any language into English text")
    async def translate(request: Request, form: Annotated[TranslationForm, _MULTIPART]) -> Response:
        """Speaks OpenAI's API. Not every model can translate."""
        name, model = request_id(request, form.request_id), names.resolve(form.model)
        options, wanted = form.options(), form.wanted()
        work = partial(desk.transcribe, form.file.file, model, options)
        return await answered(request, watches, name, work, partial(_rendered, task="translate", wanted=wanted))

    return router


def _rendered(conversation: Conversation, task: Task, wanted: Wanted) -> Rendered:
    return formats.render(transcript_of(conversation, task), wanted)


async def _told(watches: Watches, name: str, work: ToldWork, tell: Tell, *, task: Task, wanted: Wanted) -> bytes:
    """The text as it is heard, and then all of it."""
    deltas = events.Deltas(wanted)

    def heard(segment: Segment) -> None:
        event = deltas.event(segment_of(segment))
        if event is not None:
            tell(event)

    with watches.begin(name, progress_events.telling(tell)) as watch:
        conversation = await work(watch, heard)
    return await to_thread.run_sync(_done, conversation, task, wanted)  # of hours of speech it is megabytes


def _done(conversation: Conversation, task: Task, wanted: Wanted) -> bytes:
    return events.done(transcript_of(conversation, task), wanted)


async def _told_apart(watches: Watches, name: str, work: Work, reserved: Sequence[str], tell: Tell) -> bytes:
    """Who says what is known only when all has been heard."""
    with watches.begin(name, progress_events.telling(tell)) as watch:
        conversation = await work(watch)
    if segments := await to_thread.run_sync(_segments, conversation, reserved):
        tell(segments)
    return await to_thread.run_sync(diarized.done, conversation)


def _segments(conversation: Conversation, reserved: Sequence[str]) -> bytes:
    """All of their events at once."""
    return b"".join(diarized.told(conversation, reserved))
