"""Whatever goes wrong, the client gets it in one envelope."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Form

from engines.transcription import refusals
from engines.transcription.dialects import openai_where_it_is_expected, problem
from engines.transcription.disconnect import ClientLeft
from engines.transcription.errors import BadAudio, ModelNotFound, ModelUnavailable
from engines.transcription.upload_limit import UploadLimit

pytestmark = pytest.mark.anyio


class FullDisk:
    """In place of a temporary file."""

    def __init__(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/tmp123")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    refusals.install(app)
    problems = {
        "audio": BadAudio("Not audio."),
        "model": ModelNotFound("No \ud800 such.", param="model"),
        "loading": ModelUnavailable("Not yet.", retry_after=5),
        "failure": ZeroDivisionError("the secret transcript"),
        "gone": ClientLeft(),
    }

    @app.get("/{name}")
    async def fail(name: str) -> None:
        raise problems[name]

    @app.post("/form")
    async def form(count: Annotated[int, Form()]) -> int:
        return count

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
        yield client


async def test_our_own_errors_keep_status_code_and_field(client: httpx.AsyncClient) -> None:
    answer = await client.get("/audio")
    assert answer.status_code == 400
    assert answer.json() == {
        "error": {"message": "Not audio.", "type": "invalid_request_error", "param": "file", "code": "invalid_audio"}
    }


async def test_a_message_may_quote_what_cannot_be_encoded(client: httpx.AsyncClient) -> None:
    answer = await client.get("/model")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "No \ud800 such.")


async def test_trouble_that_may_pass_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/loading")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["type"] == "server_error"


async def test_an_unexpected_failure_is_500_without_details(client: httpx.AsyncClient) -> None:
    answer = await client.get("/failure")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_client_who_left_is_no_failure(client: httpx.AsyncClient) -> None:
    assert (await client.get("/gone")).status_code == 499


async def test_an_unknown_path_and_a_wrong_method_are_in_the_envelope(client: httpx.AsyncClient) -> None:
    missing = await client.get("/no/such/path")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = await client.put("/form")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["allow"] or "GET" in wrong.headers["allow"]


async def test_a_bad_field_is_400_and_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/form", data={"count": "many"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "count", "invalid_value")
    assert error["message"].startswith("count: ")


async def test_a_body_that_is_no_form_is_400(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "multipart/form-data; boundary=B"}
    answer = await client.post("/form", content=b"garbage", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_body")


async def test_a_full_disk_is_our_trouble_and_not_a_malformed_body(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", FullDisk)
    answer = await client.post("/form", files={"file": b"sound"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["code"] == "no_room_for_upload"
    assert "No space left" in caplog.text
    assert "tmp123" not in answer.text


# The other dialect


@pytest.fixture
async def bilingual() -> AsyncIterator[httpx.AsyncClient]:
    """An engine that speaks OpenAI's dialect where that is expected only."""
    app = FastAPI()
    app.add_middleware(UploadLimit, limit=1000, dialects=openai_where_it_is_expected)
    refusals.install(app, openai_where_it_is_expected)

    async def fail() -> None:
        raise BadAudio("Not audio.")

    async def break_down() -> None:
        raise ZeroDivisionError("the secret transcript")

    async def form(count: Annotated[int, Form()]) -> int:
        return count

    for prefix in ("", "/v1", "/api"):
        app.get(f"{prefix}/fail")(fail)
        app.get(f"{prefix}/break")(break_down)
        app.post(f"{prefix}/form")(form)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
        yield client


REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "invalid_audio": ("GET", "/fail", {}),
    "invalid_value": ("POST", "/form", {"data": {"count": "many"}}),
    "malformed_body": ("POST", "/form", {"content": b"?", "headers": {"content-type": "multipart/form-data"}}),
    "upload_too_large": ("POST", "/form", {"content": bytes(1001)}),
    "internal_error": ("GET", "/break", {}),
    "not_found": ("GET", "/nothing", {}),
    "method_not_allowed": ("PUT", "/form", {}),
}


@pytest.mark.parametrize("code", REQUESTS)
async def test_elsewhere_every_failure_is_a_problem(bilingual: httpx.AsyncClient, code: str) -> None:
    method, path, content = REQUESTS[code]
    answer = await bilingual.request(method, path, **content)
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["type"], told["status"], told["code"]) == ("about:blank", answer.status_code, code)
    assert told["title"]
    assert told["detail"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("prefix", ["/v1", "/api"])
@pytest.mark.parametrize("code", REQUESTS)
async def test_under_some_paths_it_is_in_openai_s_envelope(
    bilingual: httpx.AsyncClient, prefix: str, code: str
) -> None:
    method, path, content = REQUESTS[code]
    answer = await bilingual.request(method, prefix + path, **content)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == code


async def test_a_problem_names_the_field_where_there_is_one(bilingual: httpx.AsyncClient) -> None:
    assert (await bilingual.get("/fail")).json()["param"] == "file"
    assert "param" not in (await bilingual.get("/nothing")).json()


def test_a_status_without_a_name_is_borne() -> None:
    assert problem(599, "http_error", "Odd.")["title"] == "Error"
    assert problem(404, "not_found", "Gone.")["title"] == "Not Found"
