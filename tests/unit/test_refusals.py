"""How an error looks to the one who gets it, in three dialects."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway import errors
from gateway.errors import AskedWrongly, EngineStartFailed, GatewayError, UnknownHost
from gateway.refusals import refusal

BROWSER = [(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")]


def scope(path: str = "/", headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    return {"path": path, "headers": headers or []}


def every_error() -> list[type[GatewayError]]:
    found, todo = [], [GatewayError]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if not issubclass(kind, errors.ConfigError) and kind.__module__ == errors.__name__:
            found.append(kind)
    return found


def test_most_get_a_problem() -> None:
    """RFC 9457."""
    status, headers, body = refusal(UnknownHost("Nothing here."), scope())
    assert (status, dict(headers)[b"content-type"]) == (404, b"application/problem+json")
    assert json.loads(body) == {
        "type": "about:blank", "title": UnknownHost.title, "status": 404, "detail": "Nothing here.",
        "code": "unknown_host",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/models", "/v1/audio/transcriptions", "/v1/"])
def test_under_v1_openais_envelope(path: str) -> None:
    status, headers, body = refusal(EngineStartFailed("Tired."), scope(path, BROWSER))
    assert (status, dict(headers)[b"content-type"]) == (503, b"application/json")
    assert json.loads(body) == {
        "error": {"message": "Tired.", "type": "server_error", "param": None, "code": "engine_start_failed"}
    }


@pytest.mark.parametrize("path", ["/v1", "/v2/models", "/x/v1/", "/"])
def test_elsewhere_not(path: str) -> None:
    assert dict(refusal(UnknownHost("x"), scope(path))[1])[b"content-type"] == b"application/problem+json"


def test_a_browser_gets_a_page_that_cannot_be_scripted() -> None:
    _, headers, body = refusal(UnknownHost('<script>alert("x")</script> & {title}'), scope("/", BROWSER))
    assert dict(headers)[b"content-type"] == b"text/html; charset=utf-8"
    assert b"<script>" not in body
    assert b"&lt;script&gt;" in body
    HTMLParser().feed(body.decode())


def test_without_a_request_it_is_a_problem() -> None:
    assert dict(refusal(UnknownHost("x"))[1])[b"content-type"] == b"application/problem+json"


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", [scope(), scope("/v1/x"), scope("/", BROWSER)], ids=["problem", "openai", "page"])
def test_every_error_has_every_form(kind: type[GatewayError], where: dict[str, Any]) -> None:
    status, headers, body = refusal(kind("Because of é."), where)
    named = dict(headers)
    assert status == kind.status
    assert int(named[b"content-length"]) == len(body)
    assert named[b"x-gateway-error"] == kind.code.encode()
    assert named[b"cache-control"] == b"no-store"
    assert kind.code in body.decode()
    if where["path"].startswith("/v1/"):
        kinds = {True: "invalid_request_error", False: "server_error"}
        assert json.loads(body)["error"]["type"] == kinds[issubclass(kind, AskedWrongly)]


@pytest.mark.parametrize(
    ("seconds", "header"), [(None, None), (0, b"1"), (0.2, b"1"), (1, b"1"), (1.1, b"2"), (60.0, b"60")]
)
def test_retry_after_is_in_whole_seconds_and_at_least_one(seconds: float | None, header: bytes | None) -> None:
    assert dict(refusal(EngineStartFailed("x", retry_after=seconds))[1]).get(b"retry-after") == header
