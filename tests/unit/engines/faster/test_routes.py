"""The routes without a model: what is documented, what is refused before anything is computed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from engines.faster.app import create_app
from engines.faster.request import TranscriptionForm
from engines.faster.settings import FasterSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A model that is never loaded: the application's lifespan is not entered."""
    app = create_app(FasterSettings.from_environment({"WHISPER_MODEL": "Systran/faster-whisper-small"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test") as client:
        yield client


async def test_the_served_model_is_listed(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["Systran/faster-whisper-small"]


@pytest.mark.parametrize("name", ["Systran/faster-whisper-small", "Systran%2Ffaster-whisper-small", "whisper-1"])
async def test_a_model_is_found_by_its_name_with_the_slash_plain_or_encoded(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.get(f"/v1/models/{name}")
    assert (answer.status_code, answer.json()["id"]) == (200, "Systran/faster-whisper-small")


async def test_an_unknown_model_is_404_with_openai_s_code(client: httpx.AsyncClient) -> None:
    asked = await client.get("/v1/models/a%2Fb")
    used = await client.post("/v1/audio/transcriptions", data={"model": "a/b"}, files={"file": ("x", b"RIFF")})
    for answer in (asked, used):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def schema(client: httpx.AsyncClient) -> dict[str, Any]:
    described: dict[str, Any] = (await client.get("/openapi.json")).json()
    return described


async def test_every_form_field_is_described(client: httpx.AsyncClient) -> None:
    properties = (await schema(client))["components"]["schemas"]["TranscriptionForm"]["properties"]
    assert set(properties) == {field.alias or name for name, field in TranscriptionForm.model_fields.items()}
    assert all(field.get("description") for field in properties.values())


async def test_no_answer_is_documented_that_we_never_give(client: httpx.AsyncClient) -> None:
    """FastAPI documents its own 422, which here is OpenAI's 400."""
    for path in (await schema(client))["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]


async def test_there_is_a_page_to_read_and_try(client: httpx.AsyncClient) -> None:
    assert "swagger" in (await client.get("/docs")).text.lower()
