"""nginx/docker-proxy in front of the real Docker: what passes, of whom, and what is said of the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from gateway.config.schema import EngineSpec
from gateway.errors import EngineMissing, RuntimeUnavailable, StartRefused
from gateway.runtimes.base import NotRunning, Running
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_events import EVENTS
from gateway.runtimes.docker_host import DockerHost
from tests.contract.rigs import Watch, accepts, is_not_running, until
from tests.e2e.docker_place import START, Place, engine_name
from tests.fixtures.docker_proxy import DockerProxy, message_of

pytestmark = [pytest.mark.docker, pytest.mark.nginx]

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

    async def has_logged() -> bool:
        return "log line 2" in await runtime.logs(100)

    await until(has_logged)
    usage = await runtime.usage()
    assert usage is not None
    assert 2**20 < usage.memory < 2**30
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
    method, target = request_line.split()
    assert proxy.ask(method, target)[0] == 200


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
    assert proxy.ask("GET", f"{container}/stats?stream=0&one-shot=1")[0] == 200


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


def runtime_through(proxy: DockerProxy, **target: str) -> DockerRuntime:
    spec = EngineSpec.model_validate({"hosts": ["x.test"], "docker": target, "port": 8000, "stop_timeout": 2})
    return DockerRuntime(DockerHost(environment=proxy.environment), "engine", spec)
