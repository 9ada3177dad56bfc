"""What the server owes to an application that serves without a task."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.server.exchange import Exchange
from gateway.server.limits import KEEP_ALIVE
from tests.unit.server.wire import GET, Wire, answering, body, start

pytestmark = pytest.mark.anyio

LENGTH = (b"content-length", b"2")


class App:
    """Takes requests at once, and keeps them for the test. What it is handed over is answered "ok"."""

    def __init__(self) -> None:
        self.taken: list[Exchange] = []
        self.dropped: list[str] = []
        self.broken = False
        self._long_way = answering(start(200, LENGTH), body(b"ok"))

    def at_once(self, exchange: Exchange) -> App | None:
        if self.broken:
            raise ZeroDivisionError
        self.taken.append(exchange)
        return self

    def drop(self, error: str) -> None:
        self.dropped.append(error)

    def go_on(self) -> Any:
        return self._long_way

    async def __call__(self, *_: Any) -> None:
        raise AssertionError("never called for what was taken at once")


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def wire(app: App) -> Wire:
    return Wire(app)


async def test_an_answer_is_one_write_without_a_task(app: App, wire: Wire) -> None:
    assert await wire.hear(GET) == b""
    assert wire.state.tasks == set()
    app.taken[0].answer(200, [LENGTH], b"ok")
    said = await wire.settle()
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"\r\n\r\nok")
    assert (app.dropped, wire.state.tasks) == ([], set())


@pytest.mark.parametrize("headers", [[(b"x", b"a\r\nb: c")], [(b"content-length", b"3")]])
async def test_an_answer_that_cannot_be_sent_is_a_cut_and_a_line_in_the_log(
    app: App, wire: Wire, headers: list[tuple[bytes, bytes]]
) -> None:
    await wire.hear(GET)
    with capture_logs() as log:
        app.taken[0].answer(200, headers, b"ok")
    assert (await wire.settle(), wire.ended()) == (b"", "aborted")
    assert [entry["event"] for entry in log] == ["gateway.request_broke"]


async def test_the_rest_can_be_done_in_a_task(app: App, wire: Wire) -> None:
    await wire.hear(GET)
    app.taken[0].hand_over()
    app.taken[0].hand_over()  # once is enough
    assert len(wire.state.tasks) == 1
    assert (await wire.settle()).count(b"ok") == 1
    assert (app.dropped, wire.state.tasks) == ([], set())


async def test_a_client_that_leaves_is_told_once(app: App, wire: Wire) -> None:
    await wire.hear(GET)
    wire.leave()
    await wire.settle()
    assert app.dropped == ["client_gone"]


async def test_also_between_the_handing_over_and_the_tasks_first_step(app: App, wire: Wire) -> None:
    await wire.hear(GET)
    app.taken[0].hand_over()
    wire.leave()
    await wire.settle()
    assert (app.dropped, wire.state.tasks) == (["client_gone"], set())


async def test_a_task_that_is_cancelled_before_its_first_step_leaves_nothing_behind(app: App, wire: Wire) -> None:
    await wire.hear(GET)
    app.taken[0].hand_over()
    for task in wire.state.tasks:
        task.cancel()
    await wire.settle()
    assert app.dropped == ["shutting_down"]


async def test_a_server_that_stops_waits_for_it_in_a_task(app: App, wire: Wire) -> None:
    await wire.hear(GET)
    wire.connection.shutdown()
    assert len(wire.state.tasks) == 1
    assert b"connection: close\r\n" in await wire.settle()
    assert wire.ended() == "closed"


async def test_a_slow_client_is_not_at_leisure(app: App, wire: Wire) -> None:
    await wire.hear(GET)
    wire.connection.pause_writing()
    assert not app.taken[0].at_leisure
    app.taken[0].hand_over()
    assert await wire.settle() == b""
    wire.connection.resume_writing()
    assert (await wire.settle()).endswith(b"ok")


async def test_requests_that_wait_behind_it_come_next(app: App, wire: Wire) -> None:
    await wire.hear(GET + GET)
    assert len(app.taken) == 1
    app.taken[0].answer(200, [LENGTH], b"1.")
    assert len(app.taken) == 2
    app.taken[1].answer(200, [LENGTH], b"2.")
    said = await wire.settle()
    assert said.index(b"1.") < said.index(b"2.")


async def test_a_connection_is_idle_from_its_last_answer_on_however_long_that_took(app: App, wire: Wire) -> None:
    await wire.hear(GET)
    wire.connection._last_read -= 2 * KEEP_ALIVE  # that long ago, it seems
    app.taken[0].answer(200, [LENGTH], b"ok")
    now = wire.connection.loop.time()
    wire.connection.sweep(now + KEEP_ALIVE - 1)
    assert wire.ended() is None
    wire.connection.sweep(now + KEEP_ALIVE + 1)
    assert wire.ended() == "closed"


async def test_our_own_mistake_is_not_called_the_clients(app: App, wire: Wire) -> None:
    app.broken = True
    with capture_logs() as log:
        said = await wire.hear(GET)
    assert said.startswith(b"HTTP/1.1 500 ")
    assert [entry["event"] for entry in log] == ["gateway.request_broke"]


async def test_nor_does_it_keep_the_next_in_line_waiting(app: App, wire: Wire) -> None:
    await wire.hear(GET + GET)
    app.broken = True
    with capture_logs() as log:
        app.taken[0].answer(200, [LENGTH], b"ok")
        said = await wire.settle()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 500 " in said
    assert [entry["event"] for entry in log] == ["gateway.request_broke"]


async def test_an_application_without_a_short_way_is_asked_as_ever() -> None:
    wire = Wire(answering(start(200, LENGTH), body(b"ok")))
    assert (await wire.hear(GET)).endswith(b"ok")
