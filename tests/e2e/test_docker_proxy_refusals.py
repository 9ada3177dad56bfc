"""What the docker-proxy lets nobody do to the real Docker: all that is not on its list, however it is asked for."""

from __future__ import annotations

import contextlib
import json
import socket
from http.client import HTTPConnection
from pathlib import Path

import pytest
from docker.errors import NotFound

from tests.e2e.docker_place import START, Place, docker_socket, engine_name
from tests.fixtures.docker import STANDIN_IMAGE
from tests.fixtures.docker_proxy import DockerProxy, message_of
from tests.fixtures.patience import LONG_PATIENCE

pytestmark = [pytest.mark.docker, pytest.mark.nginx]

ROOT_OF_THE_HOST = {"Image": STANDIN_IMAGE, "HostConfig": {"Binds": ["/:/host"], "Privileged": True}}


# everything else that Docker can do

REFUSED = [
    ("POST", "/containers/create"),
    ("POST", "/containers/create?name={engine}"),
    ("POST", "/containers/prune"),
    ("GET", "/images/json"),
    ("POST", "/images/create?fromImage=alpine"),
    ("POST", "/images/load"),
    ("GET", "/images/get"),
    ("DELETE", "/images/{image}"),
    ("POST", "/build"),
    ("POST", "/build/prune"),
    ("POST", "/commit?container={engine}"),
    ("GET", "/volumes"),
    ("POST", "/volumes/create"),
    ("DELETE", "/volumes/x"),
    ("GET", "/networks"),
    ("POST", "/networks/create"),
    ("POST", "/networks/bridge/connect"),
    ("GET", "/info"),
    ("GET", "/system/df"),
    ("POST", "/auth"),
    ("GET", "/plugins"),
    ("POST", "/plugins/pull?remote=x"),
    ("POST", "/swarm/init"),
    ("GET", "/swarm"),
    ("GET", "/services"),
    ("POST", "/services/create"),
    ("GET", "/nodes"),
    ("GET", "/tasks"),
    ("GET", "/secrets"),
    ("GET", "/configs"),
    ("POST", "/session"),
    ("POST", "/grpc"),
    ("GET", "/distribution/alpine/json"),
    ("GET", "/debug/pprof/"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/v1.41"),
    ("GET", "/v4.0.0/libpod/info"),
    ("POST", "/exec/abc/start"),
    ("POST", "/containers/{engine}/exec"),
    ("POST", "/containers/{engine}/attach?stream=1&stdin=1"),
    ("GET", "/containers/{engine}/attach/ws"),
    ("GET", "/containers/{engine}/archive?path=/"),
    ("PUT", "/containers/{engine}/archive?path=/"),
    ("HEAD", "/containers/{engine}/archive?path=/"),
    ("GET", "/containers/{engine}/export"),
    ("GET", "/containers/{engine}/top"),
    ("GET", "/containers/{engine}/changes"),
    ("GET", "/containers/{engine}/stats"),
    ("GET", "/containers/{engine}/stats?stream=1"),
    ("GET", "/containers/{engine}/stats?stream=0"),
    ("GET", "/containers/{engine}/stats?stream=0&one-shot=1&stream=1"),
    ("GET", "/containers/{engine}/stats?one-shot=1&stream=0"),
    ("GET", "/containers/{other}/stats?stream=0&one-shot=1"),
    ("POST", "/containers/{engine}/stats?stream=0&one-shot=1"),
    ("POST", "/containers/{engine}/update"),
    ("POST", "/containers/{engine}/rename?name=x"),
    ("POST", "/containers/{engine}/restart"),
    ("POST", "/containers/{engine}/resize?h=1&w=1"),
    ("POST", "/containers/{engine}/wait"),
    ("DELETE", "/containers/{engine}"),
    ("DELETE", "/containers/{engine}?force=1&v=1"),
]


@pytest.mark.parametrize("version", ["", "/v1.41"], ids=["plain", "versioned"])
@pytest.mark.parametrize(("method", "target"), REFUSED, ids=[f"{method} {target}" for method, target in REFUSED])
def test_nothing_else_that_docker_can_do_passes(
    place: Place, proxy: DockerProxy, method: str, target: str, version: str
) -> None:
    target = version + target.format(engine=engine_name(place), other=place.other.name, image=STANDIN_IMAGE)
    status, body = proxy.ask(method, target, json.dumps(ROOT_OF_THE_HOST).encode(), Content_Type="application/json")
    assert status == 403
    assert method == "HEAD" or "docker-proxy" in message_of(body)
    assert place.client.containers.list(filters={"label": f"made-by={place.project}"}) == []


ALLOWED_TARGETS = ["/containers/{engine}/json", "/containers/{engine}/start", "/containers/{engine}/logs?stdout=1"]


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "CONNECT", "get", "post", "BREW", "PROPFIND", "TRACE"]
)
@pytest.mark.parametrize("target", ALLOWED_TARGETS)
def test_no_other_verb_passes(place: Place, proxy: DockerProxy, method: str, target: str) -> None:
    assert proxy.ask(method, target.format(engine=engine_name(place)))[0] in (400, 403)


