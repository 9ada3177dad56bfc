"""Docker that is not there, does not answer, talks nonsense, or goes away and comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import RuntimeUnavailable
from gateway.runtimes import docker_host
from gateway.runtimes.base import NotRunning, Observation, Running
from gateway.runtimes.docker import DockerRuntime
from gateway.runtimes.docker_host import DockerHost
from tests.contract.rigs import DockerRig, Watch, docker, is_not_running
from tests.contract.unix_proxy import UnixProxy
from tests.fixtures.patience import LONG_PATIENCE, PATIENCE

pytestmark = [
    pytest.mark.anyio,
    # The SDK does not close the socket of a connection that fails; Python does, and says so.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("garbage_of_ones_own"),
]


def is_running(seen: Observation) -> bool:
    return isinstance(seen, Running)


async def every_call_says(runtime: DockerRuntime, words: str) -> None:
    for call in (runtime.start, runtime.stop, runtime.inspect, runtime.answers, lambda: runtime.logs(5)):
        with pytest.raises(RuntimeUnavailable, match=words):
            await call()


@pytest.fixture
async def lone_rig() -> AsyncIterator[DockerRig]:
    """Without a Docker behind it."""
    rig = DockerRig()
    yield rig
    await rig.close()


def at(rig: DockerRig, socket: Path, answer_seconds: int = 30) -> DockerRuntime:
    host = DockerHost(environment={"DOCKER_HOST": f"unix://{socket}"}, answer_seconds=answer_seconds)
    return rig.docker_runtime({"container": rig.container}, host=host)


async def test_no_socket_is_trouble_at_the_call_and_not_before(lone_rig: DockerRig, tmp_path: Path) -> None:
    runtime = at(lone_rig, tmp_path / "nothing.sock")
    await every_call_says(runtime, "there is no socket where DOCKER_HOST says")


async def test_a_socket_without_a_listener_is_told_apart(lone_rig: DockerRig, tmp_path: Path) -> None:
    server = await asyncio.start_unix_server(lambda _r, _w: None, tmp_path / "left.sock")
    server.close()
    await every_call_says(at(lone_rig, tmp_path / "left.sock"), "nobody listens where DOCKER_HOST says")


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x01\x02 not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{",
        b"",
    ],
    ids=["not-http", "not-json", "not-an-object", "a-proxys-503", "cut-short", "closed-at-once"],
)
async def test_nonsense_is_no_answer(lone_rig: DockerRig, tmp_path: Path, answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(talk, tmp_path / "odd.sock"):
        await every_call_says(at(lone_rig, tmp_path / "odd.sock"), "is run by Docker, which cannot be asked")


async def test_a_daemon_that_never_answers_is_given_up_in_time(lone_rig: DockerRig, tmp_path: Path) -> None:
    """And several engines do not queue up behind each other for it: all have asked before the first is given up."""
    asked = given_up = asked_before = 0

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked, given_up, asked_before
        asked += 1
        if not given_up:
            asked_before = asked
        await reader.read()
        given_up += 1
        writer.close()

    async with await asyncio.start_unix_server(listen, tmp_path / "mute.sock"):
        host = DockerHost(environment={"DOCKER_HOST": f"unix://{tmp_path}/mute.sock"}, answer_seconds=3)
        runtimes = [lone_rig.docker_runtime({"container": f"c{n}"}, host=host, name=f"e{n}") for n in range(5)]
        results = await asyncio.gather(*(runtime.inspect() for runtime in runtimes), return_exceptions=True)
        assert asked_before == len(runtimes)
        assert {str(result) for result in results} == {
            "is run by Docker, which cannot be asked: it did not answer in time"
        }


async def test_watching_without_docker_yields_once_and_then_waits(lone_rig: DockerRig, tmp_path: Path) -> None:
    hints = at(lone_rig, tmp_path / "nothing.sock").watch()
    await anext(hints)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await anext(hints)


async def test_the_last_engine_that_closes_ends_the_event_stream(lone_rig: DockerRig, tmp_path: Path) -> None:
    host = DockerHost(environment={"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock"})
    one, two = (DockerRuntime(host, name, lone_rig.spec({"container": name})) for name in ("one", "two"))
    await anext(one.watch())
    await one.aclose()
    assert not host.closed, "one engine still uses it"
    await two.aclose()
    assert repr(host).endswith("closed>")
    assert "docker-events" not in {thread.name for thread in threading.enumerate()}


# with a real Docker behind a socket that can be cut


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[UnixProxy]:
    proxy = UnixProxy(tmp_path / "proxied.sock")
    yield proxy
    await proxy.close()


def through(rig: DockerRig, proxy: UnixProxy) -> DockerRuntime:
    return rig.docker_runtime({"container": rig.container}, host=DockerHost(environment=proxy.environment))


def impatient(proxy: UnixProxy) -> DockerHost:
    """Gives up a call after a second, too: the pooled connections are stranded like the stream."""
    return DockerHost(environment=proxy.environment, answer_seconds=1)


@pytest.mark.docker
async def test_docker_that_comes_later_is_noticed(docker_rig: DockerRig, proxy: UnixProxy) -> None:
    await docker_rig.prepare()
    runtime = through(docker_rig, proxy)
    hints = runtime.watch()
    await anext(hints)
    with pytest.raises(RuntimeUnavailable):
        await runtime.inspect()
    await proxy.open()
    async with asyncio.timeout(PATIENCE):
        await anext(hints)
    assert await runtime.inspect() == NotRunning("was never started")


@pytest.mark.docker
@pytest.mark.parametrize("trouble", ["cut", "restart"])
async def test_what_happens_while_the_event_stream_is_down_is_found_out(
    docker_rig: DockerRig, proxy: UnixProxy, trouble: str
) -> None:
    await docker_rig.prepare()
    await proxy.open()
    runtime = through(docker_rig, proxy)
    await runtime.start()
    watch = Watch(runtime)
    await watch.until(is_running)
    await watch.hint()  # the stream is open
    if trouble == "restart":
        await proxy.close()
        with pytest.raises(RuntimeUnavailable):
            await runtime.inspect()
        await docker("kill", docker_rig.container)
        await asyncio.sleep(0.5)
        await proxy.open()
    else:
        proxy.cut()
        await docker("kill", docker_rig.container)
    await watch.until(is_not_running)
    assert (await runtime.start()).age < 60
    await watch.until(is_running)


@pytest.mark.docker
async def test_an_event_stream_that_has_gone_dumb_is_found_out_by_its_silence(
    docker_rig: DockerRig, proxy: UnixProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_host, "SILENCE_SECONDS", 1)
    await docker_rig.prepare()
    await proxy.open()
    watch = Watch(docker_rig.docker_runtime({"container": docker_rig.container}, host=impatient(proxy)))
    await watch.until(is_not_running)
    await watch.hint()
    proxy.strand()
    await docker_rig.start_by_hand()
    await watch.until(is_running)


@pytest.mark.docker
async def test_a_silent_stream_is_opened_anew_and_everybody_looks_again(
    docker_rig: DockerRig, proxy: UnixProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_host, "SILENCE_SECONDS", 0.3)  # a busy Docker's stream is not silent for much longer
    await proxy.open()
    hints = through(docker_rig, proxy).watch()
    async with asyncio.timeout(LONG_PATIENCE):
        for _ in range(4):
            await anext(hints)
    assert proxy.connections >= 3


@pytest.mark.docker
async def test_one_engines_events_are_not_anothers(docker_rig: DockerRig) -> None:
    """Hints are for the engines concerned: with many containers about, the others need not look."""
    other = docker_rig.also("other")
    await docker_rig.prepare()
    await docker_rig.create(other)
    host = DockerHost()
    mine = docker_rig.docker_runtime({"container": docker_rig.container}, host=host, name="mine")
    theirs = docker_rig.docker_runtime({"container": other}, host=host, name="theirs")
    watch = Watch(mine)
    await watch.hint()
    await watch.hint()  # the stream is open
    await _count_rings(mine, until_quiet=1)  # and has told what was before
    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(_count_rings(mine, until_quiet=3))
        await theirs.start()
        await theirs.stop()
    assert counting.result() == 1  # the one at the beginning


async def _count_rings(runtime: DockerRuntime, until_quiet: float) -> int:
    rings, hints = 0, runtime.watch()
    try:
        while True:
            async with asyncio.timeout(until_quiet):
                await anext(hints)
            rings += 1
    except TimeoutError:
        return rings
