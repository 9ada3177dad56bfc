"""nginx/docker-proxy between a client that would like to own the host and the real Docker: what passes, what not."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import docker
import pytest
from docker.models.containers import Container

from gateway.config.schema import EngineSpec
from gateway.errors import EngineMissing, RuntimeUnavailable, StartRefused
from gateway.runtimes.base import NotRunning, Running
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_events import EVENTS
from gateway.runtimes.docker_host import DockerHost
from tests.contract.rigs import Watch, accepts, is_not_running, until
from tests.fixtures.docker import STANDIN_IMAGE
from tests.fixtures.docker_proxy import PATIENCE, DockerProxy, message_of

pytestmark = [pytest.mark.docker, pytest.mark.nginx]

ROOT_OF_THE_HOST = {"Image": STANDIN_IMAGE, "HostConfig": {"Binds": ["/:/host"], "Privileged": True}}


class Place:
    """A compose project with an engine, its dependency and something that is none of the gateway's business."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.project = f"wg-test-{uuid.uuid4().hex[:8]}"
        self.made: list[Container] = []
        self.engine = self.create("engine", f"{self.project}-engine-1", LOG_LINES="3")
        self.other = self.create("portal", f"{self.project}-portal-1")

    def create(self, service: str, name: str, *, depends_on: str = "", project: str = "", **settings: Any) -> Container:
        """As compose does it. settings: the stand-in's, or in lower case Docker's."""
        labels = {
            "com.docker.compose.project": project or self.project,
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": "1",
            "com.docker.compose.depends_on": depends_on,
        }
        environment = {key: value for key, value in settings.items() if key.isupper()}
        more = {key: value for key, value in settings.items() if not key.isupper()}
        container = self.client.containers.create(
            STANDIN_IMAGE, name=name, labels=labels, environment=environment, init=True, **more
        )
        self.made.append(container)
        return container

    def status(self, container: Container) -> str:
        container.reload()
        return container.status


@pytest.fixture(scope="module")
def place(standin_image: str) -> Iterator[Place]:
    client = docker.from_env()
    made = Place(client)
    yield made
    for container in made.made:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True)
    client.close()


@pytest.fixture(scope="module")
def proxy(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerProxy]:
    folder = tmp_path_factory.mktemp("docker-proxy")
    with DockerProxy(folder, COMPOSE_PROJECT_NAME=place.project, ENGINES="engine|db") as running:
        yield running


def engine_name(place: Place) -> str:
    return str(place.engine.name)


# what passes


@pytest.mark.anyio
async def test_an_engines_whole_life_passes(place: Place, proxy: DockerProxy) -> None:
    """Start, address, log, pause, crash and stop; each of them noticed by its event."""
    runtime = runtime_through(proxy, project=place.project, service="engine")
    assert await runtime.inspect() == NotRunning("was never started")
    watch = Watch(runtime)
    running = await runtime.start()
    await until(lambda: accepts(running.address))
    await watch.until(lambda seen: isinstance(seen, Running))
    assert "log line 2" in await runtime.logs(100)
    place.engine.pause()
    await watch.until(lambda seen: seen == NotRunning("is paused"))
    assert (await runtime.start()).instance == running.instance
    place.engine.kill()
    await watch.until(lambda seen: isinstance(seen, NotRunning) and seen.exit_code == 137)
    await runtime.start()
    await runtime.stop()
    await watch.until(is_not_running)
    await runtime.aclose()


@pytest.mark.anyio
async def test_a_dependency_named_among_the_engines_starts_and_stops_with_its_engine(
    place: Place, proxy: DockerProxy
) -> None:
    """In whose network the engine may be: Docker tells its id there, by which nothing can be asked."""
    db = place.create("db", f"{place.project}-db-1", PORT="9000")
    place.create(
        "engine",
        f"{place.project}-engine-7",
        network_mode=f"container:{db.name}",
        depends_on="db:service_started:false",
    )
    place.engine.remove(force=True)
    try:
        runtime = runtime_through(proxy, project=place.project, service="engine")
        running = await runtime.start()
        await until(lambda: accepts(running.address))
        await runtime.stop()
        assert place.status(db) == "exited"
        await runtime.aclose()
    finally:
        place.made.pop().remove(force=True)
        place.engine = place.create("engine", f"{place.project}-engine-1", LOG_LINES="3")


