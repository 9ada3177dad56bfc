"""Heads have a size and a time; a client that exceeds them hears why, and its memory is not ours."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import StandIn
from tests.inprocess.conftest import Stats

START = "GET /hello HTTP/1.1\r\nHost: whisper.test\r\n"
CHUNKED = "POST /sum HTTP/1.1\r\nHost: whisper.test\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMIT = 32 * 1024


@pytest.fixture(scope="module")
def hasty(standin: StandIn) -> Iterator[Gateway]:
    """A gateway that waits for a head only shortly."""
    with running_gateway({"whisper": Engine(standin.port)}, head_timeout="300ms") as gateway:
        with gateway.client() as client:
            client.get("/hello")
        yield gateway


def code(raw: RawClient) -> tuple[int, str]:
    answer = raw.answer()
    return answer.status, json.loads(answer.body)["code"]


@pytest.mark.parametrize("size", [LIMIT - 200, LIMIT - 1000])
def test_a_head_within_the_limit_passes(raw: RawClient, size: int) -> None:
    assert raw.send(f"{START}X: {'x' * size}\r\n\r\n").answer().status == 200


@pytest.mark.parametrize("size", [LIMIT, 10 * LIMIT, 64 * LIMIT])
def test_a_huge_head_is_431(raw: RawClient, stats: Stats, size: int) -> None:
    before = stats.requests()
    raw.send(f"{START}X: {'x' * size}\r\n\r\n")
    assert code(raw) == (431, "request_head_too_large")
    raw.finish_sending()
    assert raw.rest() == b""
    assert stats.requests() == before


def test_a_huge_target_is_431(raw: RawClient) -> None:
    raw.send(f"GET /{'x' * LIMIT} HTTP/1.1\r\nHost: whisper.test\r\n\r\n")
    assert code(raw) == (431, "request_head_too_large")


@pytest.mark.parametrize("start", [f"{START}X: ", START, "GET /", f"{START}X"])
def test_a_head_without_end_is_431_as_soon_as_it_is_too_large(raw: RawClient, start: str) -> None:
    """What came in one read with its beginning may be overlooked, so the head grows in several."""
    raw.send(start)
    sent = 0
    while raw.quiet(0.01):
        raw.send("X: yyy\r\n" * 1000 if start is START else "x" * 8000)
        sent += 8000
        assert sent < 3 * LIMIT
    assert code(raw) == (431, "request_head_too_large")


@pytest.mark.parametrize("answered", [False, True])
def test_trailers_without_end_are_431(raw: RawClient, *, answered: bool) -> None:
    raw.send(CHUNKED + "5\r\nhello\r\n0\r\nX: ")
    for _ in range(4 if answered else 2):
        raw.quiet(0.01)
        raw.send("x" * LIMIT)
    assert code(raw) == (431, "request_head_too_large")


def test_a_chunk_extension_without_end_is_431(raw: RawClient) -> None:
    raw.send(CHUNKED + "5;")
    for _ in range(2):
        raw.quiet(0.01)
        raw.send("x" * LIMIT)
    assert code(raw) == (431, "request_head_too_large")


def test_a_body_of_tiny_chunks_is_not_taken_for_trailers(raw: RawClient) -> None:
    raw.send(CHUNKED + "1\r\nx\r\n" * LIMIT + "0\r\n\r\n")
    assert json.loads(raw.answer().body)["bytes"] == LIMIT


def test_200_headers_pass_and_201_are_431(raw: RawClient) -> None:
    assert raw.send(START + "X: y\r\n" * 199 + "\r\n").answer().status == 200
    raw.send(START + "X: y\r\n" * 200 + "\r\n")
    assert code(raw) == (431, "request_head_too_large")


def test_who_is_refused_in_the_middle_of_sending_can_still_read_why(raw: RawClient) -> None:
    """The connection is not reset while bytes of the client's are on the way (RFC 9112 section 9.6)."""
    raw.send(START)
    for _ in range(64):
        raw.send("x" * LIMIT)
    assert code(raw) == (431, "request_head_too_large")
    raw.finish_sending()
    assert raw.ended()


def test_a_slow_head_is_408_and_a_connection_without_a_word_just_ends(hasty: Gateway) -> None:
    with ExitStack() as stack:
        begun = [stack.enter_context(hasty.raw()).send(start) for start in ("G", START, f"{START}X: ")]
        silent = [stack.enter_context(hasty.raw()).send(start) for start in ("", "\r\n")]
        assert [code(raw) for raw in begun] == [(408, "request_timeout")] * 3
        assert all(raw.ended() for raw in silent)


def test_a_refusal_is_logged_with_its_reason(hasty: Gateway) -> None:
    def told() -> list[dict[str, Any]]:
        return [entry for entry in hasty.events("connection.refused") if entry["error"] == "bad_request_framing"]

    with hasty.raw() as raw:
        assert raw.send("nonsense\r\n\r\n").answer().status == 400
    hasty.until(lambda: bool(told()))
    assert told()[0]["client"] == "127.0.0.1"
    assert "not valid HTTP/1.1" in told()[0]["reason"]


def test_a_head_that_drips_does_not_gain_time(hasty: Gateway) -> None:
    with hasty.raw() as raw:
        begun = time.monotonic()
        raw.send(START)
        while raw.quiet(0.05):
            raw.send("X: y\r\n")
            assert time.monotonic() < begun + PATIENCE
        assert code(raw) == (408, "request_timeout")


def test_the_time_for_a_head_does_not_limit_the_rest(hasty: Gateway) -> None:
    with hasty.raw() as raw:
        raw.send("POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 5\r\n\r\nhel")
        assert raw.quiet(1.4)  # the sweeper passes once a second
        assert raw.send("lo").answer().status == 200


def test_the_limit_is_a_setting(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, head_limit=2048) as gateway, gateway.raw() as raw:
        assert raw.send(f"{START}X: {'x' * 1900}\r\n\r\n").answer().status == 200
        raw.send(f"{START}X: {'x' * 2100}\r\n\r\n")
        assert code(raw) == (431, "request_head_too_large")
