"""What nginx passes on, as whoever stands behind it sees it: nothing there that the gateway believes is a client's."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.nginx import HOST, LOGIN, PASSWORD, Nginx
from tests.fixtures.scripted_engine import saying, scripted_engine
from tests.fixtures.standin import running_standin

pytestmark = pytest.mark.nginx

BASIC = "Authorization: Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()
WRONG = "Authorization: Basic " + base64.b64encode(b"anna:guessed").decode()
BEARER = "Authorization: Bearer wg_a_b"
PREFLIGHT = ("Origin: https://page.example", "Access-Control-Request-Method: POST")

Seen = list[tuple[str, str]]


@pytest.fixture(scope="module")
def nginx(authority: Authority, wildcard: Certificate) -> Iterator[Nginx]:
    """Nginx in front of a server that answers /headers with what it got, and lets everybody in."""
    with running_standin() as standin, tempfile.TemporaryDirectory(prefix="wg-nginx-") as folder:
        Path(folder).chmod(0o755)
        nginx = Nginx(Path(folder), authority, wildcard, GATEWAY=f"127.0.0.1:{standin.port}", LOGIN_RATE="1000r/s")
        nginx.add_user(*LOGIN)
        nginx.start()
        yield nginx
        nginx.close()


def passed(nginx: Nginx, *lines: str, method: str = "GET", path: str = "/headers") -> dict[str, list[str]]:
    """The headers behind nginx of a request with these lines: values by name in lower case."""
    with nginx.raw() as client:
        answer = client.send("\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *lines, "", ""])).answer()
    assert answer.status == 200, answer
    seen: dict[str, list[str]] = {}
    for name, value in json.loads(answer.body)["headers"]:
        seen.setdefault(name.lower(), []).append(value)
    return seen


def test_a_person_is_vouched_for_and_the_password_stays(nginx: Nginx) -> None:
    seen = passed(nginx, BASIC)
    assert seen["x-remote-user"] == ["anna"]
    assert "authorization" not in seen


def test_a_key_is_passed_on_and_nobody_is_vouched_for(nginx: Nginx) -> None:
    seen = passed(nginx, BEARER)
    assert seen["authorization"] == ["Bearer wg_a_b"]
    assert "x-remote-user" not in seen


@pytest.mark.parametrize("lines", [(WRONG,), (BASIC,), (BEARER,), ("X-Remote-User: anna",)])
def test_a_preflight_is_nobodys(nginx: Nginx, lines: tuple[str, ...]) -> None:
    """It is let through unasked, so what it says of a user is unproven, even if the password happens to be right."""
    seen = passed(nginx, *PREFLIGHT, *lines, method="OPTIONS")
    assert "x-remote-user" not in seen
    assert seen.get("authorization", [BEARER.removeprefix("Authorization: ")]) == ["Bearer wg_a_b"]


ORDERS = {
    "a key, then a password": (BEARER, BASIC),
    "a password, then a key": (BASIC, BEARER),
    "a key, then a wrong password": (BEARER, WRONG),
    "a key, then a name": (BEARER, "X-Remote-User: bob"),
    "a name, then a key": ("X-Remote-User: bob", BEARER),
    "a name, then a password": ("x-remote-user: bob", BASIC),
    "a password, then a name": (BASIC, "X-REMOTE-USER: bob", "X-Remote-User: carl"),
    "a name between": (BASIC, "X-Remote_User: bob", "X_Remote_User: bob", "X-Remote.User: bob"),
    "a name that Connection hides": (BASIC, "Connection: X-Remote-User", "X-Remote-User: bob"),
    "several schemes in one": ("Authorization: Bearer wg_a_b, Basic eDp5",),
    "small letters": ("authorization: bearer wg_a_b", "X-remote-user: bob"),
}


@pytest.mark.parametrize("lines", ORDERS.values(), ids=ORDERS)
def test_in_no_order_can_a_client_choose_its_name(nginx: Nginx, lines: tuple[str, ...]) -> None:
    """Either nginx asked for the password and says whose it is, or the gateway is shown a key; never both."""
    with nginx.raw() as client:
        head = "\r\n".join(["GET /headers HTTP/1.1", f"Host: {HOST}", *lines, "", ""])
        if client.send(head).answer().status == 400:
            return  # newer versions of nginx refuse two
    seen = passed(nginx, *lines)
    assert seen.get("x-remote-user") in (None, ["anna"])
    assert ("x-remote-user" in seen) != ("authorization" in seen)
    assert "bob" not in str(seen)
    assert seen.get("authorization", ["Bearer"])[0].lower().startswith("bearer")
    assert ("x-remote-user" in seen) <= (BASIC in lines)


def test_a_client_cannot_choose_its_address_its_id_or_its_hostname(nginx: Nginx) -> None:
    seen = passed(
        nginx, BEARER, "X-Forwarded-For: 203.0.113.7", "x-forwarded-for: 127.0.0.1", "X_Forwarded_For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1;host=evil", "X-Forwarded-Host: evil",
        "X-Forwarded-Proto: gopher", "X-Request-ID: mine", "X-Request-Id: mine", "X-Forwarded-User: evil",
        "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil", "Remote-User: evil", "Proxy: evil",
        "Proxy-Authorization: Basic ZXZpbA==", "HTTP2-Settings: evil",
    )  # fmt: skip
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-host"] == [HOST]
    assert seen["x-forwarded-proto"] == ["https"]
    assert seen["host"] == [HOST]
    assert len(seen["x-request-id"]) == 1
    assert len(seen["x-request-id"][0]) == 32
    assert not {"x-real-ip", "forwarded", "remote-user", "proxy", "proxy-authorization"} & set(seen)
    assert {name for name in seen if name.startswith("x-forwarded-")} == {
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"
    }  # fmt: skip
    assert "evil" not in str({**seen, "http2-settings": []})


OF_OTHERS = (
    *("X-User", "X-Email", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups"),
    *("X-Auth-Request-Preferred-Username", "X-WebAuth-User", "X-Authenticated-User", "X-Authentik-Username"),
    "X-Authentik-Email",
)
"""In which other systems for logging in tell who somebody is; an engine's program may believe one."""


