"""OpenAI's routes, with a desk that only notes what it is asked, and OpenAI's SDK as the client."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from engines.transcription.errors import ModelUnavailable
from engines.whisperx import known_form
from engines.whisperx.data_urls import parse_data_url
from tests.whisperx.unit.scripted_desk import FILE, ScriptedDesk, application, connected

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # OpenAI wants no more translations
]

ADA = "data:audio/wav;base64," + base64.b64encode(b"the voice of Ada").decode()


@pytest.fixture
def desk() -> ScriptedDesk:
    return ScriptedDesk()


@pytest.fixture
async def client(desk: ScriptedDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(desk) as client:
        yield client


@pytest.fixture
async def sdk(desk: ScriptedDesk) -> AsyncIterator[AsyncOpenAI]:
    transport = httpx2.ASGITransport(application(desk))
    async with (
        httpx2.AsyncClient(transport=transport) as plain,
        AsyncOpenAI(base_url="http://engine.test/v1", api_key="unused", max_retries=0, http_client=plain) as client,
    ):
        yield client


async def transcribed(sdk: AsyncOpenAI, **parameters: Any) -> Any:
    return await sdk.audio.transcriptions.create(**{"model": "whisper-1", "file": FILE["file"], **parameters})


async def streamed(sdk: AsyncOpenAI, **parameters: Any) -> list[Any]:
    return [event async for event in await transcribed(sdk, stream=True, **parameters)]


async def test_json_is_the_default(sdk: AsyncOpenAI) -> None:
    answer = await transcribed(sdk)
    assert answer.to_dict() == {
        "text": "Good morning. Bonjour à tous.",
        "usage": {"type": "duration", "seconds": 4},
    }


async def test_diarized_json_tells_who_said_what(sdk: AsyncOpenAI) -> None:
    answer = await transcribed(sdk, model="gpt-4o-transcribe-diarize", response_format="diarized_json")
    assert type(answer).__name__ == "TranscriptionDiarized"
    assert [(segment.speaker, segment.text) for segment in answer.segments] == [
        ("A", "Good morning."),
        ("B", "Bonjour à tous."),
    ]
    assert (answer.task, answer.duration, answer.usage.seconds) == ("transcribe", 3.2, 4)


async def test_known_speakers_are_called_by_their_names(sdk: AsyncOpenAI, desk: ScriptedDesk) -> None:
    known: dict[str, Any] = {"known_speaker_names": ["Ada"], "known_speaker_references": [ADA]}
    answer = await transcribed(sdk, response_format="diarized_json", **known)
    assert [segment.speaker for segment in answer.segments] == ["A", "Ada"]
    assert desk.asked[0][3].known[0].recording == b"the voice of Ada"


async def test_their_recordings_are_read_while_others_are_served(
    sdk: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data URL of some megabytes takes a good part of a second."""
    threads: list[int] = []

    def parse(url: str) -> bytes:
        threads.append(threading.get_ident())
        return parse_data_url(url)

    monkeypatch.setattr(known_form, "parse_data_url", parse)
    known: dict[str, Any] = {"known_speaker_names": ["Ada"], "known_speaker_references": [ADA]}
    await transcribed(sdk, response_format="diarized_json", **known)
    assert threads
    assert threading.get_ident() not in threads


async def test_no_letter_is_the_name_of_somebody_who_is_known(sdk: AsyncOpenAI) -> None:
    known: dict[str, Any] = {"known_speaker_names": ["Ada", "A"], "known_speaker_references": [ADA, ADA]}
    answer = await transcribed(sdk, response_format="diarized_json", **known)
    assert [segment.speaker for segment in answer.segments] == ["B", "Ada"]
    events = await streamed(sdk, response_format="diarized_json", **known)
    assert [event.speaker for event in events if event.type == "transcript.text.segment"] == ["B", "Ada"]


async def test_a_reference_of_megabytes_arrives(sdk: AsyncOpenAI, desk: ScriptedDesk) -> None:
    """Ten seconds of stereo at 48 kHz with 24 bits."""
    recording = bytes(10 * 48_000 * 2 * 3)
    reference = "data:audio/wav;base64," + base64.b64encode(recording).decode()
    known: dict[str, Any] = {"known_speaker_names": ["Ada"], "known_speaker_references": [reference]}
    await transcribed(sdk, response_format="diarized_json", **known)
    assert desk.asked[0][3].known[0].recording == recording