@pytest.mark.parametrize(
    "request_line", ["GET /_ping", "HEAD /_ping", "GET /v1.24/_ping", "GET /version", "GET /v1.41/version"]
)
def test_which_docker_this_is_may_be_known(proxy: DockerProxy, request_line: str) -> None:
    assert proxy.ask(*request_line.split())[0] == 200


def test_a_whole_life_passes_for_an_engine(place: Place, proxy: DockerProxy) -> None:
    container = f"/v1.41/containers/{engine_name(place)}"
    for verb in (
        "start",
        "pause",
        "unpause",
        "stop?t=1",
        "start",
        "kill?signal=KILL",
        "start",
        "stop",
        "start",
        "kill",
    ):
        assert proxy.ask("POST", f"{container}/{verb}")[0] == 204, verb
    assert proxy.ask("GET", f"{container}/json")[0] == 200
    assert proxy.ask("GET", f"{container}/logs?stdout=1&stderr=1&tail=5")[0] == 200


def test_a_container_outside_of_the_project_is_allowed_by_its_exact_name(place: Place, tmp_path: Path) -> None:
    name = f"{place.project}.elsewhere"
    place.create("x", name)
    neighbour = place.create("x", name.replace(".", "-"))
    with DockerProxy(tmp_path, ENGINE_CONTAINERS=f"{name}|other") as proxy:
        assert proxy.ask("GET", f"/containers/{name}/json")[0] == 200
        assert proxy.ask("GET", f"/containers/{neighbour.name}/json")[0] == 403, "a dot is a dot"
        listed = json.loads(proxy.ask("GET", "/containers/json")[1])
        assert [one["Names"] for one in listed] == [[f"/{name}"]]


@pytest.mark.anyio
async def test_a_service_of_the_same_name_in_another_project_is_not_mistaken_for_ours(
    place: Place, tmp_path: Path
) -> None:
    """The answer to a list holds all engines, whichever project was asked for."""
    theirs = place.create("engine", f"{place.project}x-engine-1", project=f"{place.project}x")
    settings = {"COMPOSE_PROJECT_NAME": place.project, "ENGINES": "lone", "ENGINE_CONTAINERS": str(theirs.name)}
    with DockerProxy(tmp_path, **settings) as proxy:
        assert len(json.loads(proxy.ask("GET", "/containers/json")[1])) == 1
        runtime = runtime_through(proxy, project=place.project, service="engine")
        with pytest.raises(EngineMissing):
            await runtime.start()
        await runtime.aclose()
    assert place.status(theirs) == "created"


def test_it_starts_again_on_what_a_killed_one_left(place: Place, tmp_path: Path) -> None:
    with DockerProxy(tmp_path, COMPOSE_PROJECT_NAME=place.project, ENGINES="engine") as proxy:
        proxy.kill()
        assert proxy.socket.exists()
        proxy.start()
        assert proxy.ask("GET", "/_ping")[0] == 200


# other containers


def test_other_containers_cannot_be_seen(place: Place, proxy: DockerProxy) -> None:
    """Whatever the client asks for; not even those of the same project that are no engines."""
    everything = "all=1&limit=0&size=0&filters=%7B%7D"
    for query in ("", "?", f"?{everything}", "?filters=%7B%22name%22%3A%5B%22.%22%5D%7D&filters=%7B%7D", "?all=0"):
        listed = json.loads(proxy.ask("GET", f"/v1.41/containers/json{query}")[1])
        names = {name for one in listed for name in one["Names"]}
        assert f"/{engine_name(place)}" in names
        assert all(name.startswith((f"/{place.project}-engine-", f"/{place.project}-db-")) for name in names), query


