"""The audio routes, with a desk that only notes what it is asked: what is answered, refused and documented."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from engines.faster.options import ListeningOptions
from engines.faster.request import LanguageForm, TranscriptionForm, TranslationForm
from engines.faster.routes import create_router
from engines.transcription import refusals
from engines.transcription.errors import BadAudio, EngineError, ModelNotFound, ModelUnavailable
from engines.transcription.transcript import LanguageGuess, Segment, TokenLogprob, Transcript, Word

pytestmark = pytest.mark.anyio

FILE = {"file": ("talk.wav", b"RIFF")}


class FakeDesk:
    """Hears " Bonjour" and " à tous." in every recording, or raises `failure`, after one segment if `late`."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, str, ListeningOptions | None]] = []
        self.failure: EngineError | None = None
        self.late = False

    async def transcribe(
        self,
        upload: BinaryIO,
        model: str,
        options: ListeningOptions,
        on_segment: Callable[[Segment], None] | None = None,
    ) -> Transcript:
        self.asked.append((upload.read(), model, options))
        heard = []
        for start, text in enumerate((" Bonjour", " à tous.")):
            if self.failure is not None and start == self.late:
                raise self.failure
            words = (Word(text.strip(), start, start + 1, 0.9),) if options.words else ()
            tokens = (TokenLogprob(text, text.encode(), -0.1),) if options.logprobs else ()
            heard.append(Segment(start, start + 1, text, 0, (7,), 0.0, -0.1, 1.0, 0.0, words, tokens))
            if on_segment is not None:
                on_segment(heard[-1])
        return Transcript("fr", 2.0, tuple(heard), options.task, audio_tokens=100, prompt_tokens=0)

    async def detect(self, upload: BinaryIO, model: str) -> LanguageGuess:
        self.asked.append((upload.read(), model, None))
        if self.failure is not None:
            raise self.failure
        return LanguageGuess("fr", 0.75, (("fr", 0.75), ("tlh", 0.25)))


