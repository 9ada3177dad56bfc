"""A page of another site, in the browser of somebody whose password the browser remembers, does nothing in their name.

Browsers send a remembered password with a page's forms, images and WebSockets, whatever site the page is of.
"""

from __future__ import annotations

import pytest

from tests.fixtures.attacks import BASIC, PAGE, PORTAL, WRONG_KEY, Siege, head, let_in, tried
from tests.fixtures.nginx import DOMAIN, HOST

pytestmark = pytest.mark.nginx

WEBSOCKET = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {'A' * 22}==",
]
FORM = ["Content-Length: 0", "Content-Type: application/x-www-form-urlencoded"]
PLACES = {
    "another site": "Origin: https://evil.example",
    "no site": "Origin: null",
    "an empty origin": "Origin:",
    "a file": "Origin: file://",
    "an extension": "Origin: chrome-extension://abcdefghijklmnop",
    "a site that begins alike": f"Origin: https://{HOST}.evil.example",
    "a site that ends alike": f"Origin: https://evil{HOST}",
    "another engine": f"Origin: https://other.{DOMAIN}",
    "the portal": f"Origin: https://{PORTAL}",
    "the domain": f"Origin: https://{DOMAIN}",
    "a user of the name": f"Origin: https://{HOST}@evil.example",
    "a path of the name": f"Origin: https://evil.example/{HOST}",
    "no scheme": f"Origin: {HOST}",
    "below an allowed page": f"Origin: {PAGE.replace('page', 'sub.page')}",
    "an allowed page in clear text": f"Origin: {PAGE.replace('https', 'http')}",
    "an allowed page's other port": f"Origin: {PAGE}:8443",
    "an allowed page with a path": f"Origin: {PAGE}/",
    "two pages": f"Origin: {PAGE} https://evil.example",
    "a link": "Sec-Fetch-Site: cross-site",
    "a page beside": "Sec-Fetch-Site: same-site",
    "a word that does not exist": "Sec-Fetch-Site: stolen",
}


def requests() -> dict[str, bytes]:
    made = {}
    for place, line in PLACES.items():
        for what, first, lines in (
            ("WebSocket", "GET /ws?stolen HTTP/1.1", WEBSOCKET),
            ("form", "POST /stolen HTTP/1.1", FORM),
            ("delete", "DELETE /stolen HTTP/1.1", []),
        ):
            made[f"{what} of {place}"] = head(first, f"Host: {HOST}", BASIC, *lines, line).encode()
    return made


def test_pages_elsewhere_do_nothing_in_a_users_name(besieged_engine: Siege) -> None:
    answers = tried(besieged_engine, "nginx", requests(), answers=1)
    assert let_in(answers) == {}
    assert {tuple(said) for said in answers.values()} == {(403,)}
    assert "/ws" not in besieged_engine.tally()


def test_pages_elsewhere_do_not_steer(besieged_engine: Siege) -> None:
    """Nor by an administrator's key that somebody has typed into them: the portal is for its own pages."""
    made = {
        place: head("POST /api/engines/engine/wake HTTP/1.1", f"Host: {PORTAL}", besieged_engine.bearer, *FORM, line)
        for place, line in PLACES.items()
        if place != "the portal"
    }
    answers = tried(besieged_engine, "nginx", {place: text.encode() for place, text in made.items()})
    assert let_in(answers) == {}


ASKING = [f"Host: {HOST}", f"Origin: {PAGE}", "Access-Control-Request-Method: POST"]
HIDDEN = head("GET /stolen HTTP/1.1", f"Host: {HOST}", "X-Remote-User: anna")
PREFLIGHTS = {
    "plain": head("OPTIONS /stolen HTTP/1.1", *ASKING),
    "with another method": head("OPTIONS /stolen HTTP/1.1", *ASKING, "X-HTTP-Method-Override: POST"),
    "with a name": head("OPTIONS /stolen HTTP/1.1", *ASKING, "X-Remote-User: anna"),
    "with a wrong key": head("OPTIONS /stolen HTTP/1.1", *ASKING, WRONG_KEY),
    "with an upgrade": head("OPTIONS /ws?stolen HTTP/1.1", *ASKING, *WEBSOCKET),
    "with a body": head("OPTIONS /stolen HTTP/1.1", *ASKING, f"Content-Length: {len(HIDDEN)}") + HIDDEN,
    "with a body in chunks": head("OPTIONS /stolen HTTP/1.1", *ASKING, "Transfer-Encoding: chunked")
    + f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n",
    "with a body that is expected": head(
        "OPTIONS /stolen HTTP/1.1", *ASKING, "Expect: 100-continue", f"Content-Length: {len(HIDDEN)}"
    )
    + HIDDEN,
}


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_what_browsers_ask_without_a_password_goes_no_further(besieged_engine: Siege, door: str) -> None:
    """A preflight is the only thing that both doors let pass unasked: the gateway answers it, whatever it carries."""
    answers = tried(besieged_engine, door, {case: text.encode() for case, text in PREFLIGHTS.items()}, answers=1)
    assert all([status for status in said if status != 100] == [204] for said in answers.values()), answers
    behind = {case: (text + HIDDEN).encode() for case, text in PREFLIGHTS.items()}
    assert all(set(said) <= {100, 204, 401} for said in tried(besieged_engine, door, behind).values())
    assert "/ws" not in besieged_engine.tally()


@pytest.mark.parametrize("line", [f"Origin: https://{HOST}", f"Origin: {PAGE}", "Sec-Fetch-Site: same-origin"])
def test_its_own_pages_and_those_that_are_named_do(siege: Siege, line: str) -> None:
    """Else the above would prove nothing."""
    siege.wake()
    made = {
        "form": head("POST /sum HTTP/1.1", f"Host: {HOST}", BASIC, *FORM, line).encode(),
        "WebSocket": head("GET /ws HTTP/1.1", f"Host: {HOST}", BASIC, *WEBSOCKET, line).encode(),
    }
    assert tried(siege, "nginx", {"form": made["form"]}, answers=1) == {"form": [200]}
    with siege.at_nginx() as client:
        assert client.send(made["WebSocket"]).head().status == 101