@pytest.mark.parametrize("authorization", [BASIC, BEARER], ids=["a person", "a program"])
def test_a_client_cannot_choose_who_it_is_by_names_of_other_systems(nginx: Nginx, authorization: str) -> None:
    lines = [f"{name}: evil" for name in OF_OTHERS] + [f"{name.lower()}: evil" for name in OF_OTHERS]
    seen = passed(nginx, authorization, *lines, *[f"{name.replace('-', '_')}: evil" for name in OF_OTHERS])
    assert "evil" not in str(seen)


@pytest.mark.parametrize("upgrade", ["h2c", "websocket, h2c", "WebSocket\tx", "tls/1.0", "websocket2"])
def test_no_protocol_but_websocket_can_be_switched_to(nginx: Nginx, upgrade: str) -> None:
    seen = passed(nginx, BEARER, f"Upgrade: {upgrade}", "Connection: Upgrade, HTTP2-Settings")
    assert "upgrade" not in seen
    assert "connection" not in seen


def test_a_websocket_can_be_asked_for(nginx: Nginx) -> None:
    seen = passed(nginx, BEARER, "Upgrade: WebSocket", "Connection: Upgrade")
    assert (seen["upgrade"], seen["connection"]) == (["websocket"], ["upgrade"])


def test_in_http2_no_protocol_can_be_switched_to(nginx: Nginx) -> None:
    done = nginx.curl("-H", BEARER, "-H", "Upgrade: websocket", f"https://{HOST}/headers")
    assert '"upgrade"' not in done.stdout.lower()


@pytest.mark.parametrize(
    "path", ["/headers/a%2Fb", "/headers//x?a=%2F&b", "/headers/%E4", "/headers?x=/../y", "/headers/;a"]
)
def test_a_path_is_passed_on_as_it_came(nginx: Nginx, path: str) -> None:
    with nginx.raw() as client:
        answer = client.get(path, HOST, BEARER).answer()
    assert f'"target": "{path}"'.encode() in answer.body


def test_the_port_of_a_hostname_is_kept_for_what_compares_it_with_an_origin(nginx: Nginx) -> None:
    with nginx.raw() as client:
        answer = client.get("/headers", f"{HOST.upper()}:8443", BEARER).answer()
    assert f'["host", "{HOST}:8443"]'.encode() in answer.body.lower()


def test_an_engine_cannot_tell_nginx_what_to_do(authority: Authority, wildcard: Certificate) -> None:
    """X-Accel-Redirect and its kin are for applications that nginx trusts."""
    said = b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /.whisper-gateway-refused\r\nContent-Length: 4\r\n\r\nmine"
    with scripted_engine(saying(said)) as engine, tempfile.TemporaryDirectory(prefix="wg-nginx-") as folder:
        Path(folder).chmod(0o755)
        nginx = Nginx(Path(folder), authority, wildcard, GATEWAY=f"127.0.0.1:{engine.port}")
        nginx.start()
        try:
            with nginx.raw() as client:
                answer = client.get("/", HOST, BEARER).answer()
            assert (answer.status, answer.body) == (200, b"mine")
        finally:
            nginx.close()
