"""The short way through a ready engine: who goes it, and how whoever cannot stay on it loses nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from gateway.lifecycle.events import SleepAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, WAKING
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import Incomplete, RawClient
from tests.fixtures.scripted_engine import ScriptedEngine, Visit, scripted_engine
from tests.inprocess.staging import OK

Answering = Callable[[Visit, "Held"], None]


@dataclass
class Held:
    """said: the engine may go on. seen: how the gateway left, where the engine waited for that."""

    said: threading.Event
    left: threading.Event


@dataclass(frozen=True)
class Stage:
    """A client whose request for /x is with the engine, on a connection that was kept from an earlier one."""

    gateway: Gateway
    engine: ScriptedEngine
    client: RawClient
    held: Held

    @property
    def tasks(self) -> int:
        return len(self.gateway._server.server_state.tasks)

    def speak(self) -> None:
        self.held.said.set()


@contextmanager
def waiting(
    answer: Answering, request: str = "GET", *, engine: Mapping[str, object] | None = None, **settings: object
) -> Iterator[Stage]:
    held = Held(threading.Event(), threading.Event())

    def script(visit: Visit) -> None:
        while head := visit.head():
            if b" /x " not in head:
                visit.say(OK)
                continue
            held.said.wait(PATIENCE)
            answer(visit, held)

    with (
        scripted_engine(script) as scripted,
        running_gateway({"whisper": Engine(scripted.port, **(engine or {}))}, **settings) as gateway,
        gateway.raw() as client,
    ):
        assert client.get("/first").answer().status == 200
        client.send(f"{request} /x HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 0\r\n\r\n")
        gateway.until(lambda: len(scripted.heads) == 2)
        try:
            yield Stage(gateway, scripted, client, held)
        finally:
            held.said.set()
            gateway.until(gateway.is_free)


def saying(answer: bytes) -> Answering:
    return lambda visit, _: visit.say(answer)


def closing(answer: bytes = b"") -> Answering:
    """Says this and ends the connection."""

    def say(visit: Visit, _: Held) -> None:
        visit.say(answer)
        visit.connection.close()

    return say


def seeing_the_end(visit: Visit, held: Held) -> None:
    if visit.until_closed():
        held.left.set()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"])
def test_a_request_that_may_be_repeated_needs_no_task(method: str) -> None:
    with waiting(saying(OK.replace(b"ok", b"") if method == "HEAD" else OK), method) as stage:
        assert stage.tasks == 0
        assert stage.gateway.engine().serving == 1
        stage.speak()
        answer = stage.client.answer(method)
        assert (answer.status, answer.get("content-length")) == (200, "2")
        assert answer.get("x-request-id")
        stage.gateway.until(stage.gateway.is_free)
        assert stage.tasks == 0


def test_any_other_goes_its_way_in_a_task_on_a_fresh_connection() -> None:
    with waiting(saying(OK), "POST") as stage:
        assert stage.tasks == 1
        stage.speak()
        assert stage.client.answer().body == b"ok"


PARTS = {
    "a head, then a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"body"),
    "half a head, then the rest": (b"HTTP/1.1 200 OK\r\nConte", b"nt-Length: 4\r\n\r\nbody"),
    "a body in halves": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo", b"dy"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n", b"2\r\ndy\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("case", PARTS)
def test_an_answer_in_parts_arrives_whole_and_as_it_comes(case: str) -> None:
    first, second = PARTS[case]
    more = threading.Event()

    def answer(visit: Visit, _: Held) -> None:
        visit.say(first)
        more.wait(PATIENCE)
        visit.say(second)

    with waiting(answer) as stage:
        stage.speak()
        if case != "half a head, then the rest":
            assert stage.client.head().status == 200
            stage.gateway.until(lambda: stage.tasks == 1)
        else:
            assert stage.client.quiet()
            assert stage.tasks == 0
        more.set()
        rest = stage.client.answer().body if case.startswith("half") else stage.client.take(4)
        if case == "chunks":
            rest += stage.client.take(len(b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n") - 4)
            rest = rest.replace(b"2\r\n", b"").replace(b"\r\n", b"").removesuffix(b"0")
        assert rest == b"body"
        assert stage.client.get("/after").answer().body == b"ok"


def test_hints_and_trailers_are_passed_on() -> None:
    said = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    said += b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
    with waiting(saying(said)) as stage:
        stage.speak()
        assert (stage.client.answer().status, answer := stage.client.answer()) == (103, answer)
        assert (answer.status, answer.body, answer.trailers) == (200, b"ok", [("x-sum", "7")])


def test_a_whole_chunked_answer_and_one_that_the_connections_end_ends() -> None:
    with waiting(saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")) as stage:
        stage.speak()
        assert stage.client.answer().body == b"ok"
    with waiting(closing(b"HTTP/1.1 200 OK\r\n\r\nok")) as stage:
        stage.speak()
        assert stage.client.answer().body == b"ok"


@pytest.mark.parametrize("request_line", ["GET /x HTTP/1.0\r\nConnection: keep-alive", "GET /x HTTP/1.0"])
def test_a_client_of_1_0_is_understood(request_line: str) -> None:
    with waiting(saying(OK)) as stage, stage.gateway.raw() as old:
        stage.speak()
        assert stage.client.answer().body == b"ok"
        old.send(f"{request_line}\r\nHost: whisper.test\r\n\r\n")
        answer = old.answer()
        kept = "keep-alive" in request_line
        assert (answer.body, answer.get("connection")) == (b"ok", "keep-alive" if kept else "close")
        assert kept or old.ended()


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset])
def test_a_client_that_leaves_takes_its_request_with_it(leave: Callable[[RawClient], None]) -> None:
    with waiting(seeing_the_end) as stage:
        stage.speak()
        leave(stage.client)
        assert stage.held.left.wait(PATIENCE)
        stage.gateway.until(stage.gateway.is_free)
        stage.gateway.until(lambda: bool(stage.gateway.events("request.ended")))
        (ended,) = stage.gateway.events("request.ended")
        assert (ended["error"], ended["path"], ended["engine"]) == ("client_gone", "/x", "whisper")


@pytest.mark.parametrize(
    ("said", "reason", "times"),
    [
        (b"HTTP/1.1 2", "closed the connection", 2),
        (b"nonsense\r\n\r\n", "not HTTP/1.1", 1),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "unasked", 1),
    ],
)
def test_an_engine_that_breaks_is_502(said: bytes, reason: str, times: int) -> None:
    """If it died it is asked once more."""
    with waiting(closing(said)) as stage:
        stage.speak()
        answer = stage.client.answer()
        assert answer.status == 502
        assert reason in answer.body.decode()
        assert [head.split(b" ")[1] for head in stage.engine.heads] == [b"/first"] + [b"/x"] * times


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_switch_that_nobody_asked_for_is_502_whatever_comes_with_it(method: str) -> None:
    """It is the engine's mistake; not ours, and no answer."""
    said = b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 7\r\n\r\n" + OK
    with waiting(saying(said), method) as stage:
        stage.speak()
        assert stage.client.answer(method).status == 502
        stage.gateway.until(lambda: bool(stage.gateway.events("request.failed")))
        assert "unasked" in stage.gateway.events("request.failed")[0]["reason"]


