"""A gateway that stops finishes what runs, says no to what waits, and leaves or stops its engines as configured."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import Incomplete
from tests.fixtures.scripted_engine import Visit
from tests.fixtures.standin import StandIn
from tests.inprocess.staging import OK, staged


def serving(gateway: Gateway, count: int = 1) -> None:
    gateway.until(lambda: gateway.engine().serving == count)


def refuses_connections(gateway: Gateway) -> bool:
    try:
        gateway.raw().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_running_answer_finishes_and_nobody_new_is_let_in() -> None:
    goes_on = threading.Event()

    def script(visit: Visit) -> None:
        if visit.head() and goes_on.wait(PATIENCE):
            visit.say(OK)

    with staged(script, gateway={"drain_timeout": "10m"}) as stage:
        gateway, client = stage.gateway, stage.raw
        client.get("/x")
        serving(gateway)
        gateway.stop()
        gateway.until(lambda: refuses_connections(gateway))
        goes_on.set()
        answer = client.answer()
        assert (answer.status, answer.get("connection")) == (200, "close")
        assert client.ended()
        gateway.join()
    assert gateway.events("gateway.stopped")


def test_a_running_upload_finishes(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="10m") as gateway, gateway.raw() as client:
        client.send("POST /sum HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 10\r\n\r\nhello")
        serving(gateway)
        gateway.stop()
        gateway.until(lambda: refuses_connections(gateway))
        assert json.loads(client.send("world").answer().body)["bytes"] == 10
        gateway.join()


def test_an_answer_that_has_begun_finishes(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="10m") as gateway, gateway.raw() as client:
        client.get("/sse?n=6&word=shutdown")
        serving(gateway)
        gateway.stop()
        gateway.until(lambda: refuses_connections(gateway))
        httpx.get(f"{standin.url}/tell?word=shutdown&times=5", timeout=PATIENCE)
        assert client.answer().body.count(b"data:") == 6
        gateway.join()


def test_an_idle_connection_is_closed_at_once(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="10m") as gateway, gateway.raw() as client:
        assert client.get().answer().status == 200
        gateway.stop()
        assert client.ended()
        gateway.join()


def test_a_connection_that_never_spoke_is_closed_at_once(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="10m") as gateway, gateway.raw() as client:
        gateway.until(lambda: len(gateway.connections) == 1)
        gateway.stop()
        assert client.ended()
        gateway.join()


def test_a_request_that_has_only_begun_to_arrive_is_503(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="10m") as gateway, gateway.raw() as client:
        client.send("GET /hello HTTP/1.1\r\nHost: whis")
        gateway.until(lambda: any(connection._in_head for connection in gateway.connections))
        gateway.stop()
        answer = client.answer()
        assert (answer.status, json.loads(answer.body)["code"]) == (503, "shutting_down")
        gateway.join()


def test_what_waits_for_its_engine_beyond_the_limit_is_503(standin: StandIn) -> None:
    with (
        running_gateway({"whisper": Engine(standin.port)}, drain_timeout="200ms") as gateway,
        gateway.client() as client,
    ):
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)
        answers: list[httpx.Response] = []
        callers = [threading.Thread(target=lambda: answers.append(client.get("/hello"))) for _ in range(5)]
        for caller in callers:
            caller.start()
        gateway.until(lambda: gateway.engine().waiting == 5)
        gateway.stop()
        for caller in callers:
            caller.join()
        gateway.join()
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "shutting_down")}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert {event["error"] for event in gateway.events("request.failed")} == {"shutting_down"}


def test_what_waits_for_an_engine_that_comes_up_in_time_is_served(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="10m") as gateway, gateway.raw() as client:
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)
        client.get()
        gateway.until(lambda: gateway.engine().waiting == 1)
        gateway.stop()
        gateway.until(lambda: refuses_connections(gateway))
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.set)
        assert client.answer().status == 200
        gateway.join()


def test_an_answer_beyond_the_limit_is_cut_and_never_looks_complete(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="200ms") as gateway, gateway.raw() as client:
        client.get("/sse?n=0&interval_ms=10")
        serving(gateway)
        gateway.stop()
        with pytest.raises(Incomplete):
            client.answer()
        gateway.join()


def test_a_client_that_does_not_read_does_not_keep_the_gateway(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, drain_timeout="200ms") as gateway, gateway.raw() as client:
        client.get("/big?bytes=1000000000")
        gateway.until(lambda: any(connection.write_blocked for connection in gateway.connections))
        gateway.stop()
        gateway.join()


@pytest.mark.parametrize(("on_exit", "stops"), [("leave", 0), ("stop", 1)])
def test_engines_are_left_or_stopped(standin: StandIn, on_exit: str, stops: int) -> None:
    engines = {"whisper": Engine(standin.port), "asleep": Engine(0)}
    with running_gateway(engines, on_exit=on_exit) as gateway, gateway.client() as client:
        assert client.get("/hello").status_code == 200
        gateway.stop()
        gateway.join()
        runtime = gateway.runtimes["whisper"]
        assert (runtime.stops, runtime.running) == (stops, stops == 0)
        assert gateway.runtimes["asleep"].stops == 0
        assert runtime.calls[-1] == "aclose"


def test_an_engine_that_does_not_stop_does_not_keep_the_gateway_for_ever(standin: StandIn) -> None:
    engine = {"whisper": Engine(standin.port)}
    with running_gateway(engine, on_exit="stop", drain_timeout="300ms") as gateway, gateway.client() as client:
        assert client.get("/hello").status_code == 200
        gateway.on_loop(gateway.runtimes["whisper"].stop_gate.clear)
        gateway.stop()
        gateway.join()
        assert gateway.events("gateway.engines_left_running")[0]["engines"] == ["whisper"]


def test_the_next_gateway_adopts_what_the_last_one_left(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as first, first.client() as client:
        assert client.get("/hello").status_code == 200
        first.stop()
        first.join()
    with running_gateway({"whisper": Engine(standin.port, idle_after="200ms")}) as second:
        runtime = second.runtimes["whisper"]
        second.on_loop(runtime.start_by_hand)
        second.until(lambda: runtime.stops == 1)
        second.reaches(Phase.ASLEEP)
        assert runtime.starts == 0
        assert len(second.events("engine.ready")) == 1
