"""What all routes of the real engine have in common: refusals, progress, streams, and clients who leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread

from tests.fixtures.engine_process import EngineProcess
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import DIALOGUE, GOODBYE, long_talk, recording, said
from tests.whisperx.contract.calls import answered, post, text_of

pytestmark = pytest.mark.model


# Refusals


def test_a_problem_looks_as_fastapi_s_clients_expect_it(engine: EngineProcess) -> None:
    answer = post(engine, "/transcribe", recording(GOODBYE), min_speakers="2")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "min_speakers needs diarize=true.",
        "code": "invalid_value",
        "param": "min_speakers",
    }


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", "not_found"),
        ("GET", "/transcribe", "method_not_allowed"),
        ("GET", "/progress/nobody", "request_not_found"),
        ("GET", "/v1/nothing", "not_found"),
        ("GET", "/v1/audio/transcriptions", "method_not_allowed"),
        ("GET", "/v1/models/whisper-9", "model_not_found"),
        ("POST", "/api/ps/whisper-9", "model_not_found"),
    ],
)
def test_every_path_has_its_dialect_and_every_answer_a_name(
    engine: EngineProcess, method: str, path: str, code: str
) -> None:
    answer = httpx.request(method, f"{engine.url}{path}", timeout=LONG_PATIENCE)
    openai = path.startswith(("/v1/", "/api/"))
    told: dict[str, Any] = answer.json()["error"] if openai else answer.json()
    assert told["code"] == code
    assert answer.headers["content-type"] == ("application/json" if openai else "application/problem+json")
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/transcribe", "/align", "/diarize", "/v1/audio/transcriptions"])
def test_too_large_an_upload_is_refused(engine: EngineProcess, path: str) -> None:
    answer = post(engine, path, bytes(41 * 1024**2))
    assert answer.status_code == 413
    assert "upload_too_large" in answer.text
    assert answer.headers["x-request-id"]


def test_the_docs_and_the_description_are_served(engine: EngineProcess) -> None:
    assert "/openapi.json" in httpx.get(f"{engine.url}/docs", timeout=LONG_PATIENCE).text
    paths = httpx.get(f"{engine.url}/openapi.json", timeout=LONG_PATIENCE).json()["paths"]
    assert {"/transcribe", "/align", "/diarize", "/progress/{request_id}", "/v1/audio/transcriptions"} <= set(paths)


# Progress and streams


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """As they come."""
    for line in answer.iter_lines():
        if line:
            yield json.loads(line.removeprefix("data: "))


def test_a_stream_tells_every_stage_and_then_the_answer(engine: EngineProcess) -> None:
    fields = {"diarize": "true", "language": "en"}
    whole = answered(engine, "/transcribe", recording(DIALOGUE), **fields)
    with httpx.stream(
        "POST",
        f"{engine.url}/transcribe",
        data={**fields, "stream": "true"},
        files={"file": recording(DIALOGUE)},
        headers={"x-request-id": "streamed-1"},
        timeout=engine.patience,
    ) as answer:
        assert answer.headers["x-request-id"] == "streamed-1"
        *progress, done = list(events(answer))
    assert done == {"type": "done", **whole}
    assert {event["type"] for event in progress} == {"progress"}
    assert {event["stage"] for event in progress} == {"decode", "transcribe", "align", "diarize"}
    fractions = [event["fraction"] for event in progress]
    assert fractions == sorted(fractions)
    report = httpx.get(f"{engine.url}/progress/streamed-1", timeout=LONG_PATIENCE).json()
    assert (report["state"], report["fraction"]) == ("done", 1.0)
    assert set(report["stages"].values()) == {1.0}


def test_only_the_stages_that_were_asked_for_are_told_of(engine: EngineProcess) -> None:
    def stages(path: str, **fields: str) -> set[str]:
        post(engine, path, recording(GOODBYE), request_id="stages", **fields)
        return set(httpx.get(f"{engine.url}/progress/stages", timeout=LONG_PATIENCE).json()["stages"])

    assert stages("/transcribe", align="false") == {"decode", "transcribe"}
    assert stages("/transcribe") == {"decode", "transcribe", "align"}
    assert stages("/diarize") == {"decode", "diarize"}
    assert stages("/align", transcript="thanks goodbye", language="en") == {"decode", "align"}
    assert stages("/v1/audio/transcriptions", response_format="diarized_json") == {
        "decode",
        "transcribe",
        "align",
        "diarize",
    }


async def until(client: httpx.AsyncClient, patience: float, name: str, *states: str) -> None:
    """Ask for a request's progress until it is in one of these states: from outside nothing else tells."""
    with anyio.fail_after(patience):
        while (await client.get(f"/progress/{name}")).json().get("state") not in states:  # noqa: ASYNC110  see above
            await anyio.sleep(0.05)


