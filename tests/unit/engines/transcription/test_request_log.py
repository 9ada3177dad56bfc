"""What the engine's log tells of a request: enough to find it again, and nothing of what it said."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from engines.transcription.disconnect import ClientLeft
from engines.transcription.errors import BadAudio
from engines.transcription.request_ids import request_id
from engines.transcription.request_log import of_request
from engines.transcription.service import create_service
from engines.transcription.settings import ServiceSettings
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio
LINE = re.compile(r"request\.(\w+) method=(\S+) path=(\S+) status=(\d+) after=\d+\.\d{3}s(.*)")
work = logging.getLogger("engines.test")


class Lines(logging.Handler):
    """What would be written, without time and level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.addFilter(of_request)
        self.written: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append((record.levelname, record.getMessage() + vars(record)["request"]))

    def told(self) -> tuple[str, ...]:
        """The one line about the request."""
        ((_, line),) = [(level, line) for level, line in self.written if line.startswith(("request.a", "request.b"))]
        match = LINE.fullmatch(line)
        assert match, line
        return match.groups()


@pytest.fixture
def log() -> Iterator[Lines]:
    lines, logger = Lines(), logging.getLogger("engines")
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    yield lines
    logger.setLevel(before)
    logger.removeHandler(lines)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


def service() -> FastAPI:
    settings = ServiceSettings.from_environment({})
    app = create_service("An engine", "For tests.", settings, report=lambda: {"status": "ready"}, lifespan=lifespan)

    @app.post("/job/{name}")
    async def working(name: str, request: Request) -> str:
        match name:
            case "gone":
                raise ClientLeft
            case "broken":
                raise ZeroDivisionError
            case "refused":
                raise BadAudio("Not audio.")
            case "called":
                request_id(request, "meeting-1")
            case "thread":
                await to_thread.run_sync(lambda: work.info("work.done"))
        return "done"

    @app.get("/stream")
    async def streaming() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise ZeroDivisionError

        return StreamingResponse(parts())

    return app


async def asked(method: str, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(service(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
        return await client.request(method, path, headers={"x-request-id": "abc-1"}, **options)


async def test_a_request_is_one_line_with_the_id_that_it_came_with(log: Lines) -> None:
    answer = await asked("POST", "/job/plain")
    assert log.told() == ("answered", "POST", "/job/plain", "200", " request_id=abc-1")
    assert answer.headers["x-request-id"] == "abc-1"


async def test_neither_query_nor_form_nor_file_name_is_told(log: Lines) -> None:
    files = {"file": ("secret-name.wav", b"secret-bytes")}
    await asked("POST", "/job/plain?prompt=secret-query", files=files, data={"prompt": "secret-field"})
    assert "secret" not in repr(log.written)


@pytest.mark.parametrize(
    ("path", "word", "status"),
    [("refused", "answered", "400"), ("broken", "answered", "500"), ("gone", "broken_off", "499")],
)
async def test_the_status_is_the_one_that_was_answered(log: Lines, path: str, word: str, status: str) -> None:
    await asked("POST", f"/job/{path}")
    told = log.told()
    assert (told[0], told[3]) == (word, status)


async def test_an_answer_that_ends_too_early_is_told_from_a_whole_one(log: Lines) -> None:
    await asked("GET", "/stream")
    assert log.told()[0] == "broken_off"


async def test_a_name_from_the_form_is_told_beside_the_id(log: Lines) -> None:
    await asked("POST", "/job/called")
    assert log.told()[4] == " called=meeting-1 request_id=abc-1"


async def test_lines_written_for_a_request_have_its_id_those_of_worker_threads_too(log: Lines) -> None:
    await asked("POST", "/job/thread")
    await asked("POST", "/job/refused")
    lines = [line for _, line in log.written]
    assert "work.done request_id=abc-1" in lines
    assert "request.refused status=400 code=invalid_audio param=file request_id=abc-1" in lines


async def test_requests_at_the_same_time_keep_their_ids_apart(log: Lines) -> None:
    async def one(name: str) -> None:
        transport = httpx.ASGITransport(service())
        async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
            await client.post("/job/thread", headers={"x-request-id": name})

    async with anyio.create_task_group() as group:
        for name in ("one", "two", "three"):
            group.start_soon(one, name)
    done = sorted(line for _, line in log.written if line.startswith("work.done"))
    assert done == ["work.done request_id=one", "work.done request_id=three", "work.done request_id=two"]


async def test_a_health_check_is_no_news(log: Lines) -> None:
    await asked("GET", "/health")
    assert [level for level, line in log.written if "path=/health" in line] == ["DEBUG"]


@pytest.mark.parametrize("path", ["/a%0Ainfo", "/a%20b%1b[2J", "/%C3%A9", "/" + "x" * 3000])
async def test_a_path_cannot_forge_a_line_or_fill_the_log(log: Lines, path: str) -> None:
    await asked("GET", path)
    told = log.told()[2]
    assert told.isprintable()
    assert len(told) <= 200


def test_what_no_request_caused_ends_without_an_id() -> None:
    program = """
import logging
from engines.transcription.service import configure_logs
configure_logs("info")
logging.getLogger("engines.x").info("model.ready model=%s", "small")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert re.fullmatch(r"\S+ INFO model\.ready model=small\n", done.stdout)
