"""Many at once, and those who leave."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable

import httpx
import openai
import pytest
from anyio import to_thread
from openai import AsyncOpenAI

from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import EXACT, GOODBYE, long_talk, recording, said, words
from tests.unit.engines.recordings import AUDIO

pytestmark = pytest.mark.model


@pytest.mark.anyio
async def test_thirty_at_once_are_all_answered_right_and_health_meanwhile(engine: Engine) -> None:
    async def good(number: int) -> None:
        name = EXACT[number % len(EXACT)]
        answer = await client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name)
        assert words(answer.text) == said(name)
        assert (await plain.get("/health")).json()["status"] == "ready"

    async def rubbish() -> None:
        with pytest.raises(openai.BadRequestError):
            await client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"rubbish" * 1000))

    async with (
        AsyncOpenAI(**{**engine.sdk(), "timeout": 10 * LONG_PATIENCE}) as client,
        httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE) as plain,
        asyncio.TaskGroup() as group,
    ):
        for number in range(24):
            group.create_task(good(number))
        for _ in range(6):
            group.create_task(rubbish())


@pytest.mark.anyio
async def test_a_client_who_leaves_stops_the_computation(start: Callable[..., Engine]) -> None:
    """All of it would take much longer. Whoever came with the leavers is answered."""
    engine = start()
    talk = await to_thread.run_sync(long_talk, 20)

    async def hear(content: bytes) -> httpx.Response:
        async with httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE) as client:
            return await client.post(
                "/v1/audio/transcriptions", files={"file": ("x", content)}, data={"language": "en"}
            )

    async with asyncio.TaskGroup() as group:
        leavers = [group.create_task(hear(talk))]
        await to_thread.run_sync(engine.until_logged, "transcription.begun")
        leavers.append(group.create_task(hear(talk)))
        patient = group.create_task(hear(recording(GOODBYE)))
        for leaver in leavers:
            leaver.cancel()
        gone = await to_thread.run_sync(engine.until_logged, "transcription.abandoned")
        answer = await patient
    at, of = map(float, re.findall(r"=([\d.]+)s", gone))
    assert of == 1200
    assert at < of / 2
    assert words(answer.json()["text"]) == said(GOODBYE)
    assert engine.log.count("transcription.done") == 1
    assert engine.stop() == 0


def test_a_client_who_leaves_during_the_upload_leaves_nothing_behind(engine: Engine) -> None:
    """The fixture looks into the upload folder at the end."""
    address = httpx.URL(engine.url)
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="secret.wav"\r\n\r\n'
    for _ in range(5):
        with socket.create_connection((address.host, address.port or 80), timeout=LONG_PATIENCE) as raw:
            raw.sendall(head + b"Content-Length: 30000000\r\n\r\n" + part + bytes(3_000_000))
    assert words(engine.post(recording(GOODBYE)).json()["text"]) == said(GOODBYE)
