"""Connections to engines are kept, and what is lost with one that ends is asked for again, if it may be."""

from __future__ import annotations

import threading

import pytest

from gateway.proxy import shortcut
from tests.fixtures.patience import PATIENCE
from tests.fixtures.scripted_engine import Script, Visit
from tests.inprocess.staging import OK, staged


def stale(engine_closes: threading.Event) -> Script:
    """Each connection serves one request and is closed by the engine when the next one is on its way."""

    def script(visit: Visit) -> None:
        head = visit.head()
        if head:
            visit.say(OK)
            if b"/first" in head:
                engine_closes.wait(PATIENCE)
                visit.head()  # reads the next request, and closes without a word

    return script


@pytest.mark.parametrize("request_line", ["GET /next HTTP/1.1", "HEAD /next HTTP/1.1", "DELETE /next HTTP/1.1"])
def test_a_repeatable_request_survives_a_kept_connection_that_ends(request_line: str) -> None:
    closes = threading.Event()
    with staged(stale(closes)) as stage:
        assert stage.raw.get("/first").answer().body == b"ok"
        closes.set()
        stage.raw.send(f"{request_line}\r\nHost: whisper.test\r\n\r\n")
        assert stage.raw.answer(request_line.split(maxsplit=1)[0]).status == 200
        assert stage.paths() == ["/first", "/next", "/next"]


def test_a_post_never_travels_on_a_kept_connection_and_is_never_sent_twice() -> None:
    closes = threading.Event()
    with staged(stale(closes)) as stage:
        assert stage.raw.get("/first").answer().body == b"ok"
        closes.set()
        for _ in range(5):
            stage.raw.send("POST /next HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 0\r\n\r\n")
            assert stage.raw.answer().status == 200
        assert stage.paths() == ["/first"] + ["/next"] * 5


@pytest.mark.parametrize(("replay", "times"), [(False, 1), (True, 3)])
def test_a_repeatable_request_is_not_sent_again_and_again(times: int, *, replay: bool) -> None:
    """A kept connection that ends says nothing of the engine, and is no replay.

    Where a request must not be sent twice it has a connection of its own.
    """

    def script(visit: Visit) -> None:
        if b"/first" in visit.head():
            visit.say(OK)
            visit.head()

    with staged(script, replay=replay) as stage:
        assert stage.raw.get("/first").answer().body == b"ok"
        assert stage.raw.get("/next").answer().status == 502
        assert stage.paths().count("/next") == times


@pytest.mark.parametrize(("replay", "times"), [(False, 1), (True, 2)])
def test_an_engine_that_breaks_off_within_its_head_has_died(times: int, *, replay: bool) -> None:
    """That is no kept connection that ended: only a replay sends it again."""

    def script(visit: Visit) -> None:
        if b"/first" in visit.head():
            visit.say(OK)
            visit.head()
            visit.say(b"HTTP/1.1 2")

    with staged(script, replay=replay) as stage:
        assert stage.raw.get("/first").answer().body == b"ok"
        assert stage.raw.get("/next").answer().status == 502
        assert stage.paths().count("/next") == times


def test_an_engine_that_ends_a_kept_connection_after_a_while_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it has worked on the request, which is sent once more, and that is told."""
    monkeypatch.setattr(shortcut, "STALE", 0.0)

    def script(visit: Visit) -> None:
        if b"/first" in visit.head():
            visit.say(OK)
            visit.head()

    with staged(script) as stage:
        assert stage.raw.get("/first").answer().body == b"ok"
        assert stage.raw.get("/next").answer().status == 502
        assert stage.paths().count("/next") == 2
        stage.gateway.until(lambda: len(stage.gateway.events("request.replayed")) == 1)
