"""Streams of events, as OpenAI's SDK takes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import openai
import pytest
from anyio import to_thread
from fastapi import FastAPI
from openai import AsyncOpenAI, OpenAI

from engines.faster.routes import create_router
from engines.transcription import refusals
from engines.transcription.errors import ModelUnavailable
from engines.transcription.transcript import LanguageGuess, Segment, Transcript
from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import DIALOGUE, EXACT, GOODBYE, THANKS, long_talk, recording, said, words
from tests.unit.engines.recordings import AUDIO, silence, wav

pytestmark = pytest.mark.model


def streamed(client: OpenAI, file: Any, **parameters: Any) -> list[Any]:
    with client.audio.transcriptions.create(
        **{"model": "whisper-1", "file": file, "stream": True, **parameters}
    ) as stream:
        return list(stream)


def types(events: list[Any]) -> list[str]:
    return [event.type for event in events]


@pytest.mark.parametrize("name", [*EXACT, DIALOGUE])
def test_deltas_are_followed_by_the_complete_text(client: OpenAI, name: str) -> None:
    """`done` repeats all of it."""
    *deltas, done = streamed(client, AUDIO / name)
    assert set(types(deltas)) == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert words(done.text) == said(name)


def test_a_stream_and_an_answer_say_the_same(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE)
    assert streamed(client, AUDIO / DIALOGUE)[-1].text == answer.text


@pytest.mark.anyio
async def test_the_asynchronous_client_streams_too(engine: Engine) -> None:
    async with AsyncOpenAI(**engine.sdk()) as client:
        stream = await client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE, stream=True)
        events = [event async for event in stream]
    assert events[-1].type == "transcript.text.done"
    assert words(events[-1].text) == said(DIALOGUE)


def test_the_end_tells_the_tokens_that_were_used(client: OpenAI) -> None:
    done = streamed(client, AUDIO / GOODBYE)[-1]
    assert done.usage.type == "tokens"
    assert done.usage.output_tokens > 0
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens
    assert done.usage.input_token_details.audio_tokens > 0


def test_the_end_names_the_languages_for_those_who_ask(client: OpenAI) -> None:
    assert [found.code for found in streamed(client, AUDIO / THANKS, model="gpt-transcribe")[-1].languages] == ["fr"]
    assert streamed(client, AUDIO / THANKS)[-1].languages is None


@pytest.mark.parametrize("response_format", ["json", "text"])
def test_logprobs_come_with_each_delta_and_all_at_the_end(client: OpenAI, response_format: str) -> None:
    *deltas, done = streamed(client, AUDIO / DIALOGUE, include=["logprobs"], response_format=response_format)
    spelled = [token.to_dict() for event in deltas for token in event.logprobs]
    assert spelled == [token.to_dict() for token in done.logprobs]
    assert bytes(byte for token in done.logprobs for byte in token.bytes).decode().strip() == done.text


@pytest.mark.parametrize("sound", [silence(0), silence(3)], ids=["0 s", "3 s"])
def test_without_speech_there_is_only_the_end(client: OpenAI, sound: Any) -> None:
    (done,) = streamed(client, ("silence.wav", wav(sound)))
    assert (done.type, done.text) == ("transcript.text.done", "")


def test_on_the_wire_there_are_data_lines_and_nothing_else(engine: Engine) -> None:
    answer = engine.post(recording(DIALOGUE), stream="true")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
    events = answer.content.split(b"\n\n")
    assert events.pop() == b""
    assert all(event.startswith(b"data: {") and b"\n" not in event for event in events)
    assert json.loads(events[-1].removeprefix(b"data: "))["type"] == "transcript.text.done"


@pytest.mark.parametrize("stream", ["false", ""])
def test_without_it_the_answer_comes_in_one_piece(engine: Engine, stream: str) -> None:
    answer = engine.post(recording(GOODBYE), stream=stream)
    assert answer.headers["content-type"] == "application/json"
    assert words(answer.json()["text"]) == said(GOODBYE)


# What goes wrong


@pytest.mark.parametrize("response_format", ["srt", "vtt", "verbose_json"])
def test_other_formats_are_not_streamed(client: OpenAI, response_format: str) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        streamed(client, AUDIO / GOODBYE, response_format=response_format)
    assert refusal.value.param == "stream"


def test_what_fails_before_the_first_words_has_its_proper_status(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        streamed(client, ("talk.mp3", b"rubbish" * 1000))
    assert refusal.value.code == "invalid_audio"
    with pytest.raises(openai.NotFoundError):
        streamed(client, AUDIO / GOODBYE, model="whisper-9")


@pytest.mark.anyio
async def test_what_fails_later_is_raised_by_the_sdk_after_the_words_that_came() -> None:
    class Desk:
        """Fails after one segment, as no recording can make the real one do."""

        async def transcribe(self, upload: Any, model: str, options: Any, on_segment: Any = None) -> Transcript:
            on_segment(Segment(0, 1, " one", 0, (), 0.0, 0.0, 1.0, 0.0))
            raise ModelUnavailable("The GPU has no memory left.")

        async def detect(self, upload: Any, model: str) -> LanguageGuess:
            raise NotImplementedError

    class Names:
        def resolve(self, name: str | None) -> str:
            return name or ""

    app = FastAPI()
    refusals.install(app)
    app.include_router(create_router(Desk(), Names()))
    async with (
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as plain,
        AsyncOpenAI(base_url="http://engine.test/v1", api_key="unused", max_retries=0, http_client=plain) as client,
    ):
        stream = await client.audio.transcriptions.create(model="whisper-1", file=("x", b"x"), stream=True)
        assert (await anext(stream)).to_dict()["delta"] == "one"
        with pytest.raises(openai.APIError, match="The GPU has no memory left") as refusal:
            await anext(stream)
    assert (refusal.value.code, refusal.value.type) == ("model_unavailable", "server_error")


@pytest.mark.anyio
async def test_the_first_words_come_before_the_last_are_computed_and_who_leaves_then_ends_it(
    start: Callable[..., Engine],
) -> None:
    """All of it would take much longer."""
    engine = start()
    async with httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE) as plain:
        form: dict[str, Any] = {"data": {"stream": "true", "language": "en"}, "files": {"file": ("x", long_talk(20))}}
        async with plain.stream("POST", "/v1/audio/transcriptions", **form) as answer:
            assert answer.status_code == 200
            first = await anext(answer.aiter_lines())
        assert json.loads(first.removeprefix("data: "))["delta"]
        assert "transcription.done" not in engine.log
        gone = await to_thread.run_sync(engine.until_logged, "transcription.abandoned")
        assert "of=1200.0s" in gone
        after = await plain.post("/v1/audio/transcriptions", files={"file": ("x", recording(GOODBYE))})
    assert words(after.json()["text"]) == said(GOODBYE)
    assert engine.stop() == 0
    assert "Traceback" not in engine.log


@pytest.mark.anyio
async def test_many_streams_at_once_are_not_mixed_up(engine: Engine) -> None:
    async def hear(client: AsyncOpenAI, name: str) -> tuple[str, str]:
        stream = await client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name, stream=True)
        events = [event async for event in stream]
        assert events[-1].type == "transcript.text.done"
        return said(name), words(events[-1].text)

    async with AsyncOpenAI(**engine.sdk()) as client, asyncio.TaskGroup() as group:
        hearing = [group.create_task(hear(client, EXACT[number % len(EXACT)])) for number in range(16)]
    for task in hearing:
        expected, heard = task.result()
        assert heard == expected
