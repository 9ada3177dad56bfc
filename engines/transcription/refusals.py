"""Errors as HTTP answers. Whatever goes wrong, the client gets it in the dialect of the path, and never a traceback."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engines.transcription import request_ids
from engines.transcription.dialects import Dialect, Dialects, openai_everywhere
from engines.transcription.disconnect import ClientLeft
from engines.transcription.errors import BadParameter, EngineError, NoRoomForUpload

log = logging.getLogger(__name__)

_HTTP_ERRORS = {
    400: ("malformed_body", "The body could not be read as a form (multipart/form-data)."),
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not take this method."),
}


def install(app: FastAPI, dialects: Dialects = openai_everywhere) -> None:
    """Make `app` answer every failure as written above."""
    handlers = _Handlers(dialects)
    app.add_exception_handler(EngineError, handlers.on_engine_error)
    app.add_exception_handler(RequestValidationError, handlers.on_validation_error)
    app.add_exception_handler(HTTPException, handlers.on_http_exception)
    app.add_exception_handler(ClientLeft, handlers.on_client_left)
    app.add_exception_handler(Exception, handlers.on_failure)


def refusal(error: EngineError, dialect: Dialect) -> Response:
    """The answer for one of our own errors."""
    log.info("request.refused status=%d code=%s param=%s", error.status, error.code, error.param)
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return _answer(dialect, error.status, error.code, error.message, error.param, headers=headers)


def _answer(
    dialect: Dialect,
    status: int,
    code: str,
    message: str,
    param: str | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Response:
    """ASCII only: a message may quote what a client sent, and that need not be encodable."""
    body = json.dumps(dialect.written(status, code, message, param))
    return Response(body, status, headers, dialect.media_type)


class _Handlers:
    """What Starlette calls with an exception, of the class that `install` arranged."""

    def __init__(self, dialects: Dialects) -> None:
        self._dialects = dialects

    def _dialect(self, request: Request) -> Dialect:
        return self._dialects(request.scope["path"])

    async def on_engine_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, EngineError)
        return refusal(error, self._dialect(request))

    async def on_validation_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        param = next((str(part) for part in first["loc"] if part != "body"), None)
        return refusal(BadParameter(_explained(param, first), param=param), self._dialect(request))

    async def on_http_exception(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        dialect = self._dialect(request)
        if isinstance(error.__cause__, OSError):  # FastAPI blames the client for whatever goes wrong with a form
            log.error("upload.not_kept reason=%r", str(error.__cause__))
            return refusal(NoRoomForUpload(), dialect)
        code, message = _HTTP_ERRORS.get(error.status_code, ("http_error", str(error.detail)))
        log.info("request.refused status=%d code=%s", error.status_code, code)
        return _answer(dialect, error.status_code, code, message, headers=dict(error.headers or {}))

    async def on_client_left(self, _: Request, __: Exception) -> Response:
        """Nobody hears it; nginx's number for the same thing, should a middleware count."""
        return Response(status_code=499)

    async def on_failure(self, request: Request, _: Exception) -> Response:
        """Our own mistake. The server logs the traceback after this answer, which is made outside of all middleware."""
        message = "The engine failed to answer this request."
        headers = request_ids.header(request.scope)
        return _answer(self._dialect(request), 500, "internal_error", message, headers=headers)


def _explained(param: str | None, problem: dict[str, Any]) -> str:
    if param == "file":
        return "Send the recording as a file in the form field `file` (multipart/form-data)."
    return f"{param}: {problem['msg'].removeprefix('Value error, ')}."
