"""A name for every request: what a client or proxy calls it in X-Request-ID, or a new one. Every answer tells it."""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATTERN = "[A-Za-z0-9._:-]{1,128}"
"""As the gateway has it. A name goes into a path, a header and the log."""
_SANE = re.compile(PATTERN.encode())


class RequestIds:
    """ASGI middleware. Keeps the name in the request's state, where handlers may change it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = _given(scope) or uuid4().hex

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = state["request_id"]
            await send(message)

        await self._app(scope, receive, telling)


def request_id(request: Request, chosen: str | None) -> str:
    """The request's name from now on: what its form chose, else what it came with."""
    if chosen is not None:
        request.state.request_id = chosen
    name: str = request.state.request_id
    return name


def header(scope: Scope) -> dict[str, str]:
    """For an answer that does not come by the middleware; empty where there is none."""
    name = scope.get("state", {}).get("request_id")
    return {} if name is None else {"x-request-id": name}


def _given(scope: Scope) -> str | None:
    """The first counts; one that nobody should have to read counts as none."""
    value: bytes | None = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
    return value.decode() if value is not None and _SANE.fullmatch(value) else None
