"""Bytes that no well-behaved client sends, over raw sockets. The engine refuses them or makes the best of them.

None of it may be answered with a 500, be logged with a traceback (the `engine` fixture looks), or disturb the others.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import GOODBYE, recording, said, words
from tests.unit.engines.recordings import silence, wav

pytestmark = pytest.mark.model

SILENT = wav(silence(0.1))
TRANSCRIPTIONS = "/v1/audio/transcriptions"
MULTIPART = b"Content-Type: multipart/form-data; boundary=B\r\n"
CHUNKED = MULTIPART + b"Transfer-Encoding: chunked\r\n"


def part(disposition: bytes, content: bytes, headers: bytes = b"") -> bytes:
    return b"--B\r\nContent-Disposition: %b\r\n%b\r\n%b\r\n" % (disposition, headers, content)


def field(name: bytes, content: bytes) -> bytes:
    return part(b'form-data; name="%b"' % name, content)


FILE = part(b'form-data; name="file"; filename="x"', SILENT)
END = b"--B--\r\n"
FORM = FILE + END


def message(
    body: bytes = b"", headers: bytes = MULTIPART, path: str = TRANSCRIPTIONS, length: bytes | None = None
) -> bytes:
    """length: instead of the body's own; empty for none."""
    announced = b"%d" % len(body) if length is None else length
    lines = b"Content-Length: %b\r\n" % announced if announced else b""
    return b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%b%b\r\n%b" % (path.encode(), headers, lines, body)


def connection(engine: Engine) -> socket.socket:
    url = httpx.URL(engine.url)
    return socket.create_connection((url.host, url.port or 80), timeout=LONG_PATIENCE)


def statuses(engine: Engine, sent: bytes) -> list[int]:
    """Of all answers, until the engine closes the connection. A request that hangs is a failure."""
    answer = b""
    with connection(engine) as raw:
        try:
            raw.sendall(sent)
            while some := raw.recv(65_536):
                answer += some
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before all of it was sent
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", answer)]


@pytest.fixture(scope="module", autouse=True)
def _served_afterwards(engine: Engine) -> Iterator[None]:
    yield
    assert words(engine.post(recording(GOODBYE), language="en").json()["text"]) == said(GOODBYE)


FORMS = {
    "nothing at all": b"",
    "no end": FILE,
    "half a file": FILE[:300],
    "text before": b"Dear all,\r\n" + FORM,
    "text after": FORM + b"x" * 100_000,
    "line feeds": FORM.replace(b"\r\n", b"\n"),
    "no quotes": part(b"form-data; name=file; filename=x", SILENT) + END,
    "a quote that is not closed": part(b'form-data; name="file; filename="x', SILENT) + END,
    "a backslash at the end": part(b'form-data; name="file\\', SILENT) + END,
    "no disposition": b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n" + FORM,
    "no headers": b"--B\r\n\r\nx\r\n" + FORM,
    "two dispositions": part(b'form-data; name="model"', SILENT, b'Content-Disposition: form-data; name="file"\r\n')
    + END,
    "nested": part(
        b'form-data; name="file"',
        b'--C\r\nContent-Disposition: file; filename="x"\r\n\r\n' + SILENT + b"\r\n--C--",
        b"Content-Type: multipart/mixed; boundary=C\r\n",
    )
    + END,
    "names in another charset": part(b"form-data; name=\"file\"; filename*=utf-16''%d8%00", SILENT) + END,
    "names in no charset": part(b"form-data; name*=zip''file; filename*=hex''x", SILENT) + END,
    "names in pieces": part(b'form-data; name="file"; filename*0="a"; filename*1="b"', SILENT) + END,
    "a name of 300 kB": part(b'form-data; name="file"; filename="%b"' % (b"x" * 300_000), SILENT) + END,
    "20,000 headers of a part": part(b'form-data; name="file"; filename="x"', SILENT, b"a: b\r\n" * 20_000) + END,
    "5,000 fields": field(b"a", b"b") * 5_000 + FORM,
    "990 languages": field(b"languages[]", b"en") * 990 + FORM,
    "900 files": part(b'form-data; name="a"; filename="x"', b"") * 900 + FORM,
    "two files": FILE + FORM,
    "a prompt of 900 kB": field(b"prompt", b"x" * 900_000) + FORM,
    "a megabyte of brackets": field(b"vad_parameters", b"[" * 1_000_000) + FORM,
    "a number of 5,000 digits": field(b"beam_size", b"1" * 5_000) + FORM,
    "a threshold of 4,000 digits": field(b"vad_parameters", b'{"threshold": 1%b}' % (b"0" * 4_000)) + FORM,
    "no number": field(b"temperature", b"nan") + FORM,
    "zeros": field(b"model", b"\0") + field(b"prompt", b"\0") + field(b"\0", b"\0") + FORM,
    "half characters": field(b"prompt", b"\xed\xa0\x80") + field(b"language", b"\xff") + FORM,
    "spaces": field(b"prompt", b"  ") + field(b"hotwords", b" ") + field(b"keywords", b" ") + FORM,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_strange_form_is_understood_or_refused(engine: Engine, form: bytes) -> None:
    assert statuses(engine, message(form)) in ([200], [400], [404])


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Content-Type: multipart/form-data\r\n",
        b'Content-Type: multipart/form-data; boundary="B\r\n',
        b"Content-Type: multipart/form-data; boundary=\xff\r\n",
        b"Content-Type: multipart/form-data; boundary=%b\r\n" % (b"B" * 5_000),
        b"Content-Type: multipart/form-data; boundary=B; charset=undefined\r\n",
        MULTIPART + b"Content-Type: application/json\r\n",
        MULTIPART + b"Content-Encoding: gzip\r\n",
        MULTIPART + b"Expect: 200-maybe\r\n",
        MULTIPART + b"Upgrade: websocket\r\n",
        MULTIPART + b"x: \0\r\n",
        MULTIPART + b"x: y\r\n" * 2_000,
        b"Content-Type: application/x-www-form-urlencoded\r\n",
        b"Content-Type: application/json\r\n",
        b"Content-Type: \xff\xfe/\x7f\r\n",
    ],
)
def test_strange_headers_are_understood_or_refused(engine: Engine, headers: bytes) -> None:
    assert statuses(engine, message(FORM, headers)) in ([200], [400])