@pytest.mark.parametrize(
    ("response_format", "content_type"),
    [("text", "text/plain"), ("srt", "text/plain"), ("vtt", "text/vtt"), ("verbose_json", "application/json")],
)
async def test_every_format_has_its_type(client: httpx.AsyncClient, response_format: str, content_type: str) -> None:
    answer = await client.post("/v1/audio/transcriptions", data={"response_format": response_format}, files=FILE)
    assert answer.headers["content-type"].startswith(content_type)
    assert "à tous." in answer.text


async def test_verbose_json_has_words_where_they_are_asked_for(sdk: AsyncOpenAI) -> None:
    answer = await transcribed(sdk, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert [word.word for word in answer.words] == ["Good", "morning.", "Bonjour", "à", "tous."]
    assert [segment.text for segment in answer.segments] == [" Good morning.", " Bonjour à tous."]
    assert answer.language == "english"


async def test_a_translation_is_the_text_alone(sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.translations.create(model="whisper-1", file=FILE["file"])
    assert answer.to_dict() == {"text": "Good morning. Bonjour à tous."}


async def test_the_sdk_knows_the_request_s_name(sdk: AsyncOpenAI) -> None:
    assert (await transcribed(sdk, extra_body={"request_id": "meeting-1"}))._request_id == "meeting-1"


# Streams


async def test_a_stream_is_the_text_as_it_is_heard_and_then_all_of_it(sdk: AsyncOpenAI) -> None:
    progress, *deltas, done = await streamed(sdk)
    assert progress.type == "progress"
    assert [(event.type, event.delta) for event in deltas] == [
        ("transcript.text.delta", "Good morning."),
        ("transcript.text.delta", " Bonjour à tous."),
    ]
    assert (done.type, done.text) == ("transcript.text.done", "Good morning. Bonjour à tous.")


async def test_a_diarized_stream_tells_each_segment_with_its_speaker(sdk: AsyncOpenAI) -> None:
    progress, *events, done = await streamed(sdk, response_format="diarized_json")
    assert progress.type == "progress"
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert [(one.speaker, one.start, one.end, one.text) for one in segments] == [
        ("A", 0.5, 1.5, "Good morning."),
        ("B", 2.0, 3.0, "Bonjour à tous."),
    ]
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    assert [delta.segment_id for delta in deltas] == [segment.id for segment in segments]
    assert "".join(delta.delta for delta in deltas) == done.text


async def test_who_handles_the_events_that_openai_documents_meets_no_surprise(sdk: AsyncOpenAI) -> None:
    """As its guide has it: what is of another type is passed over."""
    text, final = "", ""
    for event in await streamed(sdk):
        match event.type:
            case "transcript.text.delta":
                text += event.delta
            case "transcript.text.done":
                final = event.text
    assert text == final == "Good morning. Bonjour à tous."


async def test_progress_events_say_what_the_progress_route_says(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/audio/transcriptions", data={"stream": "true", "request_id": "x"}, files=FILE)
    first = json.loads(answer.text.split("\n\n")[0].removeprefix("data: "))
    report = (await client.get("/progress/x")).json()
    assert first.keys() == {"type", *report}
    assert (first["type"], first["request_id"], first["stage"]) == ("progress", "x", "decode")


async def test_what_fails_later_is_raised_by_the_sdk(sdk: AsyncOpenAI, desk: ScriptedDesk) -> None:
    desk.failure, desk.late = ModelUnavailable("Not any more."), True
    stream = await transcribed(sdk, stream=True)
    assert (await anext(stream)).type == "progress"
    assert (await anext(stream)).delta == "Good morning."
    with pytest.raises(openai.APIError, match="Not any more") as refusal:
        await anext(stream)
    assert refusal.value.code == "model_unavailable"


@pytest.mark.parametrize("response_format", ["json", "diarized_json"])
async def test_what_fails_before_a_stream_begins_has_its_status(
    sdk: AsyncOpenAI, desk: ScriptedDesk, response_format: str
) -> None:
    desk.failure = ModelUnavailable("Not now.")
    with pytest.raises(openai.InternalServerError, match="Not now") as refusal:
        await transcribed(sdk, stream=True, response_format=response_format)
    assert refusal.value.status_code == 503


# Refusals


async def test_refusals_are_in_openai_s_envelope(sdk: AsyncOpenAI, desk: ScriptedDesk) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await transcribed(sdk, include=["logprobs"])
    assert (refusal.value.param, refusal.value.code) == ("include[]", "invalid_value")
    with pytest.raises(openai.NotFoundError):
        await transcribed(sdk, model="whisper-9")
    assert not desk.asked
