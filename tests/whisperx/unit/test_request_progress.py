"""What a request is called, how far it has come, and the stream that tells so."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest

from engines.transcription.errors import BadAudio, ModelUnavailable
from tests.whisperx.unit.scripted_desk import FILE, ROUTES, ScriptedDesk, client, desk, posted

pytestmark = pytest.mark.anyio

__all__ = ["client", "desk"]  # fixtures


@pytest.mark.parametrize("path", [*ROUTES, "/v1/audio/transcriptions", "/v1/audio/translations"])
async def test_a_request_keeps_its_name_and_the_answer_tells_it(
    client: httpx.AsyncClient, desk: ScriptedDesk, path: str
) -> None:
    fields: dict[str, Any] = {"data": ROUTES.get(path, {}), "files": FILE}
    given = await client.post(path, **fields, headers={"x-request-id": "from-header"})
    chosen = await client.post(
        path,
        data={**ROUTES.get(path, {}), "request_id": "from-form"},
        files=FILE,
        headers={"x-request-id": "from-header"},
    )
    new = await client.post(path, **fields)
    names = [answer.headers["x-request-id"] for answer in (given, chosen, new)]
    assert names[:2] == ["from-header", "from-form"]
    assert len(names[2]) == 32
    assert desk.watched == names


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "<script>", "é"])
async def test_a_name_that_nobody_should_have_to_read_is_replaced(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/diarize", files=FILE, headers=[(b"x-request-id", name.encode())])
    assert answer.status_code == 200
    assert len(answer.headers["x-request-id"]) == 32


async def test_refusals_have_a_name_too(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/nothing"), await client.post("/diarize"), await client.get("/v1/nothing")):
        assert answer.headers["x-request-id"]


async def test_our_own_mistakes_have_a_name_too(desk: ScriptedDesk) -> None:
    from tests.whisperx.unit.scripted_desk import application

    desk.failure = ZeroDivisionError("the secret transcript")
    transport = httpx.ASGITransport(application(desk), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
        answer = await client.post("/diarize", files=FILE, headers={"x-request-id": "mistake"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mistake")
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text


async def test_progress_can_be_asked_for_meanwhile_and_afterwards(
    client: httpx.AsyncClient, desk: ScriptedDesk
) -> None:
    desk.gate = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: posted(client, "/diarize", request_id="meeting-1"))
        await desk.reached.wait()
        answer = await client.get("/progress/meeting-1")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "request_id": "meeting-1",
            "state": "working",
            "stage": "decode",
            "fraction": 0.5,
            "stages": {"decode": 1.0, "transcribe": 0.0},
        }
        desk.gate.set()
    assert (await client.get("/progress/meeting-1")).json()["state"] == "done"


async def test_a_failed_request_is_reported_as_such(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    desk.failure = BadAudio("No audio.")
    await client.post("/diarize", data={"request_id": "bad"}, files=FILE)
    assert (await client.get("/progress/bad")).json()["state"] == "failed"


async def test_nobody_knows_a_request_that_never_was(client: httpx.AsyncClient) -> None:
    answer = await client.get("/progress/never")
    assert (answer.status_code, answer.json()["code"]) == (404, "request_not_found")
    assert answer.headers["content-type"] == "application/problem+json"


# Streams


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


async def test_a_stream_tells_progress_and_ends_with_the_answer(client: httpx.AsyncClient) -> None:
    whole = (await posted(client, "/transcribe", diarize="true")).json()
    answer = await posted(client, "/transcribe", diarize="true", stream="true", request_id="live")
    *progress, done = events(answer)
    assert progress == [
        {
            "type": "progress",
            "request_id": "live",
            "state": "working",
            "stage": "decode",
            "fraction": 0.5,
            "stages": {"decode": 1.0, "transcribe": 0.0},
        }
    ]
    assert done == {"type": "done", **whole}
    assert answer.headers["x-request-id"] == "live"
    assert answer.headers["x-accel-buffering"] == "no"


async def test_what_fails_before_a_stream_begins_has_its_status(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    desk.failure = ModelUnavailable("Not now.", retry_after=5)
    answer = await client.post("/transcribe", data={"stream": "true"}, files=FILE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == "Not now."


async def test_what_fails_later_is_the_last_event(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    desk.failure, desk.late = ModelUnavailable("Not any more."), True
    _, failure = events(await posted(client, "/transcribe", stream="true", request_id="late"))
    assert failure == {
        "type": "error",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Not any more.",
        "code": "model_unavailable",
    }
    assert (await client.get("/progress/late")).json()["state"] == "failed"
