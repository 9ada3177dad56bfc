"""Form fields as clients send them, from the wire to the typed request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Form

from engines.faster.options import ListeningOptions
from engines.faster.request import TranscriptionForm
from engines.transcription import refusals

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An application that answers with what it understood."""
    app = FastAPI()
    refusals.install(app)

    @app.post("/")
    async def understood(form: Annotated[TranscriptionForm, Form(media_type="multipart/form-data")]) -> dict[str, Any]:
        options = form.options()
        return {
            "model": form.model,
            "format": form.response_format,
            "listed": sorted(form.listed()),
            **{name: getattr(options, name) for name in ListeningOptions.__dataclass_fields__},
        }

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test") as client:
        yield client


FILE = {"file": ("a.wav", b"RIFF")}
DEFAULTS = {
    "model": None,
    "format": "json",
    "listed": ["segment"],
    **{name: getattr(ListeningOptions(), name) for name in ListeningOptions.__dataclass_fields__},
    "languages": [],
}


async def understood(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/", data=fields, files=FILE)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def refused(client: httpx.AsyncClient, **fields: Any) -> dict[str, str]:
    answer = await client.post("/", data=fields, files=FILE)
    assert answer.status_code == 400, answer.text
    error: dict[str, str] = answer.json()["error"]
    return error


async def test_only_the_file_is_needed(client: httpx.AsyncClient) -> None:
    assert await understood(client) == DEFAULTS


async def test_an_empty_field_counts_as_absent(client: httpx.AsyncClient) -> None:
    """Clients send `language=""` for "detect"."""
    names = ["model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]", "stream"]
    assert await understood(client, **dict.fromkeys(names, "")) == DEFAULTS


async def test_every_field_arrives(client: httpx.AsyncClient) -> None:
    fields = {
        "model": "whisper-1",
        "language": "FR",
        "prompt": "Équipe",
        "temperature": "0.4",
        "response_format": "srt",
    }
    assert await understood(client, **fields) == {
        **DEFAULTS,
        "model": "whisper-1",
        "language": "fr",
        "prompt": "Équipe",
        "temperature": 0.4,
        "format": "srt",
    }


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
@pytest.mark.parametrize(
    ("values", "listed"),
    [
        ("word", ["word"]),
        ("segment", ["segment"]),
        (["word", "segment"], ["segment", "word"]),
        (["word"] * 2, ["word"]),
    ],
)
async def test_granularities_are_read_with_and_without_brackets(
    client: httpx.AsyncClient, name: str, values: Any, listed: list[str]
) -> None:
    result = await understood(client, response_format="verbose_json", **{name: values})
    assert result["listed"] == listed
    assert result["words"] == ("word" in listed)


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
async def test_granularities_need_verbose_json(client: httpx.AsyncClient, name: str) -> None:
    error = await refused(client, **{name: "word"})
    assert error["param"] == "timestamp_granularities[]"
    assert "verbose_json" in error["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", "xml"),
        ("response_format", "JSON"),
        ("temperature", "warm"),
        ("temperature", "-0.1"),
        ("temperature", "1.1"),
        ("temperature", "nan"),
        ("temperature", "1e999"),
        ("language", "klingon"),
        ("timestamp_granularities[]", "line"),
    ],
)
async def test_unusable_values_are_refused_by_name(client: httpx.AsyncClient, field: str, value: str) -> None:
    error = await refused(client, **{field: value})
    assert (error["param"], error["code"]) == (field, "invalid_value")
    assert error["message"].startswith(f"{field}: ")


async def test_fields_that_we_do_not_know_are_ignored(client: httpx.AsyncClient) -> None:
    assert await understood(client, **{"stream": "true", "include[]": "logprobs", "hotwords": "x"}) == DEFAULTS


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"model": "whisper-1"}},
        {"data": {"file": "not a file"}},
        {"json": {"file": "not a file"}},
        {"files": {"file": ("", b"")}},
        {},
    ],
    ids=["none", "as text", "as JSON", "nameless", "empty body"],
)
async def test_a_missing_file_is_refused_and_the_way_told(client: httpx.AsyncClient, form: dict[str, Any]) -> None:
    answer = await client.post("/", **form)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "file")
    assert "multipart/form-data" in error["message"]


async def test_a_prompt_that_cannot_be_encoded_is_refused(client: httpx.AsyncClient) -> None:
    """A form may choose its charset, and some produce half a character."""
    part = b'--B\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    body = part % (b"prompt", b"", rb"\ud800") + part % (b"file", b'; filename="x"', b"RIFF") + b"--B--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=B; charset=unicode_escape"}
    answer = await client.post("/", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
