"""Nobody is taken for somebody else: forged names, credentials in odd places, and connections that others have used.

Straight at the gateway, whose own door must hold where there is no nginx: in another container, on another machine.
What nginx makes of forged headers is in test_nginx_headers.py and test_nginx_strangers.py.
"""

from __future__ import annotations

import pytest

from tests.fixtures.attacks import BASIC, PAGE, PROXY, WRONG_BASIC, WRONG_KEY, Siege, drained, head, let_in, tried
from tests.fixtures.http2_frames import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    block,
    frame,
    until_answered,
)
from tests.fixtures.nginx import HOST

pytestmark = pytest.mark.nginx

STOLEN = "GET /stolen HTTP/1.1"
AT_HOST = f"Host: {HOST}"
CHUNKED = head("POST /stolen HTTP/1.1", AT_HOST, "Transfer-Encoding: chunked", "Trailer: X-Remote-User, Authorization")

FORGERIES = {
    "a name": head(STOLEN, AT_HOST, "X-Remote-User: anna"),
    "a name in capitals": head(STOLEN, AT_HOST, "X-REMOTE-USER: anna"),
    "a name with underscores": head(STOLEN, AT_HOST, "X_Remote_User: anna"),
    "a name with one underscore": head(STOLEN, AT_HOST, "X-Remote_User: anna"),
    "a name twice": head(STOLEN, AT_HOST, "X-Remote-User: anna", "X-Remote-User: anna"),
    "a name with a space before the colon": head(STOLEN, AT_HOST, "X-Remote-User : anna"),
    "a name behind a tab": head(STOLEN, AT_HOST, "X-Remote-User\t: anna"),
    "a folded name": head(STOLEN, AT_HOST, "X: y", " X-Remote-User: anna"),
    "a name folded into its value": head(STOLEN, AT_HOST, "X-Remote-User:", " anna"),
    "a name behind a bare LF": head(STOLEN, AT_HOST, "X: y\nX-Remote-User: anna"),
    "a name behind a bare CR": head(STOLEN, AT_HOST, "X: y\rX-Remote-User: anna"),
    "a name behind a NUL": head(STOLEN, AT_HOST, "X: y\0\r\nX-Remote-User: anna"),
    "a name in the request line": head("GET /stolen HTTP/1.1\nX-Remote-User: anna", AT_HOST),
    "a name that Connection lists": head(STOLEN, AT_HOST, "Connection: X-Remote-User", "X-Remote-User: anna"),
    "a name that Connection keeps": head(STOLEN, AT_HOST, "Connection: close, X-Forwarded-For", "X-Remote-User: anna"),
    "a name in a trailer": CHUNKED + "1\r\nx\r\n0\r\nX-Remote-User: anna\r\n\r\n",
    "a key in a trailer": CHUNKED + "0\r\nAuthorization: Bearer x\r\n\r\n",
    "a name in the query": head("GET /stolen?X-Remote-User=anna&x_remote_user=anna HTTP/1.1", AT_HOST),
    "a name in a cookie": head(STOLEN, AT_HOST, "Cookie: X-Remote-User=anna; user=anna"),
    "other names of names": head(
        STOLEN, AT_HOST, "Remote-User: anna", "X-Forwarded-User: anna", "X-Forwarded-Email: a@b", "X-User: anna",
        "X-Auth-Request-User: anna", "X-Authenticated-User: anna", "X-WEBAUTH-USER: anna", "X-Proxy-User: anna",
    ),
    "the proxy's address": head(
        STOLEN, AT_HOST, "X-Remote-User: anna", f"X-Forwarded-For: {PROXY}", f"X-Real-IP: {PROXY}",
        f"Forwarded: for={PROXY};by={PROXY}", f"X-Client-IP: {PROXY}", f"True-Client-IP: {PROXY}", "Via: 1.1 nginx",
    ),
    "the address of this machine": head(
        STOLEN, AT_HOST, "X-Remote-User: anna", "X-Forwarded-For: 127.0.0.1, ::1, localhost", "X-Real-IP: ::1"
    ),
    "nginx's own words": head(
        STOLEN, AT_HOST, "X-Remote-User: anna", "X-Request-ID: " + "0" * 32, "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Proto: https", f"X-Forwarded-Host: {HOST}",
    ),
    "the PROXY protocol": f"PROXY TCP4 {PROXY} {PROXY} 1 1\r\n" + head(STOLEN, AT_HOST, "X-Remote-User: anna"),
    "the PROXY protocol, second version": "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x02\x7f\0\0\x02\0\x01\0\x01"
    + head(STOLEN, AT_HOST, "X-Remote-User: anna"),
    "a password that the gateway does not know": head(STOLEN, AT_HOST, BASIC),
    "a password and its name": head(STOLEN, AT_HOST, BASIC, "X-Remote-User: anna"),
    "a wrong key and a name": head(STOLEN, AT_HOST, WRONG_KEY, "X-Remote-User: anna"),
    "a name in HTTP/1.0": head("GET /stolen HTTP/1.0", AT_HOST, "X-Remote-User: anna"),
    "a name in HTTP/0.9": "GET /stolen\r\nX-Remote-User: anna\r\n\r\n",
    "a name in HTTP/2": PREFACE.decode()
    + frame(SETTINGS, 0, 0).decode("latin-1")
    + frame(
        HEADERS, END_HEADERS | END_STREAM, 1, block([(b":path", b"/stolen"), (b"x-remote-user", b"anna")])
    ).decode("latin-1"),
    "a method of WebDAV": head("PROPFIND /stolen HTTP/1.1", AT_HOST, "X-Remote-User: anna"),
    "TRACE": head("TRACE /stolen HTTP/1.1", AT_HOST, "X-Remote-User: anna", "Max-Forwards: 0"),
    "PURGE": head("PURGE /stolen HTTP/1.1", AT_HOST, "X-Remote-User: anna"),
    "another method to be": head(
        "OPTIONS /stolen HTTP/1.1", AT_HOST, "X-HTTP-Method-Override: GET", "X-Remote-User: anna", f"Origin: {PAGE}"
    ),
    "a preflight from elsewhere": head(
        "OPTIONS /stolen HTTP/1.1", AT_HOST, "Origin: https://evil.example", "Access-Control-Request-Method: GET"
    ),
    "a preflight from anywhere": head(
        "OPTIONS /stolen HTTP/1.1", AT_HOST, "Origin: *", "Access-Control-Request-Method: GET"
    ),
    "a preflight for the server": head(
        "OPTIONS * HTTP/1.1", AT_HOST, "Origin: null", "Access-Control-Request-Method: GET"
    ),
    "a preflight that is none": head(STOLEN, AT_HOST, f"Origin: {PAGE}", "Access-Control-Request-Method: GET"),
    "a WebSocket": head(
        "GET /ws?stolen HTTP/1.1", AT_HOST, "Connection: Upgrade, X-Remote-User", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==", "X-Remote-User: anna",
        f"Sec-WebSocket-Protocol: Bearer, {'x' * 43}",
    ),
}  # fmt: skip