# tricks

TRICKS = [
    "//containers/{engine}/json",
    "/containers//{engine}/json",
    "/containers/{engine}//json",
    "/containers/{engine}/json/",
    "/containers/{engine}/./json",
    "/containers/{engine}/../{other}/json",
    "/containers/{other}/../{engine}/json",
    "/containers/{engine}/json/../../../info",
    "/containers/{engine}%2Fjson",
    "/containers/%2e%2e/info",
    "/containers/{engine}/..%2f{other}/json",
    "/containers/{engine}%00/json",
    "/containers/{engine}%0a/json",
    "/containers/{engine}%20/json",
    "/containers/{engine}%0d%0a%0d%0aGET%20/info/json",
    "/%63ontainers/{engine}/json",
    "/containers/{engine}/%6ason",
    "/containers/{engine}/json;x",
    "/containers/{engine};/json",
    "/containers/{engine}/json#",
    "/containers/{engine}/json?size=1",
    "/containers/{engine}/json?",
    "/containers/{engine}/logs?stdout=1&details=1",
    "/containers/{engine}/logs?stdout=1&follow=1",
    "/containers/{engine}/logs?stdout=1%26follow=1",
    "/containers/{engine}/logs?stdout=1;follow=1",
    "/containers/{engine}/logs",
    "/CONTAINERS/{engine}/json",
    "/containers/{other}/json?/containers/{engine}/json",
    "/containers/{other}/json#/containers/{engine}/json",
    "/containers/{other}/start?/containers/{engine}/json",
    "/images/json?/_ping",
    "/images/json?x=/containers/json",
    "/_ping/../info",
    "/_ping?x=1",
    "/version/..;/info",
    "/events/../info",
    "/eventsx",
    "/containers/jsonx",
    "/containers/json/../create",
    "/v1.23/containers/{engine}/json",
    "/v1.9/containers/{engine}/json",
    "/v1.1/_ping",
    "/v1/_ping",
    "/v2.0/_ping",
    "/v1.41/v1.41/_ping",
    "/v1.41//_ping",
    "/v1.041/_ping",
    "/v1.41x/_ping",
    "/v1.4१/_ping",
    "/v99.99/_ping",
    "\\containers\\{engine}\\json",
    "/containers/{engine}/json\\",
    "*",
    "http://docker/info",
    "http://docker/containers/{other}/json",
    "http://docker/containers/{engine}/../{other}/json",
    "unix:/containers/{engine}/json",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_spelling_of_a_path_gets_by(place: Place, proxy: DockerProxy, trick: str) -> None:
    target = trick.format(engine=engine_name(place), other=place.other.name)
    line = f"GET {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
    status, body = proxy.send(line.encode())
    assert status in (400, 403)
    assert place.project.encode() not in body


@pytest.mark.parametrize(
    "verb",
    [
        "start?detachKeys=ctrl-x",
        "start?checkpoint=x&checkpoint-dir=/etc",
        "stop?t=-1",
        "stop?t=1&signal=SIGUSR1",
        "stop?t=1%26x",
        "stop?t=99999999",
        "kill?signal=SIGKILL&x=1",
        "kill?signal=KILL%0a",
        "kill?signal=",
        "pause?x",
        "unpause/",
    ],
)
def test_no_query_passes_but_a_stops_seconds_and_a_kills_signal(place: Place, proxy: DockerProxy, verb: str) -> None:
    assert proxy.ask("POST", f"/containers/{engine_name(place)}/{verb}")[0] == 403


def test_events_take_nothing_from_the_client_but_where_they_begin(proxy: DockerProxy) -> None:
    """An `until` would end the stream at once; it goes on."""
    for since in ("0", "1%26until%3d1", "1&until=1", "x", "%7B%7D"):
        with proxy.connect() as connection:
            connection.sendall(f"GET /events?until=1&since={since} HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
            head = connection.recv(65536)
            assert head.startswith(b"HTTP/1.1 200 "), since
            assert b"\r\n0\r\n\r\n" not in head


@pytest.mark.parametrize("version", ["/v1.12", "/v1.22", "/v1.23"])
def test_an_old_api_in_which_a_start_brings_the_hosts_disk_along_does_not_pass(
    place: Place, proxy: DockerProxy, version: str
) -> None:
    """It is real: without the proxy this Docker does what such a start says."""
    victim = place.create("engine", f"{place.project}-engine-9")
    start = START.format(engine=victim.name)
    body = json.dumps({"Binds": ["/:/host"]}).encode()
    assert proxy.ask("POST", version + start, body, Content_Type="application/json")[0] == 403
    assert proxy.ask("POST", "/v1.24" + start, body, Content_Type="application/json")[0] == 403
    victim.reload()
    assert (victim.status, victim.attrs["HostConfig"]["Binds"]) == ("created", None)
    raw = HTTPConnection("docker")
    raw.sock = socket.socket(socket.AF_UNIX)
    raw.sock.connect(docker_socket())
    raw.request("POST", version + start, body, {"Content-Type": "application/json"})
    assert raw.getresponse().status == 204
    raw.close()
    victim.reload()
    assert victim.attrs["HostConfig"]["Binds"] == ["/:/host"]
    victim.remove(force=True)


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 20",
        "Transfer-Encoding: chunked",
        "Content-Length: 20\r\nTransfer-Encoding: chunked",
        "Content-Length: 0\r\nContent-Length: 20",
        "Content-Length: +20",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: xchunked",
    ],
)
def test_no_body_passes_nor_a_second_request_hidden_in_one(place: Place, proxy: DockerProxy, head: str) -> None:
    evil, body = f"{place.project}-evil", json.dumps({"Image": STANDIN_IMAGE})
    create = f"POST /containers/create?name={evil} HTTP/1.1\r\nHost: docker\r\n"
    create += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    request = f"POST {START.format(engine=engine_name(place))} HTTP/1.1\r\nHost: docker\r\n{head}\r\n\r\n".encode()
    place.engine.reload()
    before = place.engine.attrs["State"]["StartedAt"]
    with proxy.connect() as connection:
        connection.sendall(request + b"0\r\n\r\n" + create.encode())
        answers = until_quiet(connection)
    assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"HTTP/1.1 501 "))
    assert b"HTTP/1.1 2" not in answers
    place.engine.reload()
    assert before == place.engine.attrs["State"]["StartedAt"]
    with pytest.raises(NotFound):
        place.client.containers.get(evil)


