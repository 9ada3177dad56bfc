"""Which pages may use an engine, and what they are told."""

from __future__ import annotations

import pytest

from gateway.callers import Headers
from gateway.proxy.cors import granted, is_allowed, is_foreign, is_preflight, permission, replaced

PAGE = b"https://www.example.org"
ORIGINS = ("https://www.example.org", "http://localhost:3000")
HOST = "whisper.example.org"


def asking(origin: bytes = PAGE, **more: bytes) -> Headers:
    asked = [(b"origin", origin), (b"access-control-request-method", b"POST")]
    return [*asked, *((name.replace("_", "-").encode(), value) for name, value in more.items())]


def test_a_preflight_has_both_headers_and_its_method() -> None:
    assert is_preflight("OPTIONS", asking())
    assert not is_preflight("POST", asking())
    assert not is_preflight("OPTIONS", [(b"origin", PAGE)])
    assert not is_preflight("OPTIONS", [(b"access-control-request-method", b"POST")])


def test_only_listed_origins_are_allowed() -> None:
    assert is_allowed(ORIGINS, PAGE)
    assert is_allowed(ORIGINS, b"http://localhost:3000")
    assert is_allowed(("*",), b"null")
    for other in (b"null", b"http://www.example.org", b"https://www.example.org.evil.test", b"\xff", b"", None):
        assert not is_allowed(ORIGINS, other)


def test_a_preflight_is_told_what_it_asked_for() -> None:
    answer = dict(permission(ORIGINS, asking(access_control_request_headers=b"authorization, x-extra")))
    assert answer[b"access-control-allow-origin"] == PAGE
    assert answer[b"access-control-allow-credentials"] == b"true"
    assert answer[b"access-control-allow-headers"] == b"authorization, x-extra"
    assert b"POST" in answer[b"access-control-allow-methods"]
    assert answer[b"vary"] == b"Origin"


def test_pages_of_all_origins_come_without_the_browsers_password() -> None:
    answer = dict(granted(("*",), asking(b"https://anywhere.test")))
    assert answer[b"access-control-allow-origin"] == b"*"
    assert b"access-control-allow-credentials" not in answer
    assert b"access-control-allow-credentials" not in dict(permission(("*",), asking(b"https://anywhere.test")))


def test_an_unlisted_page_is_granted_nothing_and_caches_know_why() -> None:
    assert granted(ORIGINS, asking(b"https://evil.test")) == [(b"vary", b"Origin")]
    assert granted(ORIGINS, []) == [(b"vary", b"Origin")]


def test_the_engines_own_word_gives_way() -> None:
    headers = [(b"access-control-allow-origin", b"*"), (b"content-type", b"text/plain"), (b"vary", b"Accept")]
    grant = granted(ORIGINS, asking())
    assert replaced(headers, grant) == [(b"content-type", b"text/plain"), (b"vary", b"Accept"), *grant]


@pytest.mark.parametrize(
    ("method", "headers", "upgrade", "foreign"),
    [
        ("POST", [(b"origin", b"https://evil.test")], False, True),
        ("POST", [(b"origin", b"null")], False, True),
        ("DELETE", [(b"origin", b"https://evil.test")], False, True),
        ("GET", [(b"origin", b"https://evil.test")], True, True),  # a WebSocket, whose answers any page may read
        ("GET", [(b"origin", b"https://evil.test")], False, False),  # by what browser?
        ("GET", [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"no-cors")], False, True),  # an image
        ("GET", [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")], False, False),  # a link
        ("GET", [(b"sec-fetch-site", b"same-site"), (b"sec-fetch-mode", b"no-cors")], False, False),
        ("GET", [(b"origin", PAGE), (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"cors")], False, False),
        ("POST", [(b"sec-fetch-site", b"cross-site")], False, True),
        ("POST", [(b"sec-fetch-site", b"same-site")], False, True),
        ("POST", [(b"sec-fetch-site", b"same-origin")], False, False),
        ("POST", [], False, False),  # a program
        ("POST", [(b"origin", b"https://whisper.example.org")], False, False),
        ("GET", [(b"origin", b"https://whisper.example.org:443")], True, False),
        ("POST", [(b"origin", PAGE), (b"sec-fetch-site", b"same-site")], False, False),
        ("GET", [(b"origin", PAGE)], True, False),
    ],
)
def test_a_page_that_may_not_use_the_engine_is_foreign_when_it_does_something(
    method: str,
    headers: Headers,
    upgrade: bool,  # noqa: FBT001 - a table's columns
    foreign: bool,  # noqa: FBT001
) -> None:
    assert is_foreign(method, headers, HOST, ORIGINS, upgrade=upgrade) is foreign


def test_all_origins_does_not_lend_the_browsers_password_to_all_pages() -> None:
    assert is_foreign("POST", [(b"origin", b"https://evil.test")], HOST, ("*",), upgrade=False)
