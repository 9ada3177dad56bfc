"""The engine as users reach it: woken by the gateway, as a process of its own, with OpenAI's SDK before it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import to_thread
from openai import AsyncOpenAI, OpenAI

from tests.fixtures.engine_process import ROOT
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.speech import DIALOGUE, GOODBYE, long_talk, recording, said, words
from tests.unit.engines.recordings import AUDIO, MODEL

pytestmark = pytest.mark.model

HOST = "whisper.test"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    (port,) = free_ports(1)
    entry = {
        "hosts": [HOST],
        "port": port,
        "process": {
            "command": [sys.executable, "-m", "engines.faster"],
            "directory": str(ROOT),
            "environment": {
                "PORT": str(port),
                "WHISPER_MODEL": str(MODEL),
                "WHISPER_ALIASES": "owner/small=micro-whisper",
                "HF_HUB_OFFLINE": "1",
            },
        },
    }
    gateway = GatewayProcess(tmp_path_factory.mktemp("gateway"), {"whisper": entry})
    try:
        gateway.start()
        yield gateway
        gateway.post("/api/engines/whisper/sleep?force=true")
        gateway.until("whisper", phase="asleep")
    finally:
        gateway.close()


def sdk(gateway: GatewayProcess) -> dict[str, Any]:
    return {
        "base_url": f"{gateway.url}/v1",
        "api_key": "unused",
        "default_headers": {"Host": HOST},
        "max_retries": 0,
        "timeout": LONG_PATIENCE,
    }


@pytest.mark.anyio
async def test_a_call_wakes_the_engine_and_is_answered(gateway: GatewayProcess) -> None:
    async with AsyncOpenAI(**sdk(gateway)) as client:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=AUDIO / GOODBYE)
    assert words(answer.text) == said(GOODBYE)


def test_a_stream_passes_event_by_event(gateway: GatewayProcess) -> None:
    with OpenAI(**sdk(gateway)) as client:
        stream = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE, stream=True)
        events = list(stream)
    assert events[-1].type == "transcript.text.done"
    assert words(events[-1].text) == said(DIALOGUE)


@pytest.mark.parametrize("path", ["owner/small", "owner%2Fsmall"])
def test_an_id_with_a_slash_passes_as_it_is(gateway: GatewayProcess, path: str) -> None:
    answer = httpx.get(f"{gateway.url}/v1/models/{path}", headers={"host": HOST}, timeout=LONG_PATIENCE)
    assert (answer.status_code, answer.json()["id"]) == (200, "micro-whisper")


@pytest.mark.anyio
async def test_who_leaves_in_the_midst_of_a_stream_leaves_no_work_behind(gateway: GatewayProcess) -> None:
    """All of it would keep the engine busy much longer."""
    talk = await to_thread.run_sync(long_talk, 20)
    form: Any = {"data": {"stream": "true", "language": "en"}, "files": {"file": ("x", talk)}}
    async with httpx.AsyncClient(base_url=gateway.url, headers={"host": HOST}, timeout=LONG_PATIENCE) as client:
        async with client.stream("POST", "/v1/audio/transcriptions", **form) as answer:
            first = await anext(answer.aiter_lines())
        assert json.loads(first.removeprefix("data: "))["delta"]
        await to_thread.run_sync(lambda: gateway.until("whisper", serving=0))
        after = await client.post("/v1/audio/transcriptions", files={"file": ("x", recording(GOODBYE))})
    assert words(after.json()["text"]) == said(GOODBYE)
    await to_thread.run_sync(gateway._until, lambda: "transcription.abandoned" in log_of_the_engine(gateway), "an end")


def log_of_the_engine(gateway: GatewayProcess) -> str:
    return "".join(path.read_text() for path in Path(gateway.config.parent / "state").rglob("*.log"))
