"""Work beside other work: something that looks whether anybody still waits for the result, or a second half of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio

Result = TypeVar("Result")


class Interrupted(Exception):
    """The companion ended the work."""


async def beside(
    companion: Callable[[anyio.CancelScope], Coroutine[Any, Any, None]], work: Callable[[], Awaitable[Result]]
) -> Result:
    """The result of `work`. `companion` runs meanwhile, and is cancelled when that is over.

    If the companion cancels the scope that it is given, the work is cancelled; then raises Interrupted.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(companion, group.cancel_scope)
        try:
            return await work()
        except Exception as exc:
            failure = exc  # raised below: leaving the group with it would wrap it in an ExceptionGroup
        finally:
            group.cancel_scope.cancel()
    try:
        raise failure or Interrupted
    finally:
        del failure  # it refers to this frame by its traceback, and by that to a whole recording


async def together(*works: Callable[[], Awaitable[Any]]) -> list[Any]:
    """All results, in the order of the works. The first failure ends the others, and is raised as it is."""
    results: list[Any] = [None] * len(works)
    failures: list[Exception] = []

    async def one(number: int, work: Callable[[], Awaitable[Any]], scope: anyio.CancelScope) -> None:
        try:
            results[number] = await work()
        except Exception as exc:
            failures.append(exc)
            scope.cancel()

    async with anyio.create_task_group() as group:
        for number, work in enumerate(works):
            group.start_soon(one, number, work, group.cancel_scope)
    try:
        if failures:
            raise failures[0]
    finally:
        failures.clear()  # they refer to this frame by their tracebacks
    return results
