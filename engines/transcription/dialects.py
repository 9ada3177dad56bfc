"""How a refusal looks to those who asked: in OpenAI's envelope, or as problem details (RFC 9457).

OpenAI's SDKs read the one. The other has its sentence in `detail`, where clients of FastAPI's applications look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from engines.transcription.errors import envelope


def problem(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """The JSON of RFC 9457. `about:blank` says that the status tells the kind, and wants its phrase for the title."""
    details = {"type": "about:blank", "title": _phrase(status), "status": status, "detail": message, "code": code}
    return details if param is None else {**details, "param": param}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


@dataclass(frozen=True, slots=True)
class Dialect:
    """written: status, code, message and param → the body, as JSON."""

    media_type: str
    written: Callable[[int, str, str, str | None], Mapping[str, Any]]


OPENAI = Dialect("application/json", envelope)
PROBLEM = Dialect("application/problem+json", problem)

Dialects = Callable[[str], Dialect]
"""The dialect that is spoken at a path."""


def openai_everywhere(_: str) -> Dialect:
    return OPENAI


def openai_where_it_is_expected(path: str) -> Dialect:
    """Under /v1/, and under /api/, which is about the same models; elsewhere, problem details."""
    return OPENAI if path.startswith(("/v1/", "/api/")) else PROBLEM