@pytest.mark.parametrize("what", ["json", "logs?stdout=1&stderr=1&tail=9", "start", "stop", "kill", "pause", "unpause"])
def test_other_containers_cannot_be_touched(place: Place, proxy: DockerProxy, what: str) -> None:
    method = "GET" if what.startswith(("json", "logs")) else "POST"
    for name in (
        str(place.other.name),  # of the same project
        str(place.other.id),
        str(place.engine.id),  # by its id an engine is a stranger, too
        str(place.engine.id)[:12],
        f"{engine_name(place)}0x",
        f"x{engine_name(place)}",
        f"{place.project}-engine-run-0a1b2c",
        f"{place.project}-engine-",
        f"{place.project}_engine_1",
        engine_name(place).upper(),
    ):
        status, body = proxy.ask(method, f"/v1.41/containers/{name}/{what}")
        assert status == 403, name
        assert "ENGINES" in message_of(body)
    assert place.status(place.other) == "created"


def test_events_of_other_containers_are_not_told(place: Place, proxy: DockerProxy) -> None:
    """And of engines only those that the gateway needs: others tell the commands that are run in them."""
    target = "/v1.41/events?since=0&filters=%7B%22type%22%3A%5B%22image%22%2C%22container%22%2C%22network%22%5D%7D"
    with proxy.connect() as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
        place.other.start()
        place.other.kill()
        place.engine.start()
        place.engine.exec_run("echo secret-of-the-operator")
        place.engine.kill()
        seen = b""
        while f'"name":"{engine_name(place)}"'.encode() not in seen or b'"Action":"die"' not in seen:
            seen += connection.recv(65536)
    assert str(place.other.name).encode() not in seen
    assert b"exec_" not in seen
    assert b"secret-of-the-operator" not in seen


def test_every_event_that_the_gateway_waits_for_is_told(tmp_path: Path) -> None:
    rendered = DockerProxy(tmp_path, COMPOSE_PROJECT_NAME="p", ENGINES="a").render().stdout
    (told,) = re.findall(r"/events\?\$\{since\}filters=(\S+);", rendered)
    filters = json.loads(unquote(told))
    assert filters["type"] == ["container"]
    assert filters["container"] == ["p-a-"]
    assert set(EVENTS) <= set(filters["event"])
    assert not [name for name in filters["event"] if name.startswith(("exec", "attach"))]


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
    target = version + target.format(engine=engine_name(place), image=STANDIN_IMAGE)
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


START = "/containers/{engine}/start"


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
    create = b"POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 2\r\n\r\n{}"
    request = f"POST {START.format(engine=engine_name(place))} HTTP/1.1\r\nHost: docker\r\n{head}\r\n\r\n".encode()
    place.engine.reload()
    before = place.engine.attrs["State"]["StartedAt"], len(place.client.containers.list(all=True))
    with proxy.connect() as connection:
        connection.sendall(request + b"0\r\n\r\n" + create)
        answers = until_quiet(connection)
    assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"HTTP/1.1 501 "))
    assert b"HTTP/1.1 2" not in answers
    place.engine.reload()
    assert before == (place.engine.attrs["State"]["StartedAt"], len(place.client.containers.list(all=True)))