def test_the_gateway_believes_nobody_but_its_proxy(besieged_engine: Siege) -> None:
    answers = tried(besieged_engine, "gateway", {case: text.encode("latin-1") for case, text in FORGERIES.items()})
    assert let_in(answers) == {}
    assert not {case: said for case, said in answers.items() if len(said) > 1}
    assert "/ws" not in besieged_engine.tally()


def test_the_proxy_is_believed(siege: Siege) -> None:
    """Else the above would prove nothing."""
    siege.wake()
    with siege.at_gateway(PROXY) as client:
        assert client.get("/hello", HOST, "X-Remote-User: anna").answer().status == 200


CREDENTIALS = {
    "twice": ("{good}", "{good}"),
    "good, then wrong": ("{good}", WRONG_KEY),
    "wrong, then good": (WRONG_KEY, "{good}"),
    "good, then a password": ("{good}", BASIC),
    "a wrong password, then good": (WRONG_BASIC, "{good}"),
    "empty, then good": ("Authorization:", "{good}"),
    "good, then empty": ("{good}", "Authorization:"),
    "good, in small letters, then wrong": ("authorization: bearer {token}", WRONG_KEY),
    "good, hidden by Connection, then wrong": ("Connection: Authorization", "{good}", WRONG_KEY),
    "two keys in one": ("Authorization: Bearer {token}, Bearer wg_a_b",),
    "two keys in one, the good one last": ("Authorization: Bearer wg_a_b, Bearer {token}",),
    "two keys with a space": ("Authorization: Bearer {token} {token}",),
    "a key in quotes": ('Authorization: Bearer "{token}"',),
    "a key as a parameter": ('Authorization: Bearer realm="x", token={token}',),
    "a key and a NUL": ("Authorization: Bearer {token}\0",),
    "a folded key": ("Authorization: Bearer", " {token}"),
    "a folded key with a tab": ("Authorization:", "\tBearer {token}"),
    "a longer key": ("Authorization: Bearer {token}x",),
    "a key without its end": ("Authorization: Bearer {shorter}",),
    "a key in capitals": ("Authorization: Bearer {upper}",),
    "a key without a scheme": ("Authorization: {token}",),
    "a scheme with a colon": ("Authorization: Bearer: {token}",),
    "no space": ("Authorization: Bearer{token}",),
    "a tab": ("Authorization: Bearer\t{token}",),
    "a no-break space": ("Authorization: Bearer\xa0{token}",),
    "another scheme": ("Authorization: Token {token}",),
    "a password": ("Authorization: Basic {token}",),
    "an underscore": ("Authorization_: Bearer {token}",),
    "a space before the colon": ("Authorization : Bearer {token}",),
    "for a proxy": ("Proxy-Authorization: Bearer {token}",),
    "a header of other products": ("X-API-Key: {token}", "Api-Key: {token}", "X-Authorization: Bearer {token}"),
    "a cookie": ("Cookie: Authorization=Bearer {token}; api_key={token}",),
}


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_a_key_counts_only_where_it_belongs_and_alone(siege: Siege, door: str) -> None:
    """Two parsers that pick different ones would let in whom the other has refused."""
    siege.wake()
    before, token = siege.wakes(), siege.front.key
    words = {"good": siege.bearer, "token": token, "shorter": token[:-1], "upper": token.upper()}
    requests = {
        case: head(STOLEN, AT_HOST, *[line.format(**words) for line in lines]).encode("latin-1")
        for case, lines in CREDENTIALS.items()
    }
    assert let_in(tried(siege, door, requests)) == {}
    siege.assert_untouched(before)


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_each_request_of_a_connection_is_asked_anew(siege: Siege, door: str) -> None:
    """Also one that looks like the last, and one that is sent before the last is answered."""
    siege.wake()
    before = siege.wakes()
    good, bad = head("GET /headers HTTP/1.1", AT_HOST, siege.bearer), head(STOLEN, AT_HOST)
    same = head("GET /headers HTTP/1.1", AT_HOST)
    with siege.at(door) as client:
        said = [client.send(request).answer().status for request in (good, good, bad, same, good, bad)]
        assert said == [200, 200, 401, 401, 200, 401]
        client.send(good + bad + good + same + good)
        assert [client.answer().status for _ in range(5)] == [200, 401, 200, 401, 200]
    siege.assert_untouched(before)


