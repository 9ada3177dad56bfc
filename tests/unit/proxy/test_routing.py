"""Hostname → engine."""

from __future__ import annotations

import pytest

from gateway.errors import UnknownHost
from gateway.proxy.routing import Routes, host_of, normal_host


@pytest.mark.parametrize(
    ("header", "host"),
    [
        (b"whisper.test", "whisper.test"),
        (b"Whisper.TEST:443", "whisper.test"),
        (b"whisper.test.", "whisper.test"),
        (b"whisper.test.:80", "whisper.test"),
        (b"127.0.0.1:80", "127.0.0.1"),
        (b"[::1]", "::1"),
        (b"[::1]:80", "::1"),
        (b"[0:0:0:0:0:0:0:1]:80", "::1"),
        (b"[FE80::A]", "fe80::a"),
        (b"[:::]", ":::"),
        (b"", ""),
        (b"\xc3\xa9", "ã©"),
    ],
)
def test_port_case_brackets_and_trailing_dot_do_not_matter(header: bytes, host: str) -> None:
    assert normal_host(header) == host


def test_a_request_without_a_host_goes_to_nobody() -> None:
    assert host_of({"headers": [(b"accept", b"*/*")]}) == ""


def test_the_host_is_found_among_other_headers() -> None:
    assert host_of({"headers": [(b"accept", b"*/*"), (b"host", b"A.test:1")]}) == "a.test"


def test_each_host_leads_to_its_engine() -> None:
    routes = Routes([("a.test", 1), ("b.test", 2)])
    assert (routes.find("a.test"), routes.find("b.test")) == (1, 2)


@pytest.mark.parametrize("host", ["", "c.test", "a.test.b.test", "test"])
def test_the_refusal_of_an_unknown_host_names_none_that_exists(host: str) -> None:
    with pytest.raises(UnknownHost) as caught:
        Routes([("a.test", 1)]).find(host)
    assert "a.test" not in caught.value.message