def test_no_header_of_the_clients_passes(place: Place, tmp_path: Path) -> None:
    """Seen from behind, by a Docker of our own."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen()
        listener.settimeout(PATIENCE)
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
        answers = until_quiet(connection)
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


# refusals are told


def test_what_is_refused_is_logged_and_nothing_else(place: Place, proxy: DockerProxy) -> None:
    evil = f"/v1.41/containers/create?name={place.project}-evil"
    proxy.ask("GET", "/v1.99/version")
    proxy.ask("POST", evil)
    start = START.format(engine=engine_name(place))
    proxy.ask("POST", start, b'{"Binds": ["/:/host"]}')
    for line in (f"POST {evil} HTTP/1.1", f"POST {start} HTTP/1.1"):
        told = proxy.refusals(line)[0]
        assert (told["event"], told["status"]) == ("docker_proxy.refused", 403)
    assert "/v1.99/version" not in proxy.log.read_text(errors="replace")


@pytest.mark.anyio
async def test_the_gateway_tells_who_refused_it(place: Place, proxy: DockerProxy) -> None:
    runtime = runtime_through(proxy, container=str(place.other.name))
    with pytest.raises(StartRefused, match=r"was refused by Docker: the docker-proxy allows .* named in ENGINES"):
        await runtime.start()
    await runtime.aclose()


@pytest.mark.anyio
async def test_an_engine_that_is_not_there_is_missing_and_not_refused(place: Place, proxy: DockerProxy) -> None:
    runtime = runtime_through(proxy, container=f"{place.project}-engine-42")
    with pytest.raises(EngineMissing):
        await runtime.start()
    await runtime.aclose()


@pytest.mark.anyio
async def test_without_docker_behind_it_nobody_can_tell(place: Place, tmp_path: Path) -> None:
    settings = {"COMPOSE_PROJECT_NAME": place.project, "ENGINES": "engine", "DOCKER_SOCKET": str(tmp_path / "nothing")}
    with DockerProxy(tmp_path, **settings) as proxy:
        status, body = proxy.ask("GET", "/version")
        assert (status, message_of(body)) == (502, "Docker does not answer behind the docker-proxy; is it running?")
        runtime = runtime_through(proxy, container=engine_name(place))
        with pytest.raises(RuntimeUnavailable):
            await runtime.inspect()
        await runtime.aclose()


# settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ENGINES": ""}, "says which containers are engines"),
        ({"ENGINES": "a|b", "COMPOSE_PROJECT_NAME": ""}, "COMPOSE_PROJECT_NAME"),
        ({"ENGINES": "a||b"}, "is no name"),
        ({"ENGINES": "|"}, "is no name"),
        ({"ENGINES": "-a"}, "is no name"),
        ({"ENGINES": ".*"}, "may be"),
        ({"ENGINES": "a)|(.*"}, "may be"),
        ({"ENGINES": "a b"}, "may be"),
        ({"ENGINES": 'a";}'}, "may be"),
        ({"ENGINES": "a\n"}, "may be"),
        ({"ENGINES": "a\nb"}, "may be"),
        ({"ENGINES": "${NAMES}"}, "may be"),
        ({"ENGINES": "a", "COMPOSE_PROJECT_NAME": ".*"}, "may be"),
        ({"ENGINES": "a", "COMPOSE_PROJECT_NAME": "x\n"}, "may be"),
        ({"ENGINES": "a", "ENGINE_CONTAINERS": "[a-z]+"}, "may be"),
        ({"ENGINES": "a", "ENGINE_CONTAINERS": "x|cafe"}, "another container's id"),
        ({"ENGINES": "a", "ENGINE_CONTAINERS": "0"}, "another container's id"),
        ({"ENGINES": "a", "DOCKER_SOCKET": "/x; listen 80"}, "may be"),
        ({"ENGINES": "a", "DOCKER_SOCKET": "tcp://x"}, "absolute"),
    ],
)
def test_settings_that_could_mean_more_than_names_are_refused(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    done = DockerProxy(tmp_path, **{"COMPOSE_PROJECT_NAME": "p", **settings}).render()
    assert done.returncode != 0
    assert words in done.stderr
    assert "location" not in done.stdout


def until_quiet(connection: socket.socket) -> bytes:
    """All that comes until there is nothing for a while. Half a connection closed would call off what was asked."""
    connection.settimeout(0.3)
    seen = b""
    with contextlib.suppress(TimeoutError):
        while more := connection.recv(65536):
            seen += more
    return seen


def docker_socket() -> str:
    return os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock"


def runtime_through(proxy: DockerProxy, **target: str) -> DockerRuntime:
    spec = EngineSpec.model_validate({"hosts": ["x.test"], "docker": target, "port": 8000, "stop_timeout": 2})
    return DockerRuntime(DockerHost(environment=proxy.environment), "engine", spec)
