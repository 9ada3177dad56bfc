"""Each request is told of once, whichever way it went and however it ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.announcements import RequestEnded
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.ports import free_port
from tests.fixtures.standin import StandIn


@pytest.fixture(scope="module")
def told() -> list[RequestEnded]:
    return []


@pytest.fixture(scope="module")
def shared(standin: StandIn, told: list[RequestEnded]) -> Iterator[Gateway]:
    engines = {
        "whisper": Engine(standin.port, cors=["https://page.test"]),
        "dead": Engine(free_port(), start_timeout="50ms"),
    }
    with running_gateway(engines) as one:
        one.on_loop(lambda: one.app.announce.listen(RequestEnded, told.append))
        yield one


@pytest.fixture
def own(shared: Gateway, told: list[RequestEnded]) -> Gateway:
    """A gateway whose engine is awake, and of which all has been told so far."""
    told.clear()
    with shared.client() as client:
        client.get("/hello")
        client.get("/hello")
    shared.until(lambda: len(told) == 2)
    told.clear()
    return shared


def end_of_one(own: Gateway, told: list[RequestEnded]) -> RequestEnded:
    """A fact is told after the client has its answer."""
    own.until(lambda: len(told) > 0)
    (fact,) = told
    return fact


@pytest.mark.parametrize("body", [None, b"x" * 200_000])
def test_a_request_that_waited_says_how_long_and_how_soon_it_was_answered_then(
    standin: StandIn, body: bytes | None
) -> None:
    heard: list[RequestEnded] = []
    with running_gateway({"whisper": Engine(standin.port)}) as cold:
        cold.on_loop(lambda: cold.app.announce.listen(RequestEnded, heard.append))
        with cold.client() as client:
            client.request("POST" if body else "GET", "/echo" if body else "/slow?ms=50", content=body)
        fact = end_of_one(cold, heard)
    assert (fact.engine, fact.status, fact.error) == ("whisper", 200, None)
    assert fact.waited is not None
    assert fact.first_byte is not None
    assert 0 < fact.waited < fact.waited + fact.first_byte < fact.took
    assert body or fact.first_byte > 0.04


@pytest.mark.parametrize("method", ["GET", "POST"])  # the short way, and the long one
def test_a_request_of_a_ready_engine_did_not_wait(own: Gateway, told: list[RequestEnded], method: str) -> None:
    with own.client() as client:
        client.request(method, "/echo", content=b"x" if method == "POST" else None)
    fact = end_of_one(own, told)
    assert fact[:4] == ("whisper", 200, None, None)
    assert fact.first_byte is None
    assert 0 < fact.took < PATIENCE


def test_a_client_that_leaves_has_no_status(own: Gateway, told: list[RequestEnded]) -> None:
    with own.raw() as raw:
        raw.send(b"GET /slow?ms=30000 HTTP/1.1\r\nHost: whisper.test\r\n\r\n")
        own.until(lambda: own.engine().serving == 1)
    fact = end_of_one(own, told)
    assert fact[:4] == ("whisper", None, "client_gone", None)


def test_who_asks_for_no_engine_is_told_without_one(own: Gateway, told: list[RequestEnded]) -> None:
    with own.client("stranger") as client:
        client.get("/")
    assert end_of_one(own, told)[:4] == (None, 404, "unknown_host", None)


def test_an_engine_that_fails_is_told_by_its_code(own: Gateway, told: list[RequestEnded]) -> None:
    with own.client("dead") as client:
        assert client.get("/").status_code == 504
    assert end_of_one(own, told)[:4] == ("dead", 504, "engine_start_timeout", None)


def test_a_preflight_is_the_engines_too(own: Gateway, told: list[RequestEnded]) -> None:
    with own.client() as client:
        client.options("/", headers={"origin": "https://page.test", "access-control-request-method": "POST"})
    assert end_of_one(own, told)[:4] == ("whisper", 204, None, None)


def test_bytes_that_never_became_a_request_are_told_of_too(own: Gateway, told: list[RequestEnded]) -> None:
    with own.raw() as raw:
        raw.send(b"\x00\r\n\r\n").answer()
    assert end_of_one(own, told)[:4] == (None, 400, "bad_request_framing", None)
