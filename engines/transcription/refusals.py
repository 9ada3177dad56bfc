"""Errors as HTTP answers. Whatever goes wrong, the client gets OpenAI's envelope, and never a traceback."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engines.transcription.disconnect import ClientLeft
from engines.transcription.errors import BadParameter, EngineError, NoRoomForUpload, envelope

log = logging.getLogger(__name__)

_HTTP_ERRORS = {
    400: ("malformed_body", "The body could not be read as a form (multipart/form-data)."),
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not take this method."),
}


def install(app: FastAPI) -> None:
    """Make `app` answer every failure as written above."""
    app.add_exception_handler(EngineError, _on_engine_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientLeft, _on_client_left)
    app.add_exception_handler(Exception, _on_failure)


def refusal(error: EngineError) -> Response:
    """The answer for one of our own errors."""
    log.info("request.refused status=%d code=%s param=%s", error.status, error.code, error.param)
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return _answer(error.status, error.code, error.message, error.param, headers)


def _answer(
    status: int, code: str, message: str, param: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """ASCII only: a message may quote what a client sent, and that need not be encodable."""
    body = json.dumps(envelope(status, code, message, param))
    return Response(body, status, headers, "application/json")


async def _on_engine_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)  # as `install` arranged
    return refusal(error)


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = next((str(part) for part in first["loc"] if part != "body"), None)
    return refusal(BadParameter(_explained(param, first), param=param))


def _explained(param: str | None, problem: dict[str, Any]) -> str:
    if param == "file":
        return "Send the recording as a file in the form field `file` (multipart/form-data)."
    return f"{param}: {problem['msg'].removeprefix('Value error, ')}."


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError):  # FastAPI blames the client for whatever goes wrong while a form is read
        log.error("upload.not_kept reason=%r", str(error.__cause__))
        return refusal(NoRoomForUpload())
    code, message = _HTTP_ERRORS.get(error.status_code, ("http_error", str(error.detail)))
    log.info("request.refused status=%d code=%s", error.status_code, code)
    return _answer(error.status_code, code, message, headers=dict(error.headers or {}))


async def _on_client_left(_: Request, __: Exception) -> Response:
    """Nobody hears it; nginx's number for the same thing, should a middleware count."""
    return Response(status_code=499)


async def _on_failure(_: Request, __: Exception) -> Response:
    """Our own mistake. The server logs the traceback after this answer."""
    return _answer(500, "internal_error", "The engine failed to answer this request.")
