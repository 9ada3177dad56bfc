"""Routes of no other API than this engine's. Field by field see the forms."""

# No `from __future__ import annotations`: FastAPI reads the annotations when it builds the routes.

from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Form, Path, Request, Response

from engines.transcription import events
from engines.transcription.errors import AskedWrongly
from engines.transcription.event_stream import EventStream, Tell
from engines.transcription.large_fields import LargeFieldsRoute
from engines.transcription.request_ids import request_id
from engines.whisperx import progress_events
from engines.whisperx.align_form import AlignForm
from engines.whisperx.answering import Work, answered
from engines.whisperx.answers import ALIGNED, DIARIZED, REPORTED, TRANSCRIBED
from engines.whisperx.conversation import Conversation
from engines.whisperx.diarize_form import DiarizeForm
from engines.whisperx.outputs import as_json, render, render_turns
from engines.whisperx.progress import Watches
from engines.whisperx.service_desk import Desk, Names
from engines.whisperx.transcribe_form import TranscribeForm

_MULTIPART = Form(media_type="multipart/form-data")


class UnknownRequest(AskedWrongly):
    status, code = 404, "request_not_found"


def create_router(desk: Desk, names: Names, watches: Watches) -> APIRouter:
    router = APIRouter(route_class=LargeFieldsRoute)

    @router.post("/transcribe", tags=["Meetings"], responses=TRANSCRIBED, summary="Tell who said what, and when")
    async def transcribe(request: Request, form: Annotated[TranscribeForm, _MULTIPART]) -> Response:
        """Words have their times, and with `diarize=true` their speakers. Leaving ends the work."""
        name, model, options = request_id(request, form.request_id), names.resolve(form.model), form.options()
        work = partial(desk.transcribe, form.file.file, model, options)
        if form.stream:
            return EventStream(partial(_streamed, watches, name, work), progress_events.failed)
        return await answered(request, watches, name, work, partial(render, output=form.output))

    @router.post("/align", tags=["Meetings"], responses=ALIGNED, summary="Find the times of a transcript's words")
    async def align(request: Request, form: Annotated[AlignForm, _MULTIPART]) -> Response:
        """For transcripts that come from elsewhere, or were mended by hand."""
        name = request_id(request, form.request_id)
        segments = await to_thread.run_sync(form.segments)
        work = partial(desk.align, form.file.file, segments, form.language)
        return await answered(request, watches, name, work, partial(render, output=form.output))

    @router.post("/diarize", tags=["Meetings"], responses=DIARIZED, summary="Tell who speaks when")
    async def diarize(request: Request, form: Annotated[DiarizeForm, _MULTIPART]) -> Response:
        """Whatever they say: nothing is transcribed."""
        name, speakers = request_id(request, form.request_id), form.speakers()
        work = partial(desk.diarize, form.file.file, speakers)
        shape = partial(render_turns, output=form.output, name=form.name())
        return await answered(request, watches, name, work, shape)

    @router.get("/progress/{request_id}", tags=["Meetings"], responses=REPORTED, summary="Tell how far a request is")
    async def progress(
        response: Response,
        name: Annotated[
            str,
            Path(alias="request_id", description="What the request was called; see the header X-Request-ID."),
        ],
    ) -> dict[str, Any]:
        """`state` is `queued`, `working`, `done` or `failed`; `stage` the one that was heard of last; `fraction` is of
        the whole, and `stages` has that of each. What has ended is remembered for a few minutes.
        """
        report = watches.report(name)
        if report is None:
            raise UnknownRequest("There is no such request, or it ended too long ago.")
        response.headers["cache-control"] = "no-store"
        return report

    return router


async def _streamed(watches: Watches, name: str, work: Work, tell: Tell) -> bytes:
    with watches.begin(name, progress_events.telling(tell)) as watch:
        conversation = await work(watch)
    return await to_thread.run_sync(_done, conversation)


def _done(conversation: Conversation) -> bytes:
    return events.encoded({"type": "done", **as_json(conversation)})
