"""Host → engine, and what a caller hears when there is none."""

from __future__ import annotations

import httpx
import pytest

from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import StandIn


@pytest.mark.parametrize(
    "host", ["whisper.test", "whisper.test:8890", "WHISPER.Test", "whisper.test.", "Whisper.TEST.:443"]
)
def test_port_case_and_trailing_dot_do_not_matter(raw: RawClient, host: str) -> None:
    assert raw.get("/hello", host).answer().status == 200


def test_the_engine_sees_the_host_as_the_client_wrote_it(raw: RawClient) -> None:
    assert '["host", "Whisper.TEST.:443"]' in raw.get("/headers", "Whisper.TEST.:443").answer().body.decode()


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8890", "[0:0:0:0:0:0:0:1]:80", "127.0.0.1:80"])
def test_an_address_can_be_a_host(standin: StandIn, host: str) -> None:
    engine = Engine(standin.port, hosts=["::1", "127.0.0.1"])
    with running_gateway({"whisper": engine}) as gateway, gateway.raw() as client:
        assert client.get("/hello", host).answer().status == 200


def test_the_gateway_listens_on_ipv6(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, listen="[::1]:1") as gateway, gateway.raw() as client:
        assert client.get().answer().status == 200


@pytest.mark.parametrize("host", ["other.test", "whisper.test.evil", "test", "xwhisper.test", "whisper.test..", "."])
def test_a_host_that_nobody_has_is_404_and_names_nothing_that_exists(raw: RawClient, host: str) -> None:
    answer = raw.get("/hello", host).answer()
    assert answer.status == 404
    assert answer.get("content-type") == "application/problem+json"
    assert b"unknown_host" in answer.body
    assert b"whisper" not in answer.body
    assert b"portal" not in answer.body


def test_under_v1_the_refusal_is_openais_envelope(gateway: Gateway) -> None:
    answer = httpx.post(f"{gateway.url}/v1/audio/transcriptions", headers={"host": "other.test"}, timeout=PATIENCE)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == "unknown_host"
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_browser_gets_a_page(gateway: Gateway) -> None:
    answer = httpx.get(gateway.url, headers={"host": "other.test", "accept": "text/html,*/*;q=0.8"}, timeout=PATIENCE)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "unknown_host" in answer.text
    assert "whisper" not in answer.text


def test_a_refusal_leaves_the_connection_usable(raw: RawClient) -> None:
    assert raw.get("/hello", "other.test").answer().status == 404
    assert raw.get("/hello").answer().status == 200


def test_an_upload_for_an_unknown_host_is_refused_and_leaves_the_connection_usable(raw: RawClient) -> None:
    raw.send("POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 5\r\n\r\nhello")
    assert raw.answer().status == 404
    assert raw.get("/hello").answer().status == 200


def test_an_unknown_host_wakes_nobody(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as client:
        assert client.get("/", "other.test").answer().status == 404
        assert gateway.runtimes["whisper"].starts == 0
