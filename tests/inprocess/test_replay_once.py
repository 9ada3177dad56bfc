"""A request that kills whatever engine it meets is sent to two of them, and to no third."""

from __future__ import annotations

import pytest

from tests.fixtures.raw_client import RawAnswer, RawClient
from tests.inprocess.mortals import program

METHODS = ["GET", "HEAD", "DELETE", "POST"]


def kill(client: RawClient, method: str = "GET") -> RawAnswer:
    client.send(f"{method} /kill HTTP/1.1\r\nHost: whisper.test\r\n\r\n")
    return client.answer(method)


@pytest.mark.parametrize("told_first", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_it_comes_on_a_connection_that_was_kept(method: str, *, told_first: bool) -> None:
    """That connection ends at once, as one does that the engine no longer keeps: but here the engine has ended."""
    with program(deaths=9, told_first=told_first) as (engine, gateway), gateway.raw() as client:
        assert client.get("/first").answer().body == b"ok"
        said = kill(client, method)
        assert (said.status, said.get("x-gateway-error"), engine.heard) == (502, "engine_broke", 2)
        assert method == "HEAD" or b"It was sent the request twice." in said.body
        gateway.until(lambda: bool(gateway.events("request.failed")))
        assert len(gateway.events("request.replayed")) == 1
        assert gateway.events("request.failed")[0]["replays"] == 1


@pytest.mark.parametrize("method", METHODS)
def test_it_wakes_the_first_one_itself(method: str) -> None:
    with program(deaths=9) as (engine, gateway), gateway.raw() as client:
        assert (kill(client, method).status, engine.heard) == (502, 2)
        assert len(gateway.events("request.replayed")) == 1


@pytest.mark.parametrize("awake", [False, True])
def test_it_is_for_a_quiet_path(*, awake: bool) -> None:
    """Having killed the engine it may have to wake the next one, as an ordinary request."""
    with program(deaths=9, quiet_paths=["/kill"]) as (engine, gateway), gateway.raw() as client:
        if awake:
            assert client.get("/first").answer().body == b"ok"
        assert (kill(client).status, engine.heard) == (502, 2)
        assert len(gateway.events("request.replayed")) == 1


@pytest.mark.parametrize("told_first", [False, True])
@pytest.mark.parametrize("settings", [{}, {"quiet_paths": ["/kill"]}])
def test_one_that_killed_by_chance_is_answered_by_the_second(settings: dict[str, object], *, told_first: bool) -> None:
    """And that is told."""
    with program(deaths=1, told_first=told_first, **settings) as (engine, gateway), gateway.raw() as client:
        assert client.get("/first").answer().body == b"ok"
        assert (kill(client).body, engine.heard, len(engine.runs)) == (b"ok", 2, 2)
        gateway.until(lambda: bool(gateway.events("request.done")))
        assert len(gateway.events("request.replayed")) == 1
        assert gateway.events("request.done")[-1]["replays"] == 1
