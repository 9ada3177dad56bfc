"""Guessing keys and passwords is slow, whatever the guesser varies, and hurts nobody but the guesser."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.fixtures.attacks import BASIC, PORTAL, PRIVATE, WRONG_BASIC, Siege, besieged, head
from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.http2_frames import END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, block, frame
from tests.fixtures.nginx import HOST
from tests.fixtures.raw_client import RawAnswer

pytestmark = pytest.mark.nginx

ALLOWED_KEYS = 20
"""In a minute, from one address: gateway/auth/failures.py."""
TRIES = 3
"""Each from an address of its own: every three seconds a key is looked at again, on a slow machine just that one."""
BURST = 200
"""Passwords at once: nginx/templates/gateway.conf.template."""
_guesses = itertools.count()


def key() -> str:
    """One that is well formed, and new."""
    return f"wg_{'a' * 10}_{next(_guesses):043d}"


def until_refused(siege: Siege, door: str, source: str) -> RawAnswer:
    """Guesses keys until none is looked at any more, until one is again, which may be the next: see TRIES."""
    while (answer := asked(siege, door, source, f"Authorization: Bearer {key()}")).status != 429:
        pass
    return answer


def allowed(began: float) -> float:
    """How many wrong keys are looked at, if the first came no earlier than that."""
    return ALLOWED_KEYS + 1 + (time.monotonic() - began) * ALLOWED_KEYS / 60


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, authority: Authority, wildcard: Certificate) -> Iterator[Siege]:
    """Passwords may be guessed once a minute."""
    with besieged(tmp_path_factory.mktemp("slow"), authority, wildcard, LOGIN_RATE="1r/m") as siege:
        yield siege


def asked(
    siege: Siege, door: str, source: str, *lines: str, request: str = "GET /stolen", host: str = HOST
) -> RawAnswer:
    with siege.at(door, source) as client:
        return client.send(head(f"{request} HTTP/1.1", f"Host: {host}", *lines)).answer(request.partition(" ")[0])


def code(answer: RawAnswer) -> str | None:
    return answer.get("x-gateway-error")


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_keys_are_guessed_slowly_whatever_else_changes(besieged_engine: Siege, door: str) -> None:
    """Each guess on a connection of its own, with another address in every header, hostname, path and method."""
    siege, source = besieged_engine, besieged_engine.address()
    places = itertools.cycle([(HOST, "GET /stolen"), (PRIVATE, "POST /stolen"), (PORTAL, "GET /api/engines"),
                              (f"unknown.{HOST.partition('.')[2]}", "HEAD /v1/models")])  # fmt: skip
    said: Counter[str | None] = Counter()
    began = time.monotonic()
    for number, (host, request) in zip(range(2 * ALLOWED_KEYS), places, strict=False):
        address = f"203.0.113.{number}"
        lines = [f"X-Forwarded-For: {address}", f"X-Real-IP: {address}", f"Forwarded: for={address}"]
        said[
            code(asked(siege, door, source, f"Authorization: Bearer {key()}", *lines, request=request, host=host))
        ] += 1
    assert set(said) == {"invalid_api_key", "too_many_failures"}
    assert said["invalid_api_key"] <= allowed(began)
    assert asked(siege, door, siege.address(), siege.bearer, request="GET /api/engines", host=PORTAL).status == 200


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_a_right_key_is_not_told_from_a_wrong_one_where_too_many_were_shown(siege: Siege, door: str) -> None:
    siege.wake()

    def status() -> int:
        source = siege.address()
        assert until_refused(siege, door, source).get("retry-after") is not None
        return asked(siege, door, source, siege.bearer, request="GET /hello").status

    assert 429 in (status() for _ in range(TRIES))


def test_who_has_used_a_key_there_before_goes_on(siege: Siege) -> None:
    """A neighbour behind the same router, or a page that a browser there shows, must not lock out others."""
    siege.wake()

    def status_of_another(door: str) -> int:
        source = siege.address()
        assert asked(siege, door, source, siege.bearer, request="GET /hello").status == 200
        until_refused(siege, door, source)
        another = asked(siege, door, source, siege.limited_bearer, request="GET /hello").status
        assert asked(siege, door, source, siege.bearer, request="GET /hello").status == 200
        assert asked(siege, "nginx", source, BASIC, request="GET /hello").status == 200
        return another

    for door in ("nginx", "gateway"):
        assert 429 in (status_of_another(door) for _ in range(TRIES))


def test_keys_are_guessed_no_faster_on_one_connection_of_http2(siege: Siege) -> None:
    siege.wake()
    before, count = siege.wakes(), 3 * ALLOWED_KEYS
    pseudo = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/stolen")]
    streams = [
        frame(
            *(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1),
            block([*pseudo, (b"authorization", f"Bearer {key()}".encode())]),
        )
        for number in range(count)
    ]
    began = time.monotonic()
    with siege.at_nginx(alpn="h2") as client:
        client.send(PREFACE + frame(SETTINGS, 0, 0) + b"".join(streams))
        said = b""
        while (
            said.count(b"invalid_api_key") // 2 + said.count(b"too_many_failures") // 2 < count and len(said) < 200_000
        ):
            said += client.receive()
            if said.count(b'"code"') == count:
                break
    assert said.count(b'"code": "invalid_api_key"') <= allowed(began)
    assert said.count(b'"code": "too_many_failures"') >= count - allowed(began)
    siege.assert_untouched(before)


def test_passwords_are_guessed_slowly_whatever_else_changes(slow: Siege) -> None:
    """On connections of their own, for other hostnames and users; then a right one is refused like a wrong one."""
    source, before = slow.address(), slow.wakes()
    hosts = itertools.cycle([HOST, PRIVATE, PORTAL])
    spellings = itertools.cycle(
        [WRONG_BASIC, WRONG_BASIC.lower(), "authorization: basic Ym9iOng=", "Authorization: Basic"]
    )
    said: Counter[str | None] = Counter()
    for number, host, line in zip(range(BURST + 20), hosts, spellings, strict=False):
        answer = asked(slow, "nginx", source, line, f"X-Forwarded-For: 203.0.113.{number}", host=host)
        said[code(answer)] += 1
    assert said == {"login_required": BURST + 1, "too_many_logins": 19}
    answer = asked(slow, "nginx", source, BASIC)
    assert (answer.status, answer.get("retry-after") is not None) == (429, True)
    assert asked(slow, "nginx", source, BASIC, "Origin: x", "Access-Control-Request-Method: GET").status == 429
    slow.assert_untouched(before)
    # programs there, and people elsewhere, are served
    assert asked(slow, "nginx", source, slow.bearer, request="GET /hello").status == 200
    assert asked(slow, "nginx", slow.address(), BASIC, request="GET /hello").status == 200


def test_a_preflight_tells_nobody_whether_a_password_is_right(slow: Siege) -> None:
    """It is not counted, because it is not asked for one; so it must not be an oracle."""
    source = slow.address()
    asking = ["Origin: https://evil.example", "Access-Control-Request-Method: GET"]
    for request in ("OPTIONS /stolen", "OPTIONS *"):
        answers = [
            asked(slow, "nginx", source, line, *asking, request=request) for line in (BASIC, WRONG_BASIC, "X: y")
        ]
        assert len({(answer.status, code(answer), answer.body) for answer in answers}) == 1
        assert answers[0].status in (400, 401)
