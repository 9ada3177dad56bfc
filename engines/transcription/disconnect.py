"""A client who leaves ends the work done for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio
from starlette.requests import Request

from engines.transcription.beside import Interrupted, beside

Result = TypeVar("Result")


class ClientLeft(Exception):
    """Nobody is there to hear the answer."""


async def while_client_waits(request: Request, work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `work`, which is cancelled when the client disconnects; then raises ClientLeft.

    The request's body must have been read: what arrives after it can only be the disconnect.
    """
    try:
        return await beside(partial(_cancel_when_gone, request), work)
    except Interrupted:
        raise ClientLeft from None


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
