"""Engines that cannot be had: their callers hear why and when to ask again, and nobody else suffers."""

from __future__ import annotations

import asyncio
import errno
import json
import threading

import httpx
import pytest
import uvloop

from gateway.errors import StartRefused
from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.ports import free_port
from tests.fixtures.standin import StandIn, running_standin


@pytest.mark.usefixtures("long_rest")
def test_an_engine_that_is_never_ready_is_504() -> None:
    with running_standin(READY_DELAY_MS=60_000) as standin:
        engine = Engine(standin.port, start_timeout="300ms")
        with running_gateway({"whisper": engine}) as gateway, gateway.client() as client:
            answer = client.get("/hello")
            assert (answer.status_code, answer.json()["code"]) == (504, "engine_start_timeout")
            assert int(answer.headers["retry-after"]) >= 1
            assert gateway.engine().phase is Phase.FAILED
            gateway.until(gateway.is_free)


@pytest.mark.usefixtures("long_rest")
def test_an_engine_that_cannot_start_is_503_with_the_reason_and_then_rests() -> None:
    with running_gateway({"whisper": Engine(0)}) as gateway, gateway.client() as client:
        gateway.runtimes["whisper"].fail_next_start(StartRefused("has no disk space left"))
        answer = client.get("/hello")
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_start_failed")
        assert "was refused by its runtime" in answer.json()["detail"]
        shown = gateway.engine().failure  # the reason itself may name paths and containers: it is for operators
        assert shown == "has no disk space left"
        assert int(answer.headers["retry-after"]) >= 1
        answer = client.get("/v1/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_cooling_down")
        assert answer.json()["error"]["type"] == "server_error"
        assert int(answer.headers["retry-after"]) >= 1


def test_an_engine_that_exits_while_starting_fails_its_callers_at_once() -> None:
    with running_gateway({"whisper": Engine(0, start_timeout="10m")}) as gateway, gateway.raw() as raw:
        raw.get("/hello")
        gateway.until(lambda: gateway.runtimes["whisper"].running)
        gateway.on_loop(lambda: gateway.runtimes["whisper"].crash(137, oom=True))
        answer = raw.answer()
        assert (answer.status, json.loads(answer.body)["code"]) == (503, "engine_start_failed")
        assert b"137" in answer.body


def test_after_its_rest_an_engine_is_tried_again(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.client() as client:
        gateway.runtimes["whisper"].fail_next_start(StartRefused("is tired"))
        assert client.get("/hello").status_code == 503
        gateway.reaches(Phase.ASLEEP)
        assert client.get("/hello").status_code == 200


def test_an_engine_that_does_not_answer_in_time_is_504(standin: StandIn) -> None:
    engine = Engine(standin.port, answer_timeout="2500ms")
    with running_gateway({"whisper": engine}) as gateway, gateway.client() as client:
        answer = client.get("/slow?ms=60000")
        assert (answer.status_code, answer.json()["code"]) == (504, "engine_answer_timeout")
        answer = client.post("/sum?ms=60000", content=b"x" * 100_000)
        assert (answer.status_code, answer.json()["code"]) == (504, "engine_answer_timeout")
        with httpx.Client(base_url=standin.url, timeout=PATIENCE) as direct:
            gateway.until(lambda: direct.get("/stats").json()["active"] == 1)  # the engine was told to stop
        assert client.get("/sse?n=7&interval_ms=500").status_code == 200  # only its beginning has a deadline


def test_an_engine_that_comes_back_on_its_feet_serves_who_was_refused() -> None:
    """A refused connection is no answer: the request is held, the engine looked at, and served when it is back."""
    with (
        running_standin(PORT=free_port()) as first,
        running_gateway({"whisper": Engine(first.port)}) as gateway,
        gateway.client() as client,
    ):
        assert client.get("/hello").status_code == 200
        first.process.kill()
        first.process.wait()
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(client.get("/hello").status_code))
        caller.start()
        gateway.reaches(Phase.WAKING)
        with running_standin(PORT=first.port):
            caller.join()
            assert answers == [200]
            gateway.until(gateway.is_free)


def ask(gateway: Gateway, name: str) -> None:
    with gateway.client(name) as client:
        client.get("/")


def test_one_broken_engine_never_slows_another(standin: StandIn) -> None:
    with running_standin(READY_DELAY_MS=60_000) as never:
        engines = {
            "good": Engine(standin.port),
            "never": Engine(never.port, start_timeout="10m"),
            "gone": Engine(0, start_timeout="10m"),
        }
        with running_gateway(engines) as gateway, gateway.client("good") as good:
            callers = [threading.Thread(target=ask, args=(gateway, name)) for name in ("never", "gone")]
            for caller in callers:
                caller.start()
            gateway.reaches(Phase.WAKING, "never")
            gateway.reaches(Phase.WAKING, "gone")
            for _ in range(50):
                assert good.get("/hello").status_code == 200
            assert (gateway.engine("never").phase, gateway.engine("gone").phase) == (Phase.WAKING, Phase.WAKING)
            gateway.stop()
            for caller in callers:
                caller.join()


def test_an_engine_that_stops_reading_an_upload_is_504_and_frees_its_lease() -> None:
    with running_standin() as standin:  # of its own: it never notices that its caller has gone
        engine = Engine(standin.port, answer_timeout="300ms")
        with running_gateway({"whisper": engine}) as gateway, gateway.client() as client:
            answer = client.post("/stall", content=bytes(32 * 1024 * 1024))
            assert (answer.status_code, answer.json()["code"]) == (504, "engine_answer_timeout")
            gateway.until(gateway.is_free)


def test_the_gateways_own_want_of_sockets_is_not_blamed_on_the_engine(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.client() as client:
        assert client.get("/hello").status_code == 200

        async def no_descriptors(*_: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        with monkeypatch.context() as patch:
            patch.setattr(asyncio.BaseEventLoop, "create_connection", no_descriptors)
            patch.setattr(uvloop.Loop, "create_connection", no_descriptors, raising=False)
            answer = client.post("/hello")
        assert (answer.status_code, answer.json()["code"]) == (503, "gateway_exhausted")
        assert answer.headers["retry-after"] == "1"
        assert gateway.engine().phase is Phase.READY
        assert client.post("/echo", content=b"all is well").content == b"all is well"