def test_an_answer_that_breaks_off_is_cut() -> None:
    with waiting(closing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")) as stage:
        stage.speak()
        with pytest.raises(Incomplete):
            stage.client.answer()


def test_a_kept_connection_that_had_ended_is_no_reason_to_fail() -> None:
    with waiting(closing()) as stage:
        stage.engine.script = lambda visit: visit.say(OK) if visit.head() else None
        stage.speak()
        assert stage.client.answer().body == b"ok"
        assert [head.split(b" ")[1] for head in stage.engine.heads] == [b"/first", b"/x", b"/x"]


@pytest.mark.usefixtures("long_rest")
def test_a_request_that_is_repeated_has_one_lease_only() -> None:
    """With two it would hold the engine that it waits for: one that cannot be woken must become FAILED at once."""
    starting = {"start_timeout": "2s"}
    with waiting(closing(), engine=starting) as stage:
        runtime = stage.gateway.runtimes["whisper"]

        def lose_it_for_good() -> None:
            runtime.start_gate.clear()
            runtime.crash()

        stage.gateway.on_loop(lose_it_for_good)
        stage.gateway.reaches(ASLEEP)
        engine = stage.gateway.engine()

        async def when_it_wakes() -> tuple[int, int]:
            await engine.wait_for(WAKING)
            return engine.serving, engine.waiting

        looking = asyncio.run_coroutine_threadsafe(when_it_wakes(), stage.gateway.loop)
        stage.speak()
        assert looking.result(PATIENCE) == (0, 1)
        assert stage.client.answer().status == 504
        assert stage.gateway.engine().phase is FAILED
        stage.gateway.on_loop(runtime.start_gate.set)


def test_a_sleep_by_force_cuts_it_off_and_is_not_undone_by_it() -> None:
    with waiting(closing()) as stage:
        runtime = stage.gateway.runtimes["whisper"]
        runtime.on_stop = stage.speak
        stage.gateway.on_loop(lambda: stage.gateway.engine().tell(SleepAsked(force=True)))
        assert stage.client.answer().status == 503
        stage.gateway.reaches(ASLEEP)
        assert runtime.starts == 1
        assert [head.split(b" ")[1] for head in stage.engine.heads] == [b"/first", b"/x"]


def test_an_answer_that_does_not_begin_in_time_is_504() -> None:
    script = threading.Event()
    with (
        scripted_engine(lambda visit: _first_only(visit, script)) as engine,
        running_gateway({"whisper": Engine(engine.port, answer_timeout="4s")}) as gateway,
        gateway.raw() as client,
    ):
        for _ in range(3):  # one timer serves them all
            assert client.get("/first").answer().status == 200
        answer = client.get("/x").answer()
        assert (answer.status, b"engine_answer_timeout" in answer.body) == (504, True)
        assert len(engine.heads) == 4
        script.set()


def _first_only(visit: Visit, over: threading.Event) -> None:
    while b"/first" in visit.head():
        visit.say(OK)
    over.wait(PATIENCE)


def test_a_gateway_that_stops_lets_it_finish() -> None:
    with waiting(saying(OK), drain_timeout="10m") as stage:
        stage.gateway.stop()
        stage.gateway.until(lambda: stage.tasks == 1)
        stage.speak()
        answer = stage.client.answer()
        assert (answer.body, answer.get("connection")) == (b"ok", "close")


def test_and_says_so_if_there_is_no_time_for_that() -> None:
    with waiting(seeing_the_end, drain_timeout="200ms") as stage:
        stage.gateway.stop()
        assert stage.client.answer().status == 503
        stage.speak()
        assert stage.held.left.wait(PATIENCE)
        stage.gateway.join()


def test_every_request_is_logged_if_that_is_asked_for() -> None:
    with waiting(saying(OK), log={"requests": "all"}) as stage:
        stage.speak()
        request_id = stage.client.answer().get("x-request-id")
        stage.gateway.until(lambda: stage.gateway.events("request.done")[-1]["request_id"] == request_id)
        last = stage.gateway.events("request.done")[-1]
        assert (last["status"], last["path"]) == (200, "/x")
        assert f"x-request-id: {request_id}".encode() in stage.engine.heads[-1]


def test_requests_that_come_together_are_answered_in_order() -> None:
    with waiting(saying(OK)) as stage:
        stage.client.get("/second").get("/third")
        stage.speak()
        assert [stage.client.answer().status for _ in range(3)] == [200, 200, 200]
        assert [head.split(b" ")[1] for head in stage.engine.heads[1:]] == [b"/x", b"/second", b"/third"]


def test_another_head_on_the_same_connection_is_another_request() -> None:
    """What was found out about the last head serves only the same head."""
    with waiting(saying(OK)) as stage:
        stage.speak()
        assert stage.client.answer().status == 200
        assert stage.client.get("/x", "nobody.test").answer().status == 404
        assert stage.client.get("/y", "whisper.test", "X-A: 1").answer().status == 200
        assert stage.client.get("/y", "whisper.test", "X-A: 2").answer().status == 200
        heads = stage.engine.heads[-2:]
        assert [b"x-a: 1" in heads[0], b"x-a: 2" in heads[1]] == [True, True]
        ids = [line for head in heads for line in head.split(b"\r\n") if line.startswith(b"x-request-id")]
        assert len(set(ids)) == 2
