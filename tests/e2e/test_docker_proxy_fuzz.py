"""Whatever is sent to nginx/docker-proxy: nothing reaches Docker but requests from its list, composed anew."""

from __future__ import annotations

import contextlib
import re
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fixtures.docker_proxy import DockerProxy

pytestmark = pytest.mark.nginx

NAME = r"(?:p-(?:engine|d\.b)-[0-9]{1,9}|else\.where)"
API = r"(?:/v1\.(?:2[4-9]|[3-9][0-9]|[1-9][0-9]{2}))?"
ALLOWED = re.compile(
    rf"(?:(?:GET|HEAD) {API}/_ping"
    rf"|GET {API}/version"
    rf"|GET {API}/containers/json\?all=1&filters=%7B%22name%22[A-Za-z0-9%:/?().,-]*"
    rf"|GET {API}/events\?(?:since=[0-9]+&)?filters=%7B%22type%22:%5B%22container%22%5D[A-Za-z0-9%:,._-]*"
    rf"|GET {API}/containers/{NAME}/json"
    rf"|GET {API}/containers/{NAME}/logs\?[a-z0-9=&.]+"
    rf"|GET {API}/containers/{NAME}/stats\?stream=0&one-shot=1"
    rf"|POST {API}/containers/{NAME}/(?:start|pause|unpause|stop(?:\?t=[0-9]+)?|kill(?:\?signal=[A-Z0-9]+)?)"
    r") HTTP/1\.1\r\n(?:Host: docker\r\n|Connection: close\r\n){2}\r\n"
)
"""All that Docker may ever see: one head, without a body."""


class _Docker(socketserver.ThreadingUnixStreamServer):
    """Remembers what it is sent."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Conversation)
        self.seen: list[bytes] = []


class _Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        received = b""
        while b"\r\n\r\n" not in received and (more := self.request.recv(65536)):
            received += more
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        self.request.settimeout(0.05)
        with contextlib.suppress(OSError):
            while more := self.request.recv(65536):
                received += more
        assert isinstance(self.server, _Docker)
        self.server.seen.append(received)


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Docker]:
    with _Docker(tmp_path_factory.mktemp("docker") / "docker.sock") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def proxy(docker: _Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerProxy]:
    names = {"COMPOSE_PROJECT_NAME": "p", "ENGINES": "engine|d.b", "ENGINE_CONTAINERS": "else.where"}
    folder = tmp_path_factory.mktemp("docker-proxy")
    with DockerProxy(folder, DOCKER_SOCKET=str(docker.server_address), **names) as running:
        yield running


methods = st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "get", "PATCH", "GET GET", ""])
WORDS = (
    *("/", "//", "v1.41", "v1.24", "v1.23", "v2", "_ping", "version", "events", "containers", "json", "create"),
    *("p-engine-1", "p-d.b-22", "p-dxb-1", "p-other-1", "else.where", "elsexwhere", "images", "exec", "archive"),
    *(
        "start",
        "stop",
        "kill",
        "pause",
        "unpause",
        "logs",
        "attach",
        "..",
        ".",
        "%2F",
        "%2e%2e",
        "%00",
        "%0a",
        "%0d%0a",
    ),
    *("?", "&", "=", "t=1", "stdout=1", "tail=5", "tail=all", "follow=1", "signal=KILL", "since=1", "filters={}"),
    *("#", ";", "\\", "*", "http://docker", "{}", "\t", "\u0131", "\x7f", "$name", "${NAMES}"),
)
words = st.sampled_from(WORDS)
targets = st.lists(st.one_of(words, st.just("/")), max_size=10).map("".join)
likely = st.tuples(
    st.sampled_from(["", "/v1.41", "/v1.22"]),
    st.sampled_from(
        ["/containers/p-engine-1/", "/containers/else.where/", "/containers/p-other-1/", "/containers/", "/", "/events"]
    ),
    st.sampled_from(["json", "start", "stop", "logs?stdout=1", "stats?stream=0", "kill", "create", "_ping", "exec"]),
    st.sampled_from(
        [
            "",
            "?t=1",
            "&tail=5",
            "?since=1",
            "&since=9",
            "&one-shot=1",
            "?",
            "/",
            "%20",
            "?signal=KILL",
            "\r\nX: y",
            " HTTP/1.1\r\n\r\nGET /info",
        ]
    ),
).map("".join)
headers = st.lists(
    st.sampled_from(
        [
            "Content-Length: 0",
            "Content-Length: 9",
            "Content-Length: 9\r\nContent-Length: 0",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding : chunked",
            "Upgrade: h2c",
            "Upgrade: tcp",
            "Connection: Upgrade",
            "Host: evil",
            " folded: x",
            "X-HTTP-Method-Override: DELETE",
            "Expect: 100-continue",
            "Content-Type: application/json",
            "Connection: close",
        ]
    ),
    max_size=4,
)
bodies = st.sampled_from(
    ["", "{}", "0\r\n\r\n", '9\r\n{"a":"b"}\r\n0\r\n\r\n', "POST /containers/create HTTP/1.1\r\nHost: d\r\n\r\n"]
)
requests = st.builds(
    lambda method, target, version, lines, body: "\r\n".join(
        [f"{method} {target}{version}", "Host: docker", *lines, "", body]
    ),
    methods,
    st.one_of(targets, likely),
    st.sampled_from([" HTTP/1.1", " HTTP/1.0", "", " HTTP/2.0", " HTTP/1.1 HTTP/1.1"]),
    headers,
    bodies,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(requests, min_size=1, max_size=3).map("".join))
@example(sent="GET /containers/p-engine-1/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
def test_docker_sees_nothing_but_requests_from_the_list(proxy: DockerProxy, docker: _Docker, sent: str) -> None:
    """Several requests on one connection, among them what two readers could take for different ones."""
    docker.seen.clear()
    with proxy.connect() as connection:
        connection.settimeout(0.03)
        with contextlib.suppress(TimeoutError, ConnectionError):
            connection.sendall(sent.encode("utf-8", "surrogatepass"))
            while connection.recv(65536):
                pass
    for received in list(docker.seen):
        assert ALLOWED.fullmatch(received.decode("latin-1")), received


EVENTS_SINCE_17 = b"GET /v1.41/events?since=17&filters="


def test_what_is_on_the_list_is_seen_by_docker(proxy: DockerProxy, docker: _Docker) -> None:
    """So that the test above is one."""
    docker.seen.clear()
    for line in (
        "GET /v1.41/version",
        "GET /containers/json?all=1&filters=%7B%7D",
        "GET /v1.41/events?filters=x&since=17",
        "GET /containers/p-d.b-22/json",
        "GET /containers/else.where/logs?stdout=1&stderr=1&tail=5",
        "GET /v1.41/containers/p-engine-1/stats?stream=0&one-shot=1",
        "POST /containers/p-engine-1/stop?t=10",
    ):
        method, target = line.split(" ")
        assert proxy.ask(method, target)[0] == 200, line
    moment = threading.Event()  # what was sent before may come last
    while len(docker.seen) < 7 or not any(line.startswith(EVENTS_SINCE_17) for line in docker.seen):
        moment.wait(0.01)
    assert [line for line in docker.seen if not ALLOWED.fullmatch(line.decode())] == []
