"""Refuses request bodies that are too large: at once where the length is announced, else when the limit is passed.

After the refusal the server reads what the client still sends and throws it away, so that a client that looks for the
answer only after its upload finds it.
"""

from __future__ import annotations

from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engines.transcription.dialects import Dialects, openai_everywhere
from engines.transcription.errors import UploadTooLarge
from engines.transcription.refusals import refusal


class _PassedLimit(Exception):
    """Ends the reading of the body inside the application."""


class UploadLimit:
    """ASGI middleware. `limit` is in bytes and counts the whole body, form fields included."""

    def __init__(self, app: ASGIApp, limit: int, dialects: Dialects = openai_everywhere) -> None:
        self._app = app
        self._limit = limit
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _announced(scope) > self._limit:
            await self._refuse(scope, receive, send)
        else:
            await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise _PassedLimit
            return message

        async def unless_passed(message: Message) -> None:
            """FastAPI answers 400 when it cannot read a body; ours is the better answer."""
            if received <= self._limit:
                await send(message)

        with suppress(_PassedLimit):
            await self._app(scope, counting, unless_passed)
        if received > self._limit:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = UploadTooLarge(
            f"The upload is larger than the {self._limit} bytes that this server accepts.", param="file"
        )
        await refusal(error, self._dialects(scope["path"]))(scope, receive, send)


def _announced(scope: Scope) -> int:
    """The body's length by its header; 0 where there is none, as in a chunked body."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()), 0)