@pytest.mark.anyio
async def test_progress_can_be_asked_for_meanwhile_and_who_leaves_ends_the_work(engine: EngineProcess) -> None:
    """All of it would take much longer."""
    talk = await to_thread.run_sync(long_talk, 30)
    done_before = engine.log.count("request.done")
    async with httpx.AsyncClient(base_url=engine.url, timeout=engine.patience) as client:
        form: dict[str, Any] = {"data": {"stream": "true", "request_id": "long-1"}, "files": {"file": talk}}
        async with client.stream("POST", "/transcribe", **form) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: ") and json.loads(line[6:])["stages"]["transcribe"] > 0:
                    break
            report = (await client.get("/progress/long-1")).json()
            assert (report["state"], report["stage"]) == ("working", "transcribe")
            assert 0 < report["fraction"] < 1
        await until(client, engine.patience, "long-1", "failed")
        after = await client.post("/transcribe", data={"language": "en"}, files={"file": recording(GOODBYE)})
    assert text_of(after.json()) == said(GOODBYE)
    assert engine.log.count("request.done") == done_before + 1


@pytest.mark.anyio
async def test_who_leaves_the_queue_is_not_served(engine: EngineProcess) -> None:
    talk = await to_thread.run_sync(long_talk, 30)
    done_before = engine.log.count("request.done")
    async with httpx.AsyncClient(base_url=engine.url, timeout=engine.patience) as client:

        async def ask(name: str, scope: anyio.CancelScope, sound: bytes) -> None:
            with scope:
                await client.post("/transcribe", data={"request_id": name}, files={"file": sound})

        first, second = anyio.CancelScope(), anyio.CancelScope()
        async with anyio.create_task_group() as group:
            group.start_soon(ask, "first", first, talk)
            await until(client, engine.patience, "first", "working")
            group.start_soon(ask, "second", second, recording(GOODBYE))
            await until(client, engine.patience, "second", "queued", "working")
            second.cancel()
            await until(client, engine.patience, "second", "failed")
            assert (await client.get("/progress/first")).json()["state"] == "working"
            first.cancel()
            await until(client, engine.patience, "first", "failed")
    assert engine.log.count("request.done") == done_before


@pytest.mark.anyio
async def test_many_at_once_are_all_answered_and_not_mixed_up(engine: EngineProcess) -> None:
    names = [GOODBYE, "en-the-meeting-is-open.wav", "en-please-close-the-window.wav", "en-good-evening-team.wav"] * 3
    heard: dict[int, str] = {}

    async with httpx.AsyncClient(base_url=engine.url, timeout=engine.patience) as client:

        async def ask(number: int) -> None:
            sound = recording(names[number])
            answer = await client.post("/transcribe", data={"language": "en"}, files={"file": sound})
            heard[number] = text_of(answer.json())

        async with anyio.create_task_group() as group:
            for number in range(len(names)):
                group.start_soon(ask, number)
    assert heard == {number: said(name) for number, name in enumerate(names)}
