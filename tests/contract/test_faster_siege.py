"""Crowds that upload nothing, leave at any moment, or want the model gone: whoever stays is answered."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from anyio import to_thread

from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import GOODBYE, THANKS, long_talk, recording, said, words
from tests.unit.engines.recordings import MODEL, SAMPLES

pytestmark = pytest.mark.model

TRANSCRIPTIONS = "/v1/audio/transcriptions"
HALF_A_HEAD = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-d"
NO_BODY = HALF_A_HEAD + b"ata; boundary=B\r\nContent-Length: 100000\r\n\r\n--B\r\n"


def connected(engine: Engine, number: int) -> list[socket.socket]:
    """Connections that say nothing, half a request's head, or the head and no body."""
    url = httpx.URL(engine.url)
    connections = [socket.create_connection((url.host, url.port or 80), LONG_PATIENCE) for _ in range(number)]
    for place, connection in enumerate(connections):
        connection.sendall((b"", HALF_A_HEAD, NO_BODY)[place % 3])
    return connections


def files_open(engine: Engine) -> int:
    return len(list(Path(f"/proc/{engine.process.pid}/fd").iterdir()))


def until(done: Callable[[], bool]) -> None:
    """Wait for what the outside world tells nobody."""
    deadline = time.monotonic() + LONG_PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_served(engine: Engine) -> None:
    assert words(engine.post(recording(GOODBYE), language="en").json()["text"]) == said(GOODBYE)
    (details,) = httpx.get(f"{engine.url}/api/ps", timeout=LONG_PATIENCE).json()["details"]
    assert (details["state"], details["users"]) == ("ready", 0)


def test_three_hundred_connections_that_upload_nothing_hold_up_nobody(engine: Engine) -> None:
    before = files_open(engine)
    crowd = connected(engine, 300)
    try:
        until(lambda: files_open(engine) >= 300)  # those open before may have ended meanwhile
        is_served(engine)
    finally:
        for connection in crowd:
            connection.close()
    until(lambda: files_open(engine) <= before + 5)


@pytest.mark.anyio
async def test_of_a_hundred_clients_who_leave_at_any_moment_nobody_takes_others_along(
    start: Callable[..., Engine],
) -> None:
    """They leave while they upload, wait for others, share a batch, or read a stream; one in five stays."""
    engine = start()
    engine.until_logged("model.ready")
    chance = random.Random(3)
    talk = await to_thread.run_sync(long_talk, 1)

    async def visit(seconds: float | None) -> httpx.Response | None:
        sound = chance.choice([recording(GOODBYE), recording(GOODBYE), talk])
        form = {"stream": chance.choice(["true", "false"]), "language": chance.choice(["", "en"])}
        if chance.random() < 0.3:
            form["include[]"] = "logprobs"
        path = chance.choice([TRANSCRIPTIONS, TRANSCRIPTIONS, "/v1/audio/language"])
        try:
            async with asyncio.timeout(seconds):
                return await client.post(path, files={"file": ("x", sound)}, data=form)
        except TimeoutError:
            return None

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE, limits=limits) as client:
        stays = [None if number % 5 == 0 else chance.random() * 3 for number in range(100)]
        answers = await asyncio.gather(*map(visit, stays))
    assert all(answer is not None for answer, stay in zip(answers, stays, strict=True) if stay is None)
    assert {answer.status_code for answer in answers if answer is not None} == {200}
    await to_thread.run_sync(is_served, engine)
    assert "Traceback" not in engine.log
    assert engine.stop() == 0


@pytest.mark.anyio
async def test_who_asks_while_the_model_is_unloaded_again_and_again_is_answered(start: Callable[..., Engine]) -> None:
    engine = start()
    asked = asyncio.Event()
    said_no: set[int] = set()

    async def ask() -> None:
        for number in range(8):
            form = {"language": "en", "stream": "true" if number % 2 else "false"}
            answer = await client.post(TRANSCRIPTIONS, files={"file": ("x", recording(GOODBYE))}, data=form)
            assert answer.status_code == 200
            assert said(GOODBYE) in words(answer.text.replace("\\n", " "))

    async def unload() -> None:
        while not asked.is_set():
            said_no.add((await client.delete("/api/ps/micro-whisper")).status_code)

    async with httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE) as client, asyncio.TaskGroup() as group:
        group.create_task(unload())
        await asyncio.gather(*(ask() for _ in range(3)))
        asked.set()
    assert said_no <= {204, 404, 409}
    await to_thread.run_sync(is_served, engine)
    assert "Traceback" not in engine.log


@pytest.mark.anyio
async def test_two_models_that_are_unloaded_at_once_take_turns(start: Callable[..., Engine]) -> None:
    folders = (str(MODEL), str(SAMPLES / "models" / "micro-whisper-10s"))
    engine = start(WHISPER_MODEL="", WHISPER_MODELS=",".join(folders), WHISPER_TTL="0", WHISPER_PRELOAD="none")

    async def ask(name: str, sound: str, language: str) -> None:
        form = {"model": Path(name).name, "language": language}
        answer = await client.post(TRANSCRIPTIONS, files={"file": ("x", recording(sound))}, data=form)
        assert words(answer.json()["text"]) == said(sound), answer.text

    async with httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE) as client:
        for _ in range(3):
            for folder in folders:
                await ask(folder, GOODBYE, "en")
        await asyncio.gather(
            *(ask(folders[n % 2], (GOODBYE, THANKS)[n % 3 % 2], ("en", "fr")[n % 3 % 2]) for n in range(9))
        )
        await to_thread.run_sync(engine.until_logged, "model.unloaded model=micro-whisper-10s", 3)
        until(lambda: not httpx.get(f"{engine.url}/api/ps", timeout=LONG_PATIENCE).json()["models"])
    assert "Traceback" not in engine.log


@pytest.mark.anyio
async def test_a_stop_waits_neither_for_who_left_a_stream_nor_for_who_never_asked(start: Callable[..., Engine]) -> None:
    """Of those with half a request, the ones whose head is complete are waited for: they may be uploading."""
    engine = start()
    engine.until_logged("model.ready")
    crowd = []
    for place, connection in enumerate(connected(engine, 90)):
        if place % 3 == 2:
            connection.close()
        else:
            crowd.append(connection)
    talk = await to_thread.run_sync(long_talk, 10)
    async with httpx.AsyncClient(base_url=engine.url, timeout=LONG_PATIENCE) as client:
        form = {"stream": "true", "language": "en", "vad_filter": "false"}
        async with client.stream("POST", TRANSCRIPTIONS, files={"file": ("x", talk)}, data=form) as answer:
            async for line in answer.aiter_lines():
                assert "transcript.text.delta" in line
                break
            engine.process.terminate()
            until(lambda: "Shutting down" in engine.log)
    assert await to_thread.run_sync(engine.process.wait, LONG_PATIENCE) == 0
    engine.close()
    gone = re.search(r"transcription.abandoned at=([\d.]+)s", engine.log)
    assert gone is not None, engine.log
    assert float(gone[1]) < 300
    for connection in crowd:
        connection.close()
    assert "Traceback" not in engine.log
