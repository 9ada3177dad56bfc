"""The models over HTTP, with models that cost nothing."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from openai.types import Model

from engines.faster.settings import FasterSettings
from engines.models.model_routes import create_model_router
from engines.models.models import Models
from engines.transcription import refusals
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio

HUB_NAME = "Systran/faster-whisper-small"


class Fake:
    def close(self) -> None:
        pass


class Loader:
    """Loads when it is told to; fails where there is a problem."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.problem: Exception | None = None

    def __call__(self, _: str) -> Fake:
        assert self.go.wait(PATIENCE)
        if self.problem is not None:
            raise self.problem
        return Fake()


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def models(tmp_path: Path, loader: Loader, monkeypatch: pytest.MonkeyPatch) -> Models[Fake]:
    """`ours`, the default, and one from the hub, which is fetched as by magic."""
    monkeypatch.setattr("engines.models.models._fetched", lambda *_: str(tmp_path))
    (tmp_path / "ours").mkdir()
    environment = {"WHISPER_MODELS": f"{tmp_path}/ours,{HUB_NAME}", "WHISPER_ALIASES": f"big={HUB_NAME}"}
    return Models(FasterSettings.from_environment(environment), loader)


@pytest.fixture
async def client(models: Models[Fake]) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    refusals.install(app)
    app.include_router(create_model_router(models))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as one:
        yield one


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_models_are_listed_in_openai_s_shape(client: httpx.AsyncClient, models: Models[Fake]) -> None:
    await models.load("ours")
    listed = (await client.get("/v1/models")).json()
    assert listed["object"] == "list"
    ours, theirs = [Model.model_validate(model) for model in listed["data"]]
    assert (ours.id, ours.object, ours.owned_by) == ("ours", "model", "local")
    assert (theirs.id, theirs.owned_by) == (HUB_NAME, "Systran")
    assert [(model["loaded"], model["default"]) for model in listed["data"]] == [(True, True), (False, False)]


@pytest.mark.parametrize("path", [HUB_NAME, HUB_NAME.replace("/", "%2F"), HUB_NAME.replace("/", "%2f"), "big"])
async def test_a_model_is_found_with_its_slashes_plain_or_encoded_and_by_its_aliases(
    client: httpx.AsyncClient, path: str
) -> None:
    assert (await client.get(f"/v1/models/{path}")).json()["id"] == HUB_NAME
    assert (await client.get(f"/api/ps/{path}")).json()["id"] == HUB_NAME


@pytest.mark.parametrize("name", ["whisper-1", "gpt-4o-transcribe", "ours"])
async def test_openai_s_names_stand_for_the_default_model(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/v1/models/{name}")).json()["id"] == "ours"


@pytest.mark.parametrize("prefix", ["/v1/models", "/api/ps"])
@pytest.mark.parametrize("name", ["other", "", "a/b", "a%2Fb", "ours/", "%00", "%F0%9F", "x" * 5000])
async def test_an_unknown_model_is_not_found_in_openai_s_shape(
    client: httpx.AsyncClient, prefix: str, name: str
) -> None:
    methods = ["GET"] if prefix == "/v1/models" else ["GET", "POST", "DELETE"]
    for method in methods:
        response = await client.request(method, f"{prefix}/{name}")
        assert code(response) == (404, "model_not_found")
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_loaded_models_are_listed_as_faster_whisper_server_did(
    client: httpx.AsyncClient, models: Models[Fake]
) -> None:
    assert (await client.get("/api/ps")).json()["models"] == []
    await models.load(HUB_NAME)
    answer: dict[str, Any] = (await client.get("/api/ps")).json()
    assert answer["models"] == [HUB_NAME]
    assert answer["details"] == [
        {"id": "ours", "state": "unloaded", "users": 0, "ttl": None},
        {"id": HUB_NAME, "state": "ready", "users": 0, "ttl": None},
    ]


async def test_a_model_is_loaded_and_unloaded_on_request(client: httpx.AsyncClient, models: Models[Fake]) -> None:
    loaded = await client.post("/api/ps/ours")
    assert (loaded.status_code, loaded.json()["state"]) == (201, "ready")
    assert code(await client.post("/api/ps/ours")) == (409, "model_already_loaded")
    async with models.borrowed("ours"):
        assert code(await client.delete("/api/ps/ours")) == (409, "model_in_use")
        assert (await client.get("/api/ps/ours")).json()["users"] == 1
    unloaded = await client.delete("/api/ps/ours")
    assert (unloaded.status_code, unloaded.content) == (204, b"")
    assert code(await client.delete("/api/ps/ours")) == (404, "model_not_loaded")
    assert (await client.get("/api/ps")).json()["models"] == []


async def test_loading_is_answered_when_it_is_done(
    client: httpx.AsyncClient, models: Models[Fake], loader: Loader
) -> None:
    loader.go.clear()
    statuses: list[int] = []

    async def load() -> None:
        statuses.append((await client.post("/api/ps/ours")).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(load)
        group.start_soon(load)
        await anyio.wait_all_tasks_blocked()
        assert models.details("ours")["state"] == "loading"
        assert code(await client.delete("/api/ps/ours")) == (409, "model_in_use")
        assert statuses == []
        loader.go.set()
    assert statuses == [201, 201]


async def test_a_load_that_fails_says_why_and_the_next_one_tries_again(
    client: httpx.AsyncClient, loader: Loader
) -> None:
    loader.problem = RuntimeError("CUDA failed with error out of memory")
    response = await client.post("/api/ps/ours")
    assert code(response) == (503, "model_unavailable")
    assert response.headers["retry-after"] == "5"
    assert response.json()["error"]["message"].endswith("there is not enough GPU memory for it")
    assert (await client.get("/api/ps/ours")).json()["reason"] == "there is not enough GPU memory for it"
    assert code(await client.delete("/api/ps/ours")) == (404, "model_not_loaded")
    loader.problem = None
    assert (await client.post("/api/ps/ours")).status_code == 201


async def test_everything_is_described(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert set(paths) == {"/v1/models", "/v1/models/{model}", "/api/ps", "/api/ps/{model}"}
    for path, methods in paths.items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["tags"]
            assert all(parameter["description"] for parameter in operation.get("parameters", []))
            assert ("4XX" in operation["responses"]) == path.endswith("{model}")
