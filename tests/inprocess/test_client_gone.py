"""A client that leaves takes its work with it: the engine's request is cut and the lease given back, at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import StandIn, running_standin
from tests.inprocess.conftest import Stats

POST = "POST {} HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 1000000000\r\n\r\n"


Leave = Callable[[RawClient], None]


@pytest.fixture(params=[RawClient.close, RawClient.reset])
def leave(request: pytest.FixtureRequest) -> Leave:
    """How a client leaves: in order, with a FIN, or not, with an RST."""
    way: Leave = request.param
    return way


def until_served(gateway: Gateway, stats: Stats) -> int:
    """Waits until the engine works on the request; returns how many clients have left it so far."""
    gateway.until(lambda: stats.active == 1 and gateway.engine().serving == 1)
    left: int = stats()["client_left"]
    return left


def let_go(gateway: Gateway, stats: Stats, left: int) -> None:
    gateway.until(gateway.is_free)
    gateway.until(lambda: stats.active == 0 and stats()["client_left"] == left + 1)


def test_while_it_waits_for_the_answer(raw: RawClient, leave: Leave, gateway: Gateway, stats: Stats) -> None:
    raw.get("/slow?ms=60000")
    left = until_served(gateway, stats)
    leave(raw)
    let_go(gateway, stats, left)


def test_while_the_answer_streams(raw: RawClient, leave: Leave, gateway: Gateway, stats: Stats) -> None:
    raw.get("/sse?n=0&interval_ms=10")
    left = until_served(gateway, stats)
    assert raw.head().status == 200
    leave(raw)
    let_go(gateway, stats, left)


def test_while_it_uploads(raw: RawClient, leave: Leave, gateway: Gateway, stats: Stats) -> None:
    raw.send(POST.format("/sum") + "x" * 100_000)
    left = until_served(gateway, stats)
    leave(raw)
    let_go(gateway, stats, left)


def test_while_both_directions_stream(raw: RawClient, leave: Leave, gateway: Gateway, stats: Stats) -> None:
    raw.send(POST.format("/echo") + "x" * 1000)
    left = until_served(gateway, stats)
    assert raw.head().status == 200
    leave(raw)
    let_go(gateway, stats, left)


def test_while_it_does_not_read_a_large_answer(raw: RawClient, leave: Leave, gateway: Gateway, stats: Stats) -> None:
    raw.get("/big?bytes=1000000000")
    left = until_served(gateway, stats)
    gateway.until(lambda: any(connection.write_blocked for connection in gateway.connections))
    leave(raw)
    let_go(gateway, stats, left)


def send_until_held_back(client: RawClient, gateway: Gateway) -> None:
    """All that was sent has arrived; what a closed socket could not deliver would hide its end (see below)."""
    while not any(connection._paused for connection in gateway.connections):
        client.send(b"x" * 50_000)
        gateway.until(lambda: client.undelivered == 0)


@pytest.fixture
def stalling() -> Iterator[Gateway]:
    """Before an engine of its own, because /stall never ends; without a spool, which would take the upload in."""
    with running_standin() as standin, running_gateway({"whisper": Engine(standin.port, replay=False)}) as gateway:
        with gateway.client() as client:
            client.get("/hello")
        yield gateway


def test_while_its_upload_is_held_back(leave: Leave, stalling: Gateway) -> None:
    """Nothing is read from it then, so that its leaving is found by asking the kernel, once a second."""
    with stalling.raw() as client:
        client.send(POST.format("/stall"))
        send_until_held_back(client, stalling)
        assert stalling.engine().serving == 1
        leave(client)
        stalling.until(stalling.is_free)


def test_by_a_reset_while_its_upload_is_held_back_and_all_buffers_are_full(stalling: Gateway) -> None:
    """By a reset, because an orderly end waits in the client's kernel behind what could not be sent."""
    with stalling.raw() as client:
        client.send(POST.format("/stall"))
        client.send_what_fits(b"x" * 100_000)
        assert stalling.engine().serving == 1
        client.reset()
        stalling.until(stalling.is_free)


def test_while_requests_wait_behind_its_first(raw: RawClient, leave: Leave, gateway: Gateway, stats: Stats) -> None:
    before = stats.requests().get("/instance", 0)
    raw.get("/slow?ms=60000")
    for _ in range(40):  # more than are read before the connection is held back
        raw.get("/instance")
    left = until_served(gateway, stats)
    leave(raw)
    let_go(gateway, stats, left)
    assert stats.requests().get("/instance", 0) == before


def test_while_the_engine_wakes(standin: StandIn) -> None:
    """The wake goes on: somebody wanted it, and will come back."""
    with running_gateway({"whisper": Engine(standin.port)}) as gateway:
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)
        with gateway.raw() as client:
            client.send(POST.format("/sum") + "x" * 1000)
            gateway.until(lambda: gateway.engine().waiting == 1)
        gateway.until(gateway.is_free)
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.set)
        gateway.reaches(Phase.READY)
        assert gateway.engine().idle_in is not None


def test_while_the_engine_wakes_and_its_upload_is_held_back(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, spool={"per_request": "100k"}) as gateway:
        gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)
        with gateway.raw() as client:
            client.send(POST.format("/sum"))
            send_until_held_back(client, gateway)
            assert gateway.engine().waiting == 1
        gateway.until(gateway.is_free)


def test_a_client_whose_machine_vanishes_is_found_by_the_kernel(raw: RawClient, gateway: Gateway) -> None:
    """It sends no end of its connection; a WebSocket of its would hold the engine awake for ever."""
    assert raw.get().answer().status == 200
    (connection,) = gateway.connections
    sock = connection._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


def test_the_log_says_that_it_was_the_client(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway:
        with gateway.raw() as client:
            client.get("/slow?ms=60000")
            gateway.until(lambda: gateway.engine().serving == 1)
        gateway.until(lambda: bool(gateway.events("request.ended")))
        assert gateway.events("request.ended")[0]["error"] == "client_gone"


def test_a_crowd_that_leaves_leaves_nothing_behind(gateway: Gateway, stats: Stats) -> None:
    before = stats()["open_connections"]
    crowd = [gateway.raw().get("/slow?ms=60000") for _ in range(50)]
    gateway.until(lambda: stats.active == 50)
    leavers = [threading.Thread(target=client.close) for client in crowd]
    for leaver in leavers:
        leaver.start()
    for leaver in leavers:
        leaver.join()
    gateway.until(gateway.is_free)
    gateway.until(lambda: stats()["open_connections"] <= before)
    assert gateway.engine().phase is Phase.READY
