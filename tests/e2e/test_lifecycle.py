"""Wake, idle, crash, hand-made stops and gateway restarts, with a real container that stands in for an engine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import time
from collections.abc import Callable

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from tests.e2e.conftest import HOST, Engine
from tests.e2e.engine_container import url
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.raw_client import RawClient

pytestmark = pytest.mark.docker

MakeGateway = Callable[..., GatewayProcess]
MakeEngine = Callable[..., Engine]


@pytest.fixture
def engine(make_engine: MakeEngine, standin_image: str) -> Engine:
    return make_engine(standin_image, environment={"START_DELAY_MS": "200"})


def get(gateway: GatewayProcess, path: str = "/instance") -> httpx.Response:
    return httpx.get(gateway.url + path, headers={"Host": HOST}, timeout=LONG_PATIENCE)


def websocket(gateway: GatewayProcess, path: str = "/ws") -> connect:
    return connect(f"ws://{HOST}{path}", host="127.0.0.1", port=gateway.port, open_timeout=LONG_PATIENCE)


def test_many_cold_requests_cause_one_start(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine)
    with engine.counting_starts() as starts, concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: get(gateway), range(200)))
    assert [answer.status_code for answer in answers] == [200] * 200
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(starts) == 1


def test_a_request_during_an_idle_stop_is_answered_by_the_next_start(
    make_engine: MakeEngine, standin_image: str, make_gateway: MakeGateway
) -> None:
    stubborn = make_engine(standin_image, environment={"IGNORE_SIGTERM": "1"})
    gateway = make_gateway(stubborn, {"idle_after": "200ms", "stop_timeout": "10m"})
    first = get(gateway).json()["id"]
    gateway.until("engine", phase="stopping")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        second = pool.submit(get, gateway)
        gateway.until("engine", phase="stopping", waiting=1)
        stubborn.container.kill()  # which ends the stop, too
        assert second.result().status_code == 200
    assert second.result().json()["id"] != first


def test_a_killed_engine_is_noticed_and_the_next_request_starts_it_again(
    engine: Engine, make_gateway: MakeGateway
) -> None:
    gateway = make_gateway(engine)
    first = get(gateway).json()["id"]
    engine.container.kill()
    gateway.until("engine", phase="asleep")
    assert get(gateway).json()["id"] != first


def test_a_request_sent_the_moment_the_engine_is_killed_is_served_by_the_next_start(
    engine: Engine, make_gateway: MakeGateway
) -> None:
    gateway = make_gateway(engine)
    first = get(gateway).json()["id"]
    engine.container.kill()
    answer = get(gateway)  # the gateway may not have heard of it yet
    assert answer.status_code == 200
    assert answer.json()["id"] != first


@pytest.mark.parametrize("replay", [True, False])
def test_an_engine_killed_in_the_middle_of_a_request_is_woken_for_it_again_or_a_clear_502(
    engine: Engine, make_gateway: MakeGateway, *, replay: bool
) -> None:
    gateway = make_gateway(engine, {"replay": replay})
    get(gateway)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # A POST: a GET on a kept connection would be sent again by other rules.
        held = f"{gateway.url}/told?word=go"
        slow = pool.submit(httpx.post, held, headers={"Host": HOST}, timeout=LONG_PATIENCE)
        gateway.until("engine", serving=1)
        engine.container.kill()
        if replay:
            gateway.until_logged("request.replayed")
            get(gateway, "/tell?word=go")
        answer = slow.result()
    if replay:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (502, "engine_broke")
        assert get(gateway).status_code == 200


def test_an_engine_stopped_by_hand_is_asleep_and_wakes_again(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine)
    get(gateway)
    engine.container.stop(timeout=1)
    gateway.until("engine", phase="asleep")
    assert get(gateway).status_code == 200


@pytest.mark.parametrize("how", ["stop", "restart"])
def test_who_waits_does_not_notice_that_the_engine_was_stopped_by_hand_while_it_woke(
    how: str, make_engine: MakeEngine, standin_image: str, make_gateway: MakeGateway
) -> None:
    slow = make_engine(standin_image, environment={"START_DELAY_MS": "1000"})
    gateway = make_gateway(slow)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(get, gateway)
        gateway.until_logged("engine.waking")
        while slow.status != "running":
            time.sleep(0.02)
        getattr(slow.container, how)(timeout=1)
        assert answer.result().status_code == 200
    assert gateway.engine("engine")["failure"] is None


def test_an_engine_restarted_by_hand_is_still_served(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine)
    first = get(gateway).json()["id"]
    engine.container.restart(timeout=1)
    answer = get(gateway)
    assert answer.status_code == 200
    assert answer.json()["id"] != first


def test_an_engine_started_by_hand_is_adopted_and_put_to_sleep(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine, {"idle_after": "500ms"})
    engine.container.start()
    gateway.until_logged("engine.ready")
    gateway.until("engine", phase="asleep")
    assert engine.status == "exited"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restarted_gateway_adopts_the_running_engine(how: str, engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine, {"idle_after": "1h"})
    with engine.counting_starts() as starts:
        first = get(gateway).json()["id"]
        getattr(gateway, how)()
        assert engine.status == "running"
        gateway.start()
        assert get(gateway).json()["id"] == first
        getattr(gateway, how)()
        gateway.config.write_text(gateway.config.read_text().replace("idle_after: 1h", "idle_after: 1s"))
        gateway.start()
        gateway.until_logged("engine.stopping")  # and it does not run for ever
        gateway.until("engine", phase="asleep")
    assert len(starts) == 1
    assert engine.status == "exited"


def test_on_exit_stop_puts_the_engine_to_sleep(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine, on_exit="stop")
    get(gateway)
    gateway.stop()
    assert engine.status == "exited"


def test_a_running_answer_is_finished_before_the_gateway_ends(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine)
    get(gateway)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        slow = pool.submit(get, gateway, "/told?word=go")
        gateway.until("engine", serving=1)
        stopping = pool.submit(gateway.stop)
        gateway.until_shut()
        httpx.get(f"{url(engine.container)}/tell?word=go", timeout=LONG_PATIENCE)
        assert slow.result().status_code == 200
        stopping.result()


def assert_stopped_after_the_request(gateway: GatewayProcess) -> None:
    """Not before its only request had ended, nor long after."""
    gateway.until("engine", phase="asleep", serving=0)
    told = (json.loads(line)["event"] for line in gateway.log.read_text().splitlines())
    order = [event for event in told if event in ("request.done", "engine.stopping")]
    assert order == ["request.done", "engine.stopping"]


def test_an_event_stream_keeps_the_engine_awake_as_long_as_it_lasts(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine, {"idle_after": "300ms"}, log={"format": "json", "requests": "all"})
    with httpx.stream(
        "GET", f"{gateway.url}/sse?n=20&interval_ms=100", headers={"Host": HOST}, timeout=LONG_PATIENCE
    ) as answer:
        events = [line for line in answer.iter_lines() if line.startswith("data:")]
    assert len(events) == 20
    assert_stopped_after_the_request(gateway)
    assert engine.status == "exited"


def test_a_websocket_keeps_the_engine_awake_as_long_as_it_lasts(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine, {"idle_after": "300ms"}, log={"format": "json", "requests": "all"})

    async def talk() -> None:
        async with websocket(gateway) as socket:
            for n in range(4):
                await asyncio.sleep(0.5)  # silence longer than idle_after is what is tested
                await socket.send(f"message {n}")
                assert await socket.recv() == f"message {n}"

    asyncio.run(talk())
    assert_stopped_after_the_request(gateway)


def test_a_websocket_learns_that_its_engine_was_killed(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine)

    async def talk() -> int | None:
        async with websocket(gateway) as socket:
            await asyncio.to_thread(engine.container.kill)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
            return closed.value.rcvd.code if closed.value.rcvd else None

    assert asyncio.run(talk()) == 1011


def test_a_client_that_leaves_frees_its_lease(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine)
    get(gateway)
    with RawClient(gateway.port) as leaver:
        leaver.get("/slow?ms=600000", HOST)
        gateway.until("engine", serving=1)
        while get(gateway, "/stats").json()["active"] != 2:  # the question is one
            pass
    gateway.until("engine", serving=0)
    while get(gateway, "/stats").json()["client_left"] != 1:
        pass


def test_health_checks_never_wake_anything(engine: Engine, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(engine, portal="portal.test")
    for path in ("/healthz", "/readyz", "/api/engines"):
        answer = httpx.get(gateway.url + path, headers={"Host": "portal.test"}, timeout=LONG_PATIENCE)
        assert answer.status_code == 200
    assert gateway.engine("engine")["phase"] == "asleep"
    assert engine.status == "created"


def test_an_engine_that_exits_while_starting_fails_its_waiters_at_once(
    make_engine: MakeEngine, standin_image: str, make_gateway: MakeGateway
) -> None:
    broken = make_engine(
        standin_image, environment={"START_DELAY_MS": "600000", "EXIT_AFTER_MS": "100", "EXIT_CODE": "3"}
    )
    gateway = make_gateway(broken, {"start_timeout": "10m"})
    answer = get(gateway)  # within a test's patience, and so not at the timeout
    assert answer.status_code == 503
    assert answer.json()["code"] == "engine_start_failed"
    assert "exited with code 3" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) >= 1


def test_an_engine_that_never_gets_ready_is_a_504_and_is_stopped(
    make_engine: MakeEngine, standin_image: str, make_gateway: MakeGateway
) -> None:
    slow = make_engine(standin_image, environment={"READY_DELAY_MS": "60000"})
    gateway = make_gateway(slow, {"start_timeout": "1s", "stop_timeout": "1s"})
    answer = get(gateway)
    assert answer.status_code == 504
    assert answer.json()["code"] == "engine_start_timeout"
    assert int(answer.headers["retry-after"]) >= 1
    gateway.until("engine", phase="asleep")  # after its cool-down
    assert slow.status == "exited"


def test_a_missing_container_is_a_clear_503(engine: Engine, make_gateway: MakeGateway) -> None:
    engine.container.remove()
    gateway = make_gateway(engine)
    answer = get(gateway)
    assert answer.status_code == 503
    assert "does not exist yet" in answer.json()["detail"]
    reason = gateway.engine("engine")["failure"]  # names are for the operator
    assert f"there is none named '{engine.name}'" in reason
    assert "docker compose create" in reason