def test_each_stream_of_http2_is_asked_anew(siege: Siege) -> None:
    siege.wake()
    before = siege.wakes()
    pseudo = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode())]
    key = (b"authorization", f"Bearer {siege.front.key}".encode())
    streams = [
        [*pseudo, (b":path", b"/hello"), key],
        [*pseudo, (b":path", b"/stolen")],
        [*pseudo, (b":path", b"/hello"), key],
    ]
    sent = [frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, block(fields)) for n, fields in enumerate(streams)]
    with siege.at_nginx(alpn="h2") as client:
        client.send(PREFACE + frame(SETTINGS, 0, 0) + b"".join(sent))
        said = until_answered(client, 1, 3, 5) + drained(client)
    assert said.count(b"Hello from the stand-in") == 2
    assert said.count(b"login_required") >= 1
    siege.assert_untouched(before)


def test_who_leaves_before_the_answer_leaves_no_rights_behind(siege: Siege) -> None:
    """The connection to the gateway that nginx used for one client serves the next."""
    siege.wake()
    before = siege.wakes()
    for _ in range(10):
        with siege.at_nginx() as client:
            client.get("/slow?ms=2000", HOST, siege.bearer)
        with siege.at_nginx() as client:
            assert client.get("/stolen", HOST).answer().status == 401
        with siege.at_nginx() as client:
            assert client.get("/stolen", HOST, WRONG_KEY).answer().status == 401
    siege.front.gateway.until("engine", serving=0)
    siege.assert_untouched(before)
