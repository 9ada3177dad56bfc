"""A client who leaves ends the work done for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from starlette.requests import Request

Result = TypeVar("Result")


class ClientLeft(Exception):
    """Nobody is there to hear the answer."""


async def while_client_waits(request: Request, work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `work`, which is cancelled when the client disconnects; then raises ClientLeft.

    The request's body must have been read: what arrives after it can only be the disconnect.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_gone, request, group.cancel_scope)
        try:
            return await work()
        except Exception as exc:
            failure = exc  # raised below: leaving the group with it would wrap it in an ExceptionGroup
        finally:
            group.cancel_scope.cancel()
    try:
        raise failure or ClientLeft
    finally:
        del failure  # it refers to this frame by its traceback, and by that to a whole recording


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
