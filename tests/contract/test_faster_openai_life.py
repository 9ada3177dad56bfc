"""The engine's beginning and its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import openai
import pytest
from anyio import to_thread
from openai import AsyncOpenAI

from tests.fixtures.engine_process import ROOT
from tests.fixtures.faster_engine import COMMAND, Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import GOODBYE, long_talk, recording, said, words
from tests.unit.engines.recordings import AUDIO, MODEL

pytestmark = pytest.mark.model


class SlowModel:
    """A copy of the model one of whose files is a pipe: loading lasts until the test feeds it."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(MODEL, folder)
        self.folder = folder
        self._pipe = folder / "vocabulary.json"
        self._content = self._pipe.read_bytes()
        self._pipe.unlink()
        os.mkfifo(self._pipe)

    def feed(self) -> None:
        self._pipe.write_bytes(self._content)


@pytest.fixture
def slow_model(tmp_path: Path) -> SlowModel:
    return SlowModel(tmp_path / "slow-whisper")


@pytest.mark.anyio
async def test_while_the_model_loads_health_says_so_and_requests_wait(
    start: Callable[..., Engine], slow_model: SlowModel
) -> None:
    engine = start(WHISPER_MODEL=str(slow_model.folder))
    assert engine.health() == {"status": "loading", "model": "slow-whisper"}
    async with AsyncOpenAI(**engine.sdk()) as client, asyncio.TaskGroup() as group:
        early = [
            group.create_task(client.audio.transcriptions.create(model="slow-whisper", file=AUDIO / GOODBYE))
            for _ in range(3)
        ]
        with pytest.raises(openai.BadRequestError):
            await client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"rubbish"))
        assert engine.health()["status"] == "loading"
        await to_thread.run_sync(slow_model.feed)
    assert [words(task.result().text) for task in early] == [said(GOODBYE)] * 3
    assert engine.health()["status"] == "ready"
    assert engine.log.count("model.loading") == 1


def test_a_model_that_could_not_be_loaded_is_tried_again_by_the_next_request(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    folder = tmp_path / "late-whisper"
    engine = start(WHISPER_MODEL=str(folder))
    for stream in ("false", "true"):
        refused = engine.post(recording(GOODBYE), stream=stream)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unavailable")
        assert "there is no folder" in refused.json()["error"]["message"]
    assert engine.health()["status"] == "broken"
    shutil.copytree(MODEL, folder)
    assert words(engine.post(recording(GOODBYE)).json()["text"]) == said(GOODBYE)
    assert engine.health() == {"status": "ready", "model": "late-whisper"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_model_loads_does_not_wait_for_it(
    start: Callable[..., Engine], slow_model: SlowModel, number: int
) -> None:
    engine = start(WHISPER_MODEL=str(slow_model.folder))
    engine.until_logged("model.loading")
    assert engine.stop(number) == 0


@pytest.mark.anyio
@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_stop_lets_running_requests_finish(start: Callable[..., Engine], stream: str) -> None:
    engine = start()
    engine.until_logged("model.ready")
    form = {"language": "en", "stream": stream}
    async with httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE) as client, asyncio.TaskGroup() as group:
        files = {"file": ("x", long_talk(1))}
        answer = group.create_task(client.post("/v1/audio/transcriptions", files=files, data=form))
        await to_thread.run_sync(engine.until_logged, "transcription.begun")
        assert await to_thread.run_sync(engine.stop) == 0
    assert answer.result().status_code == 200
    assert ("transcript.text.done" in answer.result().text) == (stream == "true")
    assert "the meeting is open" in words(answer.result().text)


def test_wrong_settings_end_the_start_with_all_problems() -> None:
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "PORT": "http", "WHISPER_DEVICE": "gpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_PATIENCE,
    )
    assert done.returncode == 2
    assert [line.partition("=")[0] for line in done.stderr.splitlines()] == ["PORT", "WHISPER_DEVICE"]
