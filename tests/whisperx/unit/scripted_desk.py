"""The engine's routes with a desk that notes what it is asked, and says what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import anyio
import httpx
import pytest
from fastapi import FastAPI

from engines.transcription import refusals
from engines.transcription.dialects import openai_where_it_is_expected
from engines.transcription.errors import ModelNotFound
from engines.transcription.request_ids import RequestIds
from engines.whisperx.conversation import Conversation, Segment, Turn, Word
from engines.whisperx.openai_routes import create_openai_router
from engines.whisperx.options import Options, SpeakerOptions
from engines.whisperx.progress import Stage, Watch, Watches
from engines.whisperx.routes import create_router

FILE = {"file": ("talk.wav", b"RIFF")}

HEARD = (Segment(0.5, 1.5, " Good morning.", avg_logprob=-0.1), Segment(2.0, 3.0, " Bonjour à tous.", avg_logprob=-0.2))
ALIGNED = tuple(
    replace(one, words=tuple(Word(text, one.start, one.end, 0.9) for text in one.text.split())) for one in HEARD
)
TURNS = (Turn(0.4, 1.6, "SPEAKER_01"), Turn(1.9, 3.1, "SPEAKER_00"))
SPOKEN = (replace(ALIGNED[0], speaker="SPEAKER_01"), replace(ALIGNED[1], speaker="SPEAKER_00", confident=False))


@dataclass
class ScriptedDesk:
    """late: the failure comes after the first progress, and after the first segment has been heard.

    asked: method, what was uploaded, and all else that it was told, for each request.
    """

    failure: Exception | None = None
    late: bool = False
    gate: anyio.Event | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    reached: anyio.Event = field(default_factory=anyio.Event)
    cancelled: anyio.Event = field(default_factory=anyio.Event)

    async def transcribe(
        self,
        upload: BinaryIO,
        model: str,
        options: Options,
        watch: Watch,
        heard: Callable[[Segment], None] | None = None,
    ) -> Conversation:
        await self._asked("transcribe", watch, upload.read(), model, options)
        for segment in HEARD:
            if heard is not None:
                heard(segment)
            if self.failure is not None:
                raise self.failure
        segments = SPOKEN if options.speakers else ALIGNED if options.align else HEARD
        names = {"SPEAKER_00": options.known[0].name} if options.known else {}
        turns = TURNS if options.speakers else ()
        return Conversation("en", 3.2, segments, ("Something could not be done.",), turns, names)

    async def align(self, upload: BinaryIO, segments: Sequence[Segment], language: str, watch: Watch) -> Conversation:
        await self._asked("align", watch, upload.read(), tuple(segments), language)
        if self.failure is not None:
            raise self.failure
        return Conversation(language, 3.2, ALIGNED)

    async def diarize(self, upload: BinaryIO, options: SpeakerOptions, watch: Watch) -> Conversation:
        await self._asked("diarize", watch, upload.read(), options)
        if self.failure is not None:
            raise self.failure
        return Conversation("", 3.2, (), turns=TURNS)

    async def _asked(self, method: str, watch: Watch, *told: object) -> None:
        self.asked.append((method, *told))
        self.watched.append(watch.request_id)
        watch.expect(Stage.DECODE, Stage.TRANSCRIBE)
        if self.failure is not None and not self.late:
            raise self.failure
        watch.reach(Stage.DECODE, 1.0)
        self.reached.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise


class Names:
    def resolve(self, name: str | None) -> str:
        if name in (None, "whisper-1", "gpt-transcribe", "gpt-4o-transcribe-diarize", "base"):
            return "base"
        raise ModelNotFound("There is no such model here. Use 'base'.", param="model")


def application(desk: ScriptedDesk) -> FastAPI:
    app = FastAPI()
    refusals.install(app, openai_where_it_is_expected)
    app.add_middleware(RequestIds)
    watches = Watches()
    app.include_router(create_router(desk, Names(), watches))
    app.include_router(create_openai_router(desk, Names(), watches))
    return app


@asynccontextmanager
async def connected(desk: ScriptedDesk) -> AsyncIterator[httpx.AsyncClient]:
    """Raises what the application raises: there is no 500 to be overlooked."""
    transport = httpx.ASGITransport(application(desk))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
        yield client


SEGMENTS = '[{"start": 0.5, "end": 1.5, "text": "Good morning."}]'
ROUTES: dict[str, dict[str, str]] = {
    "/transcribe": {},
    "/align": {"transcript": SEGMENTS, "language": "en"},
    "/diarize": {},
}
"""With the fields that each cannot do without."""


@pytest.fixture
def desk() -> ScriptedDesk:
    return ScriptedDesk()


@pytest.fixture
async def client(desk: ScriptedDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(desk) as client:
        yield client


async def posted(client: httpx.AsyncClient, path: str, /, **fields: Any) -> httpx.Response:
    answer = await client.post(path, data={**ROUTES.get(path, {}), **fields}, files=FILE)
    assert answer.status_code == 200, answer.text
    return answer
