"""The models over HTTP: OpenAI's /v1/models, and faster-whisper-server's /api/ps to load and unload them.

An id may hold slashes. In a path they come as they are or as `%2F`, which the server has decoded before we see it.
"""

# No `from __future__ import annotations`: FastAPI reads the annotations when it builds the routes.

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from engines.models.models import Models
from engines.transcription.answers import REFUSALS, Answers
from engines.transcription.errors import ModelNotFound

Id = Annotated[
    str,
    Path(
        description="A model's id, or another name of it. Slashes may come as `%2F`.",
        examples=["Systran/faster-whisper-small", "whisper-1"],
    ),
]

_MODEL = {
    "id": "Systran/faster-whisper-small",
    "object": "model",
    "created": 1_795_000_000,
    "owned_by": "Systran",
    "loaded": True,
    "default": True,
    "aliases": ["meetings"],
}
_LIST = {"object": "list", "data": [_MODEL]}
_DETAILS = {"id": "Systran/faster-whisper-small", "state": "ready", "users": 0, "ttl": 300}

_NO: Answers = {"4XX": REFUSALS["4XX"]}


def create_model_router(models: Models[Any]) -> APIRouter:
    router = APIRouter()
    _add_models(router, models)
    _add_memory(router, models)
    return router


def _add_models(router: APIRouter, models: Models[Any]) -> None:
    """OpenAI's."""

    @router.get("/v1/models", tags=["Models"], summary="The models that can be asked for", responses=_shown(_LIST))
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": models.listed()}

    @router.get(
        "/v1/models/{model:path}",
        tags=["Models"],
        summary="One model",
        responses=_shown(_MODEL) | _NO,
    )
    async def retrieve_model(model: Id) -> dict[str, Any]:
        """`loaded`, `default` and `aliases` are not OpenAI's; its clients keep what they don't know."""
        return models.described(_resolved(models, model))


def _add_memory(router: APIRouter, models: Models[Any]) -> None:
    """faster-whisper-server's."""

    @router.get(
        "/api/ps",
        tags=["Memory"],
        summary="The models in memory",
        responses=_shown({"models": ["Systran/faster-whisper-small"], "details": [_DETAILS]}),
    )
    async def list_loaded() -> dict[str, Any]:
        """`models` are the ids of those that are loaded; `details` tell of all, loaded or not."""
        return {"models": models.loaded(), "details": [models.details(model["id"]) for model in models.listed()]}

    @router.get(
        "/api/ps/{model:path}",
        tags=["Memory"],
        summary="How one model is",
        responses=_shown(_DETAILS) | _NO,
    )
    async def show_loaded(model: Id) -> dict[str, Any]:
        """`state` is `unloaded`, `loading`, `ready`, or `broken` with the `reason`; `users` counts requests."""
        return models.details(_resolved(models, model))

    @router.post(
        "/api/ps/{model:path}",
        status_code=201,
        tags=["Memory"],
        summary="Load a model",
        responses=_shown(_DETAILS, 201) | REFUSALS,
    )
    async def load_model(model: Id) -> dict[str, Any]:
        """Answers when it is loaded. Requests load what they need themselves; this is for doing it ahead."""
        resolved = _resolved(models, model)
        await models.load(resolved)
        return models.details(resolved)

    @router.delete(
        "/api/ps/{model:path}",
        status_code=204,
        tags=["Memory"],
        summary="Unload a model",
        responses=_NO,
    )
    async def unload_model(model: Id) -> Response:
        """Answers when its memory is free. The next request that needs it loads it again."""
        await models.unload(_resolved(models, model))
        return Response(status_code=204)


def _resolved(models: Models[Any], name: str) -> str:
    """Raises ModelNotFound, also where a path ends before the id: only in a form does none mean the default."""
    if not name:
        raise ModelNotFound("A model's id is missing at the end of the path.")
    return models.resolve(name)


def _shown(example: dict[str, Any], status: int = 200) -> Answers:
    return {status: {"content": {"application/json": {"example": example}}}}
