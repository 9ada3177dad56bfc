"""Health checks, metrics and pages that seldom change neither wake an engine nor keep it awake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from gateway.config import Config
from gateway.errors import StartRefused
from gateway.lifecycle.events import SleepAsked
from gateway.lifecycle.phases import Phase
from tests.fixtures.scripted_engine import Visit
from tests.inprocess.staging import Stage, staged

DOCS = b"<h1>docs</h1>"
ANSWERS = {
    "/docs": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-It: 1\r\nContent-Length: 13\r\n\r\n" + DOCS,
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "/v1/models": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"data":[]}',
    "/cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok",
    "/private": b"HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 2\r\n\r\nok",
    "/packed": b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok",
    "/varies": b"HTTP/1.1 200 OK\r\nVary: Origin, Cookie\r\nContent-Length: 2\r\n\r\nok",
    "/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    "/huge": b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n" + b"x" * 1048577,
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal",
}
PATHS = (*ANSWERS, "/health", "/readyz", "/metrics")


def script(visit: Visit) -> None:
    while head := visit.head():
        method, target, _ = head.decode().split("\r\n")[0].split(" ")
        answer = ANSWERS.get(target.partition("?")[0], b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        visit.say(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else answer)
        if target == "/cut":
            return


@contextmanager
def stage_of(**settings: Any) -> Iterator[tuple[Stage, httpx.Client]]:
    with staged(script, quiet_paths=PATHS, **settings) as stage, stage.gateway.client() as client:
        yield stage, client


def wake(stage: Stage, client: httpx.Client) -> None:
    assert client.get("/other").status_code == 200
    stage.gateway.until(stage.gateway.is_free)


def put_to_sleep(stage: Stage) -> None:
    stage.gateway.until(stage.gateway.is_free)
    stage.gateway.on_loop(lambda: stage.gateway.engine().tell(SleepAsked()))
    stage.gateway.reaches(Phase.ASLEEP)


@pytest.mark.parametrize("path", ["/health", "/readyz", "/health?x=1"])
def test_the_health_of_a_sleeping_engine_is_told_by_the_gateway(path: str) -> None:
    with stage_of() as (stage, client):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "asleep"})
        assert (answer.headers["x-engine-phase"], answer.headers["cache-control"]) == ("asleep", "no-store")
        assert "x-request-id" in answer.headers
        assert client.head(path).content == b""
        assert stage.gateway.runtimes["whisper"].starts == 0


def test_of_a_waking_engine_likewise() -> None:
    with stage_of() as (stage, client):
        gate = stage.gateway.runtimes["whisper"].start_gate
        stage.gateway.on_loop(gate.clear)
        stage.raw.get("/other")
        stage.gateway.reaches(Phase.WAKING)
        assert client.get("/health").json() == {"status": "waking"}
        stage.gateway.on_loop(gate.set)
        assert stage.raw.answer().status == 200


@pytest.mark.usefixtures("long_rest")
def test_of_a_failed_engine_it_is_503_without_what_only_operators_may_know() -> None:
    with stage_of() as (stage, client):
        runtime = stage.gateway.runtimes["whisper"]
        stage.gateway.on_loop(lambda: runtime.fail_next_start(StartRefused("is in /secret")))
        assert client.get("/other").status_code == 503
        answer = client.get("/health")
        assert (answer.status_code, answer.json()) == (503, {"status": "failed"})
        assert answer.headers["x-engine-phase"] == "failed"


def test_a_sleeping_engine_has_no_metrics() -> None:
    with stage_of() as (stage, client):
        answer = client.get("/metrics")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/plain")
        assert stage.gateway.runtimes["whisper"].starts == 0


def test_an_engine_that_is_ready_answers_by_itself() -> None:
    with stage_of() as (stage, client):
        wake(stage, client)
        answer = client.get("/metrics")
        assert (answer.content, "x-engine-phase" in answer.headers) == (b"ok", False)


def test_they_do_not_keep_it_awake() -> None:
    with stage_of(idle_after="400ms") as (stage, client):
        assert client.get("/docs").content == DOCS, "nothing is remembered yet: it wakes the engine"
        while stage.gateway.engine().phase is Phase.READY:
            assert client.get("/docs").status_code == 200
        stage.gateway.reaches(Phase.ASLEEP)
        assert stage.gateway.runtimes["whisper"].starts == 1


@pytest.mark.parametrize("path", ["/docs", "/v1/models", "/chunked"])
def test_the_last_good_answer_is_told_while_it_sleeps(path: str) -> None:
    with stage_of() as (stage, client):
        wake(stage, client)
        seen = client.get(path)
        put_to_sleep(stage)
        for _ in range(2):
            told = client.get(path)
            assert (told.status_code, told.content) == (200, seen.content)
            assert told.headers["x-engine-phase"] == "asleep"
            assert told.headers.get("content-type") == seen.headers.get("content-type")
            assert told.headers["x-request-id"] != seen.headers["x-request-id"]
        head = client.head(path)
        assert (head.content, head.headers["content-length"]) == (b"", str(len(seen.content)))
        assert stage.gateway.runtimes["whisper"].starts == 1


def test_without_a_good_answer_the_request_is_an_ordinary_one() -> None:
    with stage_of() as (stage, client):
        assert client.get("/docs").content == DOCS
        assert stage.gateway.runtimes["whisper"].starts == 1
        put_to_sleep(stage)
        assert client.get("/docs").headers["x-engine-phase"] == "asleep", "what woke it is remembered as well"


@pytest.mark.parametrize("path", ["/cookie", "/private", "/packed", "/varies", "/missing", "/huge", "/docs?page=2"])
def test_what_is_not_for_everybody_is_not_remembered(path: str) -> None:
    with stage_of() as (stage, client):
        wake(stage, client)
        client.get(path, headers={"accept-encoding": "identity"}) if path != "/packed" else stage.raw.get(path).answer()
        put_to_sleep(stage)
        stage.raw.get(path).answer()
        assert stage.gateway.runtimes["whisper"].starts == 2


def test_half_an_answer_is_not_remembered() -> None:
    with stage_of() as (stage, client):
        wake(stage, client)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/cut")
        put_to_sleep(stage)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/cut")
        assert stage.gateway.runtimes["whisper"].starts == 2


@pytest.mark.parametrize("settings", [{"forward_authorization": True}, {}])
def test_what_was_told_to_somebody_known_to_the_engine_is_not_remembered(settings: dict[str, bool]) -> None:
    with stage_of(**settings) as (stage, client):
        wake(stage, client)
        client.get("/docs", headers={} if settings else {"cookie": "session=1"})
        put_to_sleep(stage)
        client.get("/docs")
        assert stage.gateway.runtimes["whisper"].starts == 2


@pytest.mark.parametrize(
    "line", ["POST /health HTTP/1.1", "GET /health/ HTTP/1.1", "GET /%68ealth HTTP/1.1", "DELETE /docs HTTP/1.1"]
)
def test_anything_else_wakes_it(line: str) -> None:
    with stage_of() as (stage, _):
        stage.raw.send(f"{line}\r\nHost: whisper.test\r\n\r\n")
        assert stage.raw.answer().status == 200
        assert stage.gateway.runtimes["whisper"].starts == 1


def test_a_page_of_another_origin_can_read_what_the_gateway_tells() -> None:
    with stage_of(cors=["https://page.test"]) as (stage, client):
        wake(stage, client)
        client.get("/docs", headers={"origin": "https://page.test"})
        put_to_sleep(stage)
        assert "access-control-allow-origin" not in client.get("/docs").headers
        for path in ("/docs", "/health"):
            answer = client.get(path, headers={"origin": "https://page.test"})
            assert answer.headers.get_list("access-control-allow-origin") == ["https://page.test"]


def test_an_engine_that_has_died_unnoticed_is_answered_for() -> None:
    """A quiet request finds it out, and still wakes nothing."""
    with stage_of() as (stage, client):
        wake(stage, client)
        runtime = stage.gateway.runtimes["whisper"]
        stage.gateway.on_loop(runtime.crash)
        stage.gateway.reaches(Phase.ASLEEP)
        assert json.loads(client.get("/health").content)["status"] == "asleep"
        assert runtime.starts == 1


@pytest.mark.parametrize("path", ["/v1/models", "/docs"])
def test_a_page_that_is_the_ready_path_too_is_still_a_page(path: str) -> None:
    """Who asks for the models of an engine without a /health of its own wants to read them."""
    with stage_of(ready={"path": path}) as (stage, client):
        assert client.get(path).content in (DOCS, b'{"data":[]}')
        put_to_sleep(stage)
        told = client.get(path)
        assert told.content in (DOCS, b'{"data":[]}')
        assert told.headers["x-engine-phase"] == "asleep"


def test_what_was_told_before_the_engine_was_set_up_otherwise_is_forgotten() -> None:
    """It may ask who comes from now on."""
    with stage_of() as (stage, client):
        wake(stage, client)
        client.get("/docs")
        data = stage.gateway.app.config.model_dump(exclude_unset=True)
        data["engines"]["whisper"]["forward_authorization"] = True
        stage.gateway.on_loop(lambda: stage.gateway.app.apply(Config.model_validate(data)))
        put_to_sleep(stage)
        assert client.get("/docs").content == DOCS
        assert stage.gateway.runtimes["whisper"].starts == 2
