"""A key for one hostname is for no other, and no way of writing a name or a path is a way in."""

from __future__ import annotations

import pytest

from tests.fixtures.attacks import BASIC, PORTAL, PRIVATE, WRONG_KEY, Siege, drained, head, let_in, statuses, tried
from tests.fixtures.nginx import DOMAIN, HOST
from tests.fixtures.raw_client import RawClient

pytestmark = pytest.mark.nginx

STOLEN = "GET /stolen HTTP/1.1"

NAMES = {
    "its own name": (STOLEN, PRIVATE),
    "its name in capitals": (STOLEN, PRIVATE.upper()),
    "its name with a dot": (STOLEN, f"{PRIVATE}."),
    "its name with two dots": (STOLEN, f"{PRIVATE}.."),
    "its name with a port": (STOLEN, f"{PRIVATE}:443"),
    "its name with another name as port": (STOLEN, f"{PRIVATE}:443:{HOST}"),
    "its name behind a user": (STOLEN, f"{HOST}@{PRIVATE}"),
    "its name as a user": (STOLEN, f"{PRIVATE}@{HOST}"),
    "both with a comma": (STOLEN, f"{HOST}, {PRIVATE}"),
    "both with a space": (STOLEN, f"{PRIVATE} {HOST}"),
    "both with a tab": (STOLEN, f"{PRIVATE}\t{HOST}"),
    "both with a NUL": (STOLEN, f"{PRIVATE}\0{HOST}"),
    "both with a slash": (STOLEN, f"{PRIVATE}/{HOST}"),
    "both with a backslash": (STOLEN, f"{PRIVATE}\\{HOST}"),
    "both with a question mark": (STOLEN, f"{PRIVATE}?.{HOST}"),
    "both with a hash": (STOLEN, f"{PRIVATE}#.{HOST}"),
    "its name in brackets": (STOLEN, f"[{PRIVATE}]"),
    "its name, escaped": (STOLEN, PRIVATE.replace(".", "%2e")),
    "a soft hyphen in it": (STOLEN, f"priv\xadate.{DOMAIN}"),
    "in two headers, the first": (STOLEN, f"{PRIVATE}\r\nHost: {HOST}"),
    "in two headers, the last": (STOLEN, f"{HOST}\r\nHost: {PRIVATE}"),
    "in a folded header": (STOLEN, f"{HOST}\r\nX: y\r\n Host: {PRIVATE}"),
    "behind a folded line": (STOLEN, f"{HOST}\r\n .{PRIVATE}"),
    "in a header with a space": (STOLEN, f"{HOST}\r\nHost : {PRIVATE}"),
    "behind a bare CR": (STOLEN, f"{HOST}\rHost: {PRIVATE}"),
    "in the target": (f"GET http://{PRIVATE}/stolen HTTP/1.1", HOST),
    "in a target for TLS": (f"GET https://{PRIVATE}/stolen HTTP/1.1", HOST),
    "in the target behind a user": (f"GET https://{HOST}@{PRIVATE}/stolen HTTP/1.1", HOST),
    "in the target behind a backslash": (f"GET https://{HOST}\\@{PRIVATE}/stolen HTTP/1.1", HOST),
    "in the target without a scheme": (f"GET //{PRIVATE}/stolen HTTP/1.1", PRIVATE),
    "in the target in HTTP/1.0": (f"GET http://{PRIVATE}/stolen HTTP/1.0", HOST),
    "the portal's engines": ("POST /api/engines/engine/wake HTTP/1.1", PORTAL),
    "the portal's logs": ("GET /api/engines/engine/logs HTTP/1.1", PORTAL),
    "the portal's logs, only their head": ("HEAD /api/engines/engine/logs HTTP/1.1", PORTAL),
    "the portal's logs, escaped": ("GET /api/engines/engine%2Flogs HTTP/1.1", PORTAL),
    "the portal's logs behind what is public": ("GET /healthz/../api/engines/engine/logs HTTP/1.1", PORTAL),
    "the portal's sleep by another method": ("PUT /api/engines/engine/sleep HTTP/1.1", PORTAL),
    "the admin address": ("GET /api/engines HTTP/1.1", "127.0.0.1:8891"),
    "this machine": ("POST /api/engines/engine/wake HTTP/1.1", "localhost"),
}


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_a_key_is_for_its_hostname_however_another_is_written(besieged_engine: Siege, door: str) -> None:
    requests = {
        case: head(line, f"Host: {host}", besieged_engine.limited_bearer).encode("latin-1")
        for case, (line, host) in NAMES.items()
    }
    assert let_in(tried(besieged_engine, door, requests)) == {}


def test_a_user_who_is_no_administrator_does_not_steer(besieged_engine: Siege) -> None:
    """Nor by naming one who is."""
    lines = [f"Host: {PORTAL}", BASIC, "X-Remote-User: root", "Content-Length: 0"]
    requests = {
        path: head(f"{method} /api/engines/engine/{path} HTTP/1.1", *lines).encode()
        for method, path in (("POST", "wake"), ("POST", "sleep?force=true"), ("GET", "logs"), ("POST", "wake/"))
    }
    answers = tried(besieged_engine, "nginx", requests, answers=1)
    assert let_in({path: said for path, said in answers.items() if path != "wake/"}) == {}
    assert all(307 in said or min(said) >= 400 for said in answers.values())


