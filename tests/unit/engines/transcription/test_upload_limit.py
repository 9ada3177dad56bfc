from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message, Receive, Scope, Send

from engines.transcription import refusals
from engines.transcription.upload_limit import UploadLimit

pytestmark = pytest.mark.anyio

LIMIT = 1000


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.add_middleware(UploadLimit, limit=LIMIT)
    refusals.install(app)

    @app.post("/form")
    async def form(request: Request) -> int:
        async with request.form() as fields:
            return len(fields)

    @app.post("/")
    async def length(request: Request) -> int:
        return len(await request.body())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test") as client:
        yield client


async def in_pieces(count: int) -> AsyncIterator[bytes]:
    """A form's beginning; a hundred bytes each."""
    yield b'--B\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'.ljust(100, b"x")
    for _ in range(count - 1):
        yield b"x" * 100


def is_refusal(answer: httpx.Response) -> bool:
    return answer.status_code == 413 and answer.json()["error"]["code"] == "upload_too_large"


async def test_a_body_of_the_limit_passes(client: httpx.AsyncClient) -> None:
    assert (await client.post("/", content=b"x" * LIMIT)).json() == LIMIT
    assert (await client.post("/", content=in_pieces(10))).json() == LIMIT


@pytest.mark.parametrize("path", ["/", "/form"])
async def test_a_byte_more_is_refused_announced_or_not(client: httpx.AsyncClient, path: str) -> None:
    headers = {"content-type": "multipart/form-data; boundary=B"}
    assert is_refusal(await client.post(path, content=b"x" * (LIMIT + 1), headers=headers))
    assert is_refusal(await client.post(path, content=in_pieces(11), headers=headers))


async def test_an_announced_body_is_refused_before_any_of_it_is_read() -> None:
    async def unreachable(*_: object) -> None:
        pytest.fail("the application was called, or the body read")

    async def receive() -> Message:
        return pytest.fail("the body was read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "headers": [(b"content-length", b"1001")]}
    await UploadLimit(unreachable, LIMIT)(scope, receive, send)
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"])["error"]["param"] == "file"


async def test_a_nonsensical_length_is_left_to_the_server() -> None:
    called = []

    async def app(_: Scope, __: Receive, ___: Send) -> None:
        called.append(True)

    async def receive() -> Message:
        return {}

    async def send(_: Message) -> None:
        pass

    await UploadLimit(app, LIMIT)({"type": "http", "headers": [(b"content-length", b"1e9")]}, receive, send)
    assert called
