from __future__ import annotations

import re
import subprocess
import sys
import threading

import httpx
import pytest
from anyio import to_thread
from fastapi import FastAPI

from engines.transcription.model_slot import ModelSlot
from engines.transcription.service import create_service
from engines.transcription.settings import ServiceSettings

PATIENCE_S = 20


class Load:
    """A load that the test ends, well or not."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.problem: Exception | None = None

    def __call__(self) -> str:
        assert self.go.wait(PATIENCE_S)
        if self.problem is not None:
            raise self.problem
        return "model"


def service(slot: ModelSlot[str]) -> FastAPI:
    return create_service("An engine", "For tests.", "tiny", slot, ServiceSettings.from_environment({}))


async def health(app: FastAPI) -> dict[str, str]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test") as client:
        answer = await client.get("/health")
        assert answer.status_code == 200
        assert (await client.head("/health")).status_code == 200
    report: dict[str, str] = answer.json()
    return report


@pytest.mark.anyio
async def test_health_tells_how_far_the_model_is() -> None:
    load = Load()
    slot = ModelSlot(load)
    app = service(slot)
    async with app.router.lifespan_context(app):
        assert await health(app) == {"status": "loading", "model": "tiny"}
        load.go.set()
        assert await slot.run(str.upper) == "MODEL"
        assert await health(app) == {"status": "ready", "model": "tiny"}


@pytest.mark.anyio
async def test_health_of_a_broken_model_is_still_200_and_says_why() -> None:
    load = Load()
    load.problem = OSError("no such folder")
    load.go.set()
    slot = ModelSlot(load)
    app = service(slot)
    async with app.router.lifespan_context(app):
        while (report := await health(app))["status"] == "loading":
            await to_thread.run_sync(threading.Event().wait, 0.01)
    assert report == {"status": "broken", "model": "tiny", "reason": "no such folder"}


def test_libraries_stay_silent_however_talkative_we_are() -> None:
    """faster-whisper, httpx and the form parser tell what they were given."""
    program = """
import logging
from engines.transcription.service import configure_logs
configure_logs("debug")
for name in ("engines.any", "faster_whisper", "httpx", "huggingface_hub", "python_multipart.multipart"):
    logging.getLogger(name).debug("said by %s", name)
    logging.getLogger(name).info("said by %s", name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert re.sub(r"\S+ (\w+) said by", r"\1", done.stdout) == "DEBUG engines.any\nINFO engines.any\n"
    assert done.stderr == ""
