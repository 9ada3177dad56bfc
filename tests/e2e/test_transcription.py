"""The product's main job on real audio: the built engine image, a real container, the real OpenAI SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.e2e.conftest import HOST, ROOT, Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.process_gateway import GatewayProcess

pytestmark = [pytest.mark.docker, pytest.mark.model]

AUDIO = ROOT / "samples" / "audio"
MODEL = ROOT / "samples" / "models" / "micro-whisper"
MANIFEST = {entry["file"]: entry for entry in json.loads((AUDIO / "manifest.json").read_text())}
EXACT = sorted(AUDIO / name for name, entry in MANIFEST.items() if entry.get("exact") and (AUDIO / name).exists())


@pytest.fixture
def engine(make_engine: Callable[..., Engine], faster_image: str) -> Engine:
    volumes = {str(MODEL): {"bind": "/models/micro-whisper", "mode": "ro"}}
    environment = {"WHISPER_MODEL": "/models/micro-whisper", "HF_HUB_OFFLINE": "1"}
    return make_engine(faster_image, volumes=volumes, environment=environment)


def words(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").strip()


def sdk(gateway: GatewayProcess) -> dict[str, Any]:
    return {
        "base_url": f"{gateway.url}/v1",
        "api_key": "unused",
        "default_headers": {"Host": HOST},
        "max_retries": 0,
        "timeout": 300,
    }


def test_a_call_wakes_the_engine_is_answered_and_the_engine_sleeps_again(
    engine: Engine, make_gateway: Callable[..., GatewayProcess]
) -> None:
    gateway = make_gateway(engine, {"idle_after": "2s"})
    assert engine.status == "created"
    recording = AUDIO / "en-please-open-the-door-and-close-the-window.wav"

    with OpenAI(**sdk(gateway)) as client, recording.open("rb") as audio:
        answer = client.audio.transcriptions.create(model="whisper-1", file=audio)

    assert words(answer.text) == MANIFEST[recording.name]["text"]
    assert engine.status == "running"
    gateway.until("engine", phase="asleep")
    assert engine.status == "exited"

    with OpenAI(**sdk(gateway)) as client, recording.open("rb") as audio:  # and once more, from exited
        answer = client.audio.transcriptions.create(model="whisper-1", file=audio)
    assert words(answer.text) == MANIFEST[recording.name]["text"]


def test_200_simultaneous_cold_requests_cause_one_start_and_get_200_right_answers(
    engine: Engine, make_gateway: Callable[..., GatewayProcess]
) -> None:
    gateway = make_gateway(engine)

    async def ask(client: AsyncOpenAI, recording: Path) -> tuple[str, str]:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=recording)
        return MANIFEST[recording.name]["text"], words(answer.text)

    async def ask_all() -> list[tuple[str, str]]:
        limits = httpx2.Limits(max_connections=None)
        async with (
            httpx2.AsyncClient(limits=limits, timeout=LONG_PATIENCE) as http,
            AsyncOpenAI(**sdk(gateway), http_client=http) as client,
        ):
            return await asyncio.gather(*[ask(client, EXACT[n % len(EXACT)]) for n in range(200)])

    with engine.counting_starts() as starts:
        answers = asyncio.run(ask_all())

    assert [said for _, said in answers] == [wanted for wanted, _ in answers]
    assert len(starts) == 1
    assert len(gateway.events("engine.waking")) == 1
