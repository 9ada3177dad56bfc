from __future__ import annotations

import anyio
import pytest
from starlette.requests import Request
from starlette.types import Message

from engines.transcription.disconnect import ClientLeft, while_client_waits

pytestmark = pytest.mark.anyio


class Client:
    """Waits until it leaves."""

    def __init__(self) -> None:
        self.leaving = anyio.Event()
        self.request = Request({"type": "http"}, self._receive)

    async def _receive(self) -> Message:
        await self.leaving.wait()
        return {"type": "http.disconnect"}


async def test_the_result_is_passed_on() -> None:
    async def work() -> str:
        return "done"

    assert await while_client_waits(Client().request, work) == "done"


async def test_an_error_is_passed_on_as_it_is() -> None:
    async def work() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await while_client_waits(Client().request, work)


async def test_a_client_who_leaves_cancels_the_work() -> None:
    client = Client()
    ended = []

    async def work() -> None:
        try:
            client.leaving.set()
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    with pytest.raises(ClientLeft):
        await while_client_waits(client.request, work)
    assert ended


async def test_cancelling_from_outside_is_not_taken_for_a_client_who_left() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await while_client_waits(Client().request, anyio.sleep_forever)
    assert scope.cancelled_caught