def test_no_header_of_the_clients_passes(place: Place, tmp_path: Path) -> None:
    """Seen from behind, by a Docker of our own."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen()
        listener.settimeout(LONG_PATIENCE)
        settings = {"COMPOSE_PROJECT_NAME": place.project, "ENGINES": "engine"}
        with DockerProxy(tmp_path, DOCKER_SOCKET=str(tmp_path / "docker.sock"), **settings) as behind:
            client = behind.connect()
            client.sendall(
                f"POST {START.format(engine=engine_name(place))} HTTP/1.1\r\nHost: evil\r\nX-Registry-Auth: e30=\r\n"
                "Connection: Upgrade, Host\r\nContent-Type: application/json\r\nAuthorization: x\r\n\r\n".encode()
            )
            connection, _ = listener.accept()
            with connection, client:
                seen = connection.recv(65536).decode().splitlines()
    assert seen[0] == f"POST /containers/{engine_name(place)}/start HTTP/1.1"
    assert sorted(line.lower() for line in seen[1:] if line) == ["connection: close", "host: docker"]


@pytest.mark.parametrize("protocol", ["tcp", "h2c", "websocket"])
def test_nobody_takes_the_connection_over(place: Place, proxy: DockerProxy, protocol: str) -> None:
    for target in ("/_ping", f"/containers/{engine_name(place)}/logs?stdout=1", "/session", "/grpc"):
        assert proxy.ask("GET", target, Upgrade=protocol, Connection="Upgrade")[0] == 403


def test_a_refusal_ends_nothing_and_each_request_on_a_connection_is_judged_by_itself(
    place: Place, proxy: DockerProxy
) -> None:
    lines = ["GET /_ping", "GET /info", f"GET /containers/{place.other.name}/json", "GET /_ping"]
    requests = "".join(f"{line} HTTP/1.1\r\nHost: docker\r\n\r\n" for line in lines)
    with proxy.connect() as connection:
        connection.sendall(requests.encode())
        answers = until_quiet(connection, len(lines))
    statuses = [part.split()[0] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"403", b"403", b"200"]


def test_http_0_9_and_prior_knowledge_of_http_2_get_nothing(place: Place, proxy: DockerProxy) -> None:
    for opening in (
        b"GET /info\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    ):
        with proxy.connect() as connection:
            connection.sendall(opening)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert b"Containers" not in answer
            assert not answer.startswith(b"HTTP/1.1 2")


def until_quiet(connection: socket.socket, answers: int = 1) -> bytes:
    """At least so many answers, and what comes until there is nothing for a while.

    Half a connection closed would call off what was asked.
    """
    seen = b""
    with contextlib.suppress(TimeoutError):
        while more := connection.recv(65536):
            seen += more
            connection.settimeout(LONG_PATIENCE if seen.count(b"HTTP/1.1 ") < answers else 0.3)
    return seen
