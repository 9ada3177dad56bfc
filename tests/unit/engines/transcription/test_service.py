from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from engines.transcription.service import create_service
from engines.transcription.settings import ServiceSettings
from tests.fixtures.patience import PATIENCE


def service(report: dict[str, str] | None = None, log: list[str] | None = None) -> FastAPI:
    told = [] if log is None else log

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        told.append("begins")
        yield
        told.append("ends")

    settings = ServiceSettings.from_environment({})
    return create_service(
        "An engine", "For tests.", settings, report=lambda: report or {"status": "ready"}, lifespan=lifespan
    )


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine.test")


@pytest.mark.anyio
@pytest.mark.parametrize("status", ["loading", "ready", "broken"])
async def test_health_is_always_200_and_tells_how_far_the_model_is(status: str) -> None:
    report = {"status": status, "model": "tiny"}
    async with client(service(report)) as http:
        answer = await http.get("/health")
        assert (await http.head("/health")).status_code == 200
    assert (answer.status_code, answer.json()) == (200, report)


@pytest.mark.anyio
async def test_what_the_engine_does_beside_serving_begins_and_ends_with_it() -> None:
    log: list[str] = []
    app = service(log=log)
    assert log == []
    async with app.router.lifespan_context(app):
        assert log == ["begins"]
    assert log == ["begins", "ends"]


class Links(HTMLParser):
    """Everything that a browser would fetch for a page, except what its scripts fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.anyio
async def test_the_docs_need_no_other_server() -> None:
    async with client(service()) as http:
        page = (await http.get("/docs")).text
        links = Links(page).found
        assert [link.rsplit(".", 1)[-1] for link in links] == ["css", "png", "js"]
        assert not re.search(r"(https?:)?//\w", page), "it names another server"
        assert 'validatorUrl": null' in page, "the script names another server unless told otherwise"
        for link in links:
            asset = await http.get(link)
            assert (asset.status_code, bool(asset.content)) == (200, True)
            assert asset.headers["etag"], "browsers need not fetch it again"
        style = (await http.get(links[0])).text
        assert {reference.strip("'\"")[:5] for reference in re.findall(r"url\(([^)]*)", style)} == {"data:"}
        assert "@import" not in style
        (document,) = re.findall(r"url: '(.*?)'", page)
        assert (await http.get(document)).json()["info"]["title"] == "An engine"


@pytest.mark.anyio
async def test_redoc_is_off_and_the_assets_are_nothing_but_the_assets() -> None:
    async with client(service()) as http:
        for path in ("/redoc", "/docs/assets/", "/docs/assets/nothing", "/docs/assets/..%2f__init__.py"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), path


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
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert re.sub(r"\S+ (\w+) said by", r"\1", done.stdout) == "DEBUG engines.any\nINFO engines.any\n"
    assert done.stderr == ""