@pytest.mark.parametrize(
    "length", [b"-1", b"+5", b"0x10", b"9" * 30, b"9" * 5_000, b"1, 1", b" ", b"5\r\nContent-Length: 6"]
)
def test_a_length_that_is_none_is_refused(engine: Engine, length: bytes) -> None:
    assert statuses(engine, message(FORM, length=length)) == [400]


@pytest.mark.parametrize("length", [2**31, 2**62, 2**63])
def test_a_length_beyond_the_limit_is_refused_before_it_is_sent(engine: Engine, length: int) -> None:
    assert statuses(engine, message(FORM, length=b"%d" % length)) == [413]


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n" + FORM,
        b"-5\r\n" + FORM,
        b"ffffffffffffffffff\r\n" + FORM,
        b"100\r\n" + FORM[:256] + b"\r\nzz\r\n",
        b"5\r\n--B\r\nlonger than five",
        b"\r\n\r\n",
    ],
)
def test_chunks_of_a_wrong_size_are_refused(engine: Engine, body: bytes) -> None:
    """Once or twice: what is wrong in the middle of a body is refused by the server and by the application."""
    assert set(statuses(engine, message(body, CHUNKED, length=b""))) == {400}


def test_chunks_of_one_byte_are_joined(engine: Engine) -> None:
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in FORM) + b"0\r\n\r\n"
    assert statuses(engine, message(body, CHUNKED, length=b"")) == [200]


@pytest.mark.parametrize(
    "line",
    [
        b"GET /v1/models/\xff HTTP/1.1",
        b"GET /v1/models/%ff%00%0d%0a HTTP/1.1",
        b"GET /v1/models/%zz% HTTP/1.1",
        b"GET /api/ps/" + b"a" * 60_000 + b" HTTP/1.1",
        b"DELETE /api/ps/%00 HTTP/1.1",
        b"GET http://elsewhere.test/v1/models/x HTTP/1.1",
        b"GET ? HTTP/1.1",
        b"GET /docs/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
        b"GET /docs/assets/%00%ed%a0%80 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT x:80 HTTP/1.1",
        b"TRACE /health HTTP/1.1",
        b"NONSENSE /health HTTP/1.1",
        b"GET /health HTTP/9.9",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_a_strange_request_line_is_refused(engine: Engine, line: bytes) -> None:
    (status,) = statuses(engine, line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert 400 <= status < 500


def test_requests_in_a_row_are_answered_in_a_row(engine: Engine) -> None:
    first = message(FORM).replace(b"Connection: close\r\n", b"")
    assert statuses(engine, first + first.replace(b"RIFF", b"RUFF") + message(FORM)) == [200, 400, 200]


pieces = st.sampled_from(
    [b"--B\r\n", b"--B", b"--B--\r\n", b"\r\n\r\n", b"\r\n", b"--", b'Content-Disposition: form-data; name="file"',
     b'; filename="x"', b"; filename*=utf-8''x", b'Content-Disposition: form-data; name="prompt"', b'"', b"\\", b";",
     b"Content-Type: multipart/mixed; boundary=B", SILENT, FILE, END, b"stream", b"true", b"\0"]
)  # fmt: skip
charsets = st.sampled_from([b"", b"; charset=utf-16", b"; charset=punycode", b"; charset=\xff"])


@given(body=st.lists(pieces | st.binary(max_size=30), max_size=14).map(b"".join), charset=charsets)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_any_bytes_are_understood_or_refused(engine: Engine, body: bytes, charset: bytes) -> None:
    headers = MULTIPART.replace(b"\r\n", charset + b"\r\n")
    assert statuses(engine, message(body, headers)) in ([200], [400])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("headers", [MULTIPART, CHUNKED], ids=["length", "chunks"])
def test_who_leaves_before_the_end_disturbs_nobody(engine: Engine, share: float, headers: bytes) -> None:
    whole = (
        message(FORM, MULTIPART) if headers is MULTIPART else message(b"%x\r\n" % len(FORM) + FORM, CHUNKED, length=b"")
    )
    with connection(engine) as raw:
        raw.sendall(whole[: int(share * len(whole))])
    assert engine.health()["status"] == "ready"
