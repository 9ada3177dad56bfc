"""Who sent a request is believed from trusted proxies only, and told to the engine, to the caller and to the log."""

from __future__ import annotations

import json
import re

import pytest

from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.raw_client import RawAnswer, RawClient
from tests.fixtures.standin import StandIn

SPOOFED = (
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: outside.test",
    "X-Remote-User: ada",
    "X_Remote_User: eve",
    "X-Request-ID: theirs",
    "Forwarded: for=203.0.113.7",
    "X-Real-IP: 203.0.113.7",
)


def seen(answer: RawAnswer) -> dict[str, str]:
    """The headers as the engine got them."""
    return dict(json.loads(answer.body)["headers"])


def asked(gateway: Gateway) -> dict[str, str]:
    with gateway.raw() as raw:
        return seen(raw.get("/headers", "whisper.test", *SPOOFED).answer())


def test_nobody_is_believed_unless_the_configuration_says_so(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, access="everybody") as gateway:
        headers = asked(gateway)
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert headers["x-forwarded-host"] == "whisper.test"
    assert headers["via"] == "1.1 whisper-gateway"
    assert headers["x-request-id"] != "theirs"
    assert not headers.keys() & {"x-remote-user", "x_remote_user", "forwarded", "x-real-ip"}


@pytest.mark.parametrize("network", ["127.0.0.1/32", "127.0.0.0/8", "0.0.0.0/0"])
def test_a_trusted_proxy_is_believed(standin: StandIn, network: str) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, trusted_proxies=[network]) as gateway:
        headers = asked(gateway)
    assert headers["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("https", "outside.test")
    assert (headers["x-remote-user"], headers["x-request-id"]) == ("ada", "theirs")
    assert (headers["forwarded"], headers["x-real-ip"]) == ("for=203.0.113.7, for=127.0.0.1", "203.0.113.7")
    assert "x_remote_user" not in headers


@pytest.mark.parametrize("network", ["10.0.0.0/8", "127.0.0.2/32", "::1/128", "::/0"])
def test_a_proxy_elsewhere_is_another(standin: StandIn, network: str) -> None:
    engines = {"whisper": Engine(standin.port)}
    with running_gateway(engines, trusted_proxies=[network], access="everybody") as gateway:
        assert asked(gateway)["x-forwarded-for"] == "127.0.0.1"


def test_a_proxy_may_come_by_ipv6(standin: StandIn) -> None:
    options = {"listen": "[::1]:1", "trusted_proxies": ["::1"]}
    with running_gateway({"whisper": Engine(standin.port)}, **options) as gateway:
        headers = asked(gateway)
    assert headers["forwarded"] == 'for=203.0.113.7, for="[::1]"'
    assert headers["x-forwarded-for"] == "203.0.113.7, ::1"


def test_a_proxy_by_ipv4_is_known_on_a_socket_for_both(standin: StandIn) -> None:
    """Such a socket shows it as ::ffff:127.0.0.1."""
    options = {"listen": "[::]:1", "trusted_proxies": ["127.0.0.1/32"]}
    with running_gateway({"whisper": Engine(standin.port)}, **options) as gateway, RawClient(gateway.port) as raw:
        headers = seen(raw.get("/headers", "whisper.test", *SPOOFED).answer())
    assert headers["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"


def test_a_forwarded_host_does_not_choose_the_engine(standin: StandIn) -> None:
    engines = {"whisper": Engine(standin.port)}
    with running_gateway(engines, trusted_proxies=["127.0.0.1"]) as gateway, gateway.raw() as raw:
        headers = ("X-Remote-User: ada", "X-Forwarded-Host: whisper.test")
        assert raw.get("/hello", "other.test", *headers).answer().status == 404


def test_every_answer_carries_the_id_under_which_it_was_logged(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, log={"requests": "all"}) as gateway, gateway.raw() as raw:
        ids = [raw.get(path).answer().get("x-request-id") for path in ("/hello", "/hello", "/reset", "/sse?n=1")]
        gateway.until(lambda: len(gateway.events("request.done") + gateway.events("request.failed")) == 4)
        logged = [entry["request_id"] for entry in gateway.journal if "status" in entry]
        assert ids == logged
        assert len(set(ids)) == 4
        assert all(re.fullmatch(r"[A-Za-z0-9._:-]+", str(one)) for one in ids)


def test_a_refusal_carries_it_too(raw: RawClient) -> None:
    answers = [raw.get("/hello", "other.test").answer() for _ in range(2)]
    assert answers[0].get("x-request-id")
    assert answers[0].get("x-request-id") != answers[1].get("x-request-id")


def test_a_proxys_id_is_in_the_refusal_and_in_the_log(standin: StandIn) -> None:
    engines = {"whisper": Engine(standin.port)}
    with running_gateway(engines, trusted_proxies=["127.0.0.1"]) as gateway, gateway.raw() as raw:
        assert raw.get("/x", "other.test", "X-Request-ID: theirs").answer().get("x-request-id") == "theirs"
        gateway.until(lambda: bool(gateway.events("request.ended")))
        assert gateway.events("request.ended")[0]["request_id"] == "theirs"


def test_the_log_never_holds_a_query_a_key_or_a_body(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, log={"requests": "all"}) as gateway, gateway.raw() as raw:
        raw.get("/headers?token=SECRET", "whisper.test", "Authorization: Bearer SECRET", "Cookie: SECRET").answer()
        raw.send("POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 6\r\n\r\nSECRET").answer()
        raw.get("/reset?token=SECRET").answer()
        gateway.until(lambda: bool(gateway.events("request.failed")))
        assert "SECRET" not in json.dumps(gateway.journal)


def test_a_path_cannot_write_to_the_operators_terminal(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, log={"requests": "all"}) as gateway, gateway.raw() as raw:
        raw.get("/headers/%1b%5b2J%0aengine.failed").answer()
        gateway.until(lambda: len(gateway.events("request.done")) == 1)
        assert gateway.events("request.done")[0]["path"] == "/headers/%1b%5b2J%0aengine.failed"
