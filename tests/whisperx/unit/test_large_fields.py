"""How much text a form may have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.whisperx.unit.scripted_desk import FILE, ScriptedDesk, connected

pytestmark = pytest.mark.anyio

MB = 1024**2
ALIGN = {"transcript": "Good morning.", "language": "en"}


@pytest.fixture
def desk() -> ScriptedDesk:
    return ScriptedDesk()


@pytest.fixture
async def client(desk: ScriptedDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(desk) as client:
        yield client


async def accepted(client: httpx.AsyncClient, **fields: Any) -> None:
    answer = await client.post("/align", data={**ALIGN, **fields}, files=FILE)
    assert answer.status_code == 200, answer.text


async def test_a_transcript_may_be_a_large_text(client: httpx.AsyncClient) -> None:
    await accepted(client, transcript="word " * 700_000)


@pytest.mark.parametrize(
    ("param", "told", "fields"),
    [
        ("transcript", "4 MB that a text of this name may have; send it as a file", {"transcript": "x" * 4 * MB + "x"}),
        ("known_speaker_references[]", "4 MB", {"known_speaker_references[]": "x" * 4 * MB + "x"}),
        ("prompt", "longer than the 64 KB", {"prompt": "x" * 64 * 1024 + "x"}),
        ("request_id", "longer than the 64 KB", {"request_id": "x" * MB}),
        ("ignored", "longer than the 64 KB", {"ignored": "x" * MB}),
        (None, "20 MB together", {"known_speaker_references": ["x" * 4 * MB] * 6}),
        (None, "more than 200 texts", {"keywords[]": [""] * 300}),
    ],
    ids=["transcript", "reference", "prompt", "name", "unknown", "sum", "many"],
)  # fmt: skip
async def test_texts_have_limits_that_are_told(
    client: httpx.AsyncClient, param: str | None, told: str, fields: dict[str, Any]
) -> None:
    """They are kept in memory, and before the request waits for its turn."""
    answer = await client.post("/align", data={**ALIGN, **fields}, files=FILE)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("param")) == (400, "invalid_value", param)
    assert told in problem["detail"]


async def test_as_many_texts_as_are_of_use_are_taken(client: httpx.AsyncClient, desk: ScriptedDesk) -> None:
    fields = {"known_speaker_references[]": ["x" * (4 * MB - 100)] * 4, "transcript": "x" * 3 * MB}
    await accepted(client, **fields, prompt="x" * 64_000)
    assert desk.asked


async def test_of_texts_beyond_the_limit_nothing_is_kept(client: httpx.AsyncClient) -> None:
    """What is sent after them goes past."""
    form = {"known_speaker_references[]": ["x" * (4 * MB - 100)] * 20}
    request = client.build_request("POST", "/align", data={**form, **ALIGN}, files=FILE)
    body = request.read()
    taken = 0

    async def slowly() -> AsyncIterator[bytes]:
        nonlocal taken
        for start in range(0, len(body), MB):
            taken += MB
            yield body[start : start + MB]

    answer = await client.post("/align", content=slowly(), headers={"content-type": request.headers["content-type"]})
    assert answer.status_code == 400
    assert taken <= 22 * MB


async def test_too_many_files_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/align", data=ALIGN, files=[("file", FILE["file"])] * 11)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_value")
    assert "more than 10 files" in answer.json()["detail"]