class FakeNames:
    def resolve(self, name: str | None) -> str:
        if name in (None, "whisper-1", "gpt-transcribe", "owner/small"):
            return "owner/small"
        raise ModelNotFound("There is no such model here. Use 'owner/small'.", param="model")


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    refusals.install(app)
    app.include_router(create_router(desk, FakeNames()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test/v1/audio") as client:
        yield client


async def answered(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    answer = await client.post(path, data=fields, files=FILE)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_long_answer_is_not_put_together_on_the_event_loop(
    client: httpx.AsyncClient, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of hours of speech takes a second, in which nobody else would be served."""
    where: list[threading.Thread] = []

    class Observed(Transcript):
        @property
        def text(self) -> str:
            where.append(threading.current_thread())
            return ""

    async def transcribe(*_: object) -> Transcript:
        return Observed("fr", 2.0, ())

    monkeypatch.setattr(desk, "transcribe", transcribe)
    await answered(client, "/transcriptions")
    assert where
    assert threading.current_thread() not in where


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


async def test_the_desk_is_asked_for_the_resolved_model_with_what_the_form_says(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    await answered(client, "/transcriptions", model="whisper-1", language="fr", beam_size="1")
    assert desk.asked == [(b"RIFF", "owner/small", ListeningOptions(language="fr", beam_size=1, times=False))]


async def test_json_is_the_default(client: httpx.AsyncClient) -> None:
    answer = await answered(client, "/transcriptions")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"text": "Bonjour à tous.", "usage": {"type": "duration", "seconds": 2}}


async def test_json_holds_what_openai_s_newest_model_says(client: httpx.AsyncClient) -> None:
    answer = await answered(client, "/transcriptions", model="gpt-transcribe", **{"include[]": "logprobs"})
    assert set(answer.json()) == {"text", "usage", "languages", "logprobs"}
    assert answer.json()["usage"]["total_tokens"] == 102


@pytest.mark.parametrize(
    ("response_format", "content_type"),
    [("text", "text/plain"), ("srt", "text/plain"), ("vtt", "text/vtt"), ("verbose_json", "application/json")],
)
async def test_every_format_has_its_type(client: httpx.AsyncClient, response_format: str, content_type: str) -> None:
    answer = await answered(client, "/transcriptions", response_format=response_format)
    assert answer.headers["content-type"].startswith(content_type)
    assert "à tous." in answer.text


async def test_subtitles_are_laid_out_by_words(client: httpx.AsyncClient) -> None:
    fields = {"response_format": "vtt", "max_line_width": "7", "max_line_count": "2"}
    answer = await answered(client, "/transcriptions", **fields)
    assert answer.text == "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nBonjour\nà tous.\n\n"


async def test_a_stream_is_openai_s_events(client: httpx.AsyncClient) -> None:
    answer = await answered(client, "/transcriptions", stream="true")
    *deltas, done = events(answer)
    assert [(event["type"], event["delta"]) for event in deltas] == [
        ("transcript.text.delta", "Bonjour"),
        ("transcript.text.delta", " à tous."),
    ]
    assert (done["type"], done["text"], done["usage"]["type"]) == ("transcript.text.done", "Bonjour à tous.", "tokens")
    assert answer.headers["x-accel-buffering"] == "no"


async def test_what_fails_before_a_stream_begins_has_its_status(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.failure = ModelUnavailable("Not now.", retry_after=5)
    answer = await client.post("/transcriptions", data={"stream": "true"}, files=FILE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert "x-accel-buffering" not in answer.headers


async def test_what_fails_later_is_an_event(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.failure, desk.late = ModelUnavailable("Not any more."), True
    delta, failure = events(await answered(client, "/transcriptions", stream="true"))
    assert delta["delta"] == "Bonjour"
    assert failure["error"]["message"] == "Not any more."


async def test_a_translation_is_the_text_alone(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    assert (await answered(client, "/translations")).json() == {"text": "Bonjour à tous."}
    assert desk.asked[0][2] == ListeningOptions(task="translate", times=False)
    verbose = (await answered(client, "/translations", response_format="verbose_json")).json()
    assert (verbose["task"], verbose["language"]) == ("translate", "english")


async def test_the_language_comes_with_all_that_it_might_have_been(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    assert (await answered(client, "/language", model="whisper-1")).json() == {
        "language": "fr",
        "language_name": "french",
        "probability": 0.75,
        "all": [{"code": "fr", "probability": 0.75}, {"code": "tlh", "probability": 0.25}],
    }
    assert desk.asked == [(b"RIFF", "owner/small", None)]


ROUTES = ["/transcriptions", "/translations", "/language"]


@pytest.mark.parametrize("path", ROUTES)
async def test_an_unknown_model_is_404_and_nothing_is_computed(
    client: httpx.AsyncClient, desk: FakeDesk, path: str
) -> None:
    answer = await client.post(path, data={"model": "a/b"}, files=FILE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert not desk.asked


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("stream", ["true", "false"])
async def test_refusals_of_the_desk_are_passed_on(
    client: httpx.AsyncClient, desk: FakeDesk, path: str, stream: str
) -> None:
    desk.failure = BadAudio("No audio.")
    answer = await client.post(path, data={"stream": stream}, files=FILE)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


# What is documented


async def schema(client: httpx.AsyncClient) -> dict[str, Any]:
    described: dict[str, Any] = (await client.get("http://engine.test/openapi.json")).json()
    return described


@pytest.mark.parametrize("form", [TranscriptionForm, TranslationForm, LanguageForm])
async def test_every_form_field_is_described(client: httpx.AsyncClient, form: type[BaseModel]) -> None:
    properties = (await schema(client))["components"]["schemas"][form.__name__]["properties"]
    assert set(properties) == {field.alias or name for name, field in form.model_fields.items()}
    assert all(field.get("description") for field in properties.values())


async def test_every_route_is_summarised_and_takes_a_file(client: httpx.AsyncClient) -> None:
    for path in ROUTES:
        operation = (await schema(client))["paths"][f"/v1/audio{path}"]["post"]
        assert operation["summary"]
        assert operation["description"]
        assert set(operation["requestBody"]["content"]) == {"multipart/form-data"}


async def test_no_answer_is_documented_that_we_never_give(client: httpx.AsyncClient) -> None:
    """FastAPI documents its own 422, which here is OpenAI's 400."""
    for path in (await schema(client))["paths"].values():
        for operation in path.values():
            assert set(operation["responses"]) == {"200", "4XX", "503"}