PATHS = [
    "/stolen", "//stolen", "///stolen", "/./stolen", "/x/../stolen", "/../stolen", "/..%2fstolen", "/%2e%2e/stolen",
    "/%2estolen", "/x/..;/stolen", "/;/stolen", "/stolen;a=b", "/stolen%00", "/stolen%0d%0aX-Remote-User:%20anna",
    "/stolen%20HTTP/1.1", "/stolen?x=/../..", "/\\stolen", "/%5cstolen", "/%252e%252e/stolen", "/stolen/%c0%ae%c0%ae/",
    "/healthz", "/healthz/stolen", "/readyz/../stolen", "/health", "/v1/../stolen",
    "/.well-known/acme-challenge/stolen", "/.well-known/acme-challenge/../../stolen",
    "/.well-known/acme-challenge/..%2f..%2fstolen",
    "/.well-known/acme-challenge%2f..%2f..%2fstolen", "/.whisper-gateway-refused", "/.whisper-gateway-refused/stolen",
    "/%2ewhisper-gateway-refused", "/.whisper-gateway-refused?stolen", "*", "stolen", "?stolen", "#stolen", "/stolen#x",
    "http:/stolen", "http:///stolen", "https:stolen", "file:///etc/passwd", "/~root", "/.git/config", "/.htpasswd",
]  # fmt: skip


@pytest.mark.parametrize("credentials", [None, WRONG_KEY], ids=["nobody", "a wrong key"])
@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_no_path_is_a_way_in(besieged_engine: Siege, door: str, credentials: str | None) -> None:
    lines = [f"Host: {HOST}", "X-Remote-User: anna", "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz"]
    lines += [credentials] if credentials else []
    requests = {path: head(f"GET {path} HTTP/1.1", *lines).encode() for path in PATHS}
    if credentials is None:
        requests |= {f"OPTIONS {path}": head(f"OPTIONS {path} HTTP/1.1", *lines).encode() for path in PATHS}
    assert let_in(tried(besieged_engine, door, requests)) == {}


REDIRECTED = [
    "evil.example#",
    "evil.example?",
    "evil.example\\",
    'x"><script>',
    "evil.example&",
    "a%2f",
    "(",
    "{",
    "evil.example;",
]


@pytest.mark.parametrize("name", REDIRECTED)
def test_nobody_is_sent_to_another_place_by_a_name_that_is_none(siege: Siege, name: str) -> None:
    """`server_name .example.org` takes anything before the dot, and the redirect to https repeats it."""
    for port in (siege.front.nginx.http, siege.front.nginx.https):
        with RawClient(port) as client:
            said = drained(client.get("/x", f"{name}.{HOST}"))
        assert name.encode() not in said


@pytest.mark.parametrize(
    "target", ["//evil.example/", "/\\evil.example", "http://evil.example/", "/%0d%0aSet-Cookie:x"]
)
def test_the_way_to_https_leads_nowhere_else(siege: Siege, target: str) -> None:
    for port in (siege.front.nginx.http, siege.front.nginx.https):
        with RawClient(port) as client:
            said = drained(client.get(target, HOST)).lower()
        assert b"\r\nset-cookie" not in said
        assert said == b"" or f"location: https://{HOST}/".encode() in said


CHALLENGES = [
    "/.well-known/acme-challenge/../../secret", "/.well-known/acme-challenge/..%2f..%2fsecret",
    "/.well-known/acme-challenge/%2e%2e/%2e%2e/secret", "/.well-known/acme-challenge/..;/..;/secret",
    "/.well-known/acme-challenge/..%5c..%5csecret", "/.well-known/acme-challenge../secret", "/secret",
    "/.well-known/acme-challenge//../../secret", "/.well-known/acme-challenge/secret%00", "/.well-known/secret",
    "/.well-known/acme-challenge/%252e%252e/secret",
]  # fmt: skip


def test_the_place_of_challenges_shows_nothing_else_and_takes_nothing(siege: Siege) -> None:
    """It is the only place that is open to all."""
    webroot = siege.front.nginx.webroot
    (webroot / "secret").write_text("not for the public")
    (webroot / ".well-known" / "acme-challenge").mkdir(parents=True, exist_ok=True)
    for path in CHALLENGES:
        with RawClient(siege.front.nginx.http) as client:
            assert b"not for the public" not in drained(client.get(path, HOST))
    for method in ("PUT", "POST", "DELETE", "MKCOL", "MOVE", "COPY", "PATCH"):
        line = f"{method} /.well-known/acme-challenge/stolen HTTP/1.1"
        with RawClient(siege.front.nginx.http) as client:
            request = head(line, f"Host: {HOST}", "Content-Length: 1", "Destination: /x") + "x"
            said = drained(client.send(request), answers=1)
        assert min(statuses(said)) >= 400
    assert not list((webroot / ".well-known" / "acme-challenge").iterdir())


@pytest.mark.parametrize(
    "lines", [(), ("Origin: https://evil.example",), (WRONG_KEY,), ("Connection: Upgrade", "Upgrade: websocket")]
)
@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_a_stranger_does_not_learn_which_hostnames_there_are(
    besieged_engine: Siege, door: str, lines: tuple[str, ...]
) -> None:
    """The refusals are the same to the letter, but for their ids and dates."""

    def refusal(host: str) -> tuple[int, list[tuple[str, str]], bytes]:
        with besieged_engine.at(door) as client:
            answer = client.send(head("GET /v1/models HTTP/1.1", f"Host: {host}", *lines)).answer()
        varying = ("x-request-id", "date")
        return answer.status, [pair for pair in answer.headers if pair[0] not in varying], answer.body

    assert refusal(HOST) == refusal(f"unlisted.{DOMAIN}") == refusal(PRIVATE)
