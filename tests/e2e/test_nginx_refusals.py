"""What nginx refuses by itself: in the shapes of docs/errors.md, at once, and without troubling the gateway."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.nginx import HOST, Front, running_front
from tests.fixtures.raw_client import RawAnswer

pytestmark = pytest.mark.nginx

SIZE = 3 * 1024**3


@pytest.fixture(autouse=True)
def asleep(front: Front) -> Iterator[None]:
    """Nothing of this wakes the engine."""
    yield
    assert front.gateway.engine("engine")["phase"] == "asleep"


def openai_error(answer: httpx.Response | RawAnswer) -> dict[str, object]:
    body = answer.content if isinstance(answer, httpx.Response) else answer.body
    error: dict[str, object] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_each_caller_is_refused_in_its_own_language(front: Front) -> None:
    """As the gateway does it; the password dialog is kept."""
    with front.nginx.client() as client:
        sdk, browser, program = (
            client.get("/v1/models"), client.get("/", headers={"Accept": "text/html"}), client.get("/status?code=200")
        )  # fmt: skip
    assert sdk.headers["content-type"] == "application/json"
    assert openai_error(sdk)["code"] == "login_required"
    assert openai_error(sdk)["type"] == "invalid_request_error"
    assert browser.headers.get_list("content-type") == ["text/html; charset=utf-8"]
    assert "<code>401 login_required</code>" in browser.text
    assert program.headers["content-type"] == "application/problem+json"
    assert program.json() == {
        "type": "about:blank",
        "title": "A password or an API key is needed",
        "status": 401,
        "detail": "People log in with a name and a password; programs send an API key as: Authorization: Bearer KEY",
        "code": "login_required",
    }
    for answer in (sdk, browser, program):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="whisper-gateway"'
        assert answer.headers["x-gateway-error"] == "login_required"
        assert answer.headers["cache-control"] == "no-store"
        assert front.nginx.logged(answer.headers["x-request-id"])["status"] == 401


def test_3_gb_are_refused_at_once(front: Front) -> None:
    """By what the head says: before a byte of it is sent, and before the engine is woken."""
    lines = (f"Authorization: Bearer {front.key}", f"Content-Length: {SIZE}", "Expect: 100-continue")
    with front.nginx.raw() as client:
        client.send("\r\n".join(["POST /v1/audio/transcriptions HTTP/1.1", f"Host: {HOST}", *lines, "", ""]))
        answer = client.answer()
    assert (answer.status, answer.get("x-gateway-error")) == (413, "payload_too_large")
    assert "2g" in str(openai_error(answer)["message"])
    assert "UPLOAD_LIMIT" in str(openai_error(answer)["message"])


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_client_that_does_not_ask_first_reads_the_refusal_too(front: Front, version: str) -> None:
    done = front.nginx.curl(
        *(version, "-H", f"Authorization: Bearer {front.key}", "-H", f"Content-Length: {SIZE}", "-H", "Expect:"),
        *("--data-binary", "@-", f"https://{HOST}/v1/audio/transcriptions"),
        text="x" * 3_000_000,
    )
    assert '"code": "payload_too_large"' in done.stdout, done


def test_an_upload_without_a_length_is_refused_when_it_outgrows_the_limit(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, wildcard: Certificate
) -> None:
    """The engine was woken for it, by its head; what has gone over is told all the same."""
    with running_front(tmp_path_factory.mktemp("small"), authority, wildcard, UPLOAD_LIMIT="1m") as small:
        done = small.nginx.curl(
            *(
                "--http1.1",
                "-H",
                f"Authorization: Bearer {small.key}",
                "-H",
                "Transfer-Encoding: chunked",
                "-H",
                "Expect:",
            ),
            *("-w", "%{http_code}", "--data-binary", "@-", f"https://{HOST}/v1/audio/transcriptions"),
            text="x" * 3_000_000,
        )
        assert done.stdout.endswith("413"), done
        assert '"code": "payload_too_large"' in done.stdout
        assert "1m" in done.stdout
        small.gateway.until("engine", serving=0, waiting=0)


@pytest.mark.parametrize(
    ("request_text", "status", "code"),
    [
        (f"TRACE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n", 405, "method_not_allowed"),
        (f"GET /v1/x HTTP/1.1\r\nHost: {HOST}\r\nX-A: {'a' * 20000}\r\n\r\n", 431, "request_head_too_large"),
        (f"GET /x HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n", 400, "bad_request"),
        (f"GET /{'a' * 20000} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", 414, "uri_too_long"),
        ("GET \0 HTTP/1.1\r\n\r\n", 400, "bad_request"),
    ],
    ids=["TRACE", "large head", "two hosts", "long address", "not HTTP"],
)
def test_what_cannot_be_read_is_refused(front: Front, request_text: str, status: int, code: str | None) -> None:
    with front.nginx.raw() as client:
        answer = client.send(request_text).answer()
    assert (answer.status, answer.get("x-gateway-error")) == (status, code)
    assert b"1.22" not in answer.body


def test_guessing_passwords_is_slowed_down(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, wildcard: Certificate
) -> None:
    """From one address; and neither keys nor the right to see the dialog are touched by it."""
    with running_front(tmp_path_factory.mktemp("guessed"), authority, wildcard, LOGIN_RATE="1r/m") as front:
        with front.nginx.client() as client:
            answers = [client.get("/v1/models", auth=("anna", f"guess {n}")) for n in range(220)]
            limited = answers[-1]
            assert client.get("/v1/models").status_code == 401
            assert client.get("/hello", headers={"Authorization": f"Bearer {front.key}"}).status_code == 200
        statuses = [answer.status_code for answer in answers]
        assert statuses[:200] == [401] * 200
        assert statuses.count(429) == 19
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "10")
        assert openai_error(limited)["code"] == "too_many_logins"
        assert "www-authenticate" not in limited.headers


def test_a_gateway_that_is_away_is_told_from_an_engine_that_is(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, wildcard: Certificate
) -> None:
    with (
        running_front(tmp_path_factory.mktemp("away"), authority, wildcard) as front,
        front.client() as client,
    ):
        front.gateway.stop()
        answer = client.post("/v1/audio/transcriptions", content=b"x" * 100_000)
        assert (answer.status_code, answer.headers["retry-after"]) == (502, "5")
        assert openai_error(answer)["code"] == "gateway_unavailable"
        assert openai_error(answer)["type"] == "server_error"
        assert client.get("/", headers={"Accept": "text/html"}).headers["content-type"].startswith("text/html")
        front.gateway.start()
        assert client.get("/hello").status_code == 200
        assert client.post("/sum", content=b"x" * 100_000).status_code == 200


def test_500_half_open_heads_do_not_stop_a_good_client(front: Front) -> None:
    """Slowloris: a head that never ends takes a connection of nginx's for 15 seconds, and nothing of the gateway's."""
    context = front.nginx.authority.context()
    with ExitStack() as stack:
        for number in range(500):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", front.nginx.https)))
            if number % 10 == 0:  # some have shaken hands, the others are in the middle of it
                sock = stack.enter_context(context.wrap_socket(sock, server_hostname=HOST))
                sock.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ".encode())
        with front.nginx.client() as client:
            assert client.get("/v1/models", headers={"Authorization": "Bearer x"}).status_code in (401, 429)
        sock.settimeout(0)
        with pytest.raises(BlockingIOError):  # nor is that the last one's end, for which it would have waited
            sock.recv(1)
