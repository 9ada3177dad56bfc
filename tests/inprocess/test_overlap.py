"""Upload and wake overlap; bodies that find no room are slowed down, and refused only when the disk stays full."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.lifecycle.phases import Phase
from gateway.spool import spool as spool_module
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.ports import free_port
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import StandIn

BODY = os.urandom(2_000_000)


def head(size: int = len(BODY), path: str = "/sum") -> str:
    return f"POST {path} HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: {size}\r\n\r\n"


def sleeping(gateway: Gateway) -> None:
    """The engine does not start until `wake`."""
    gateway.on_loop(gateway.runtimes["whisper"].start_gate.clear)


def wake(gateway: Gateway) -> None:
    gateway.on_loop(gateway.runtimes["whisper"].start_gate.set)


def is_right(raw: RawClient, body: bytes = BODY) -> bool:
    answer = raw.answer()
    assert answer.status == 200, answer
    return bool(json.loads(answer.body)["sha256"] == hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("replay", [True, False])
def test_the_whole_upload_is_taken_in_while_the_engine_sleeps(standin: StandIn, *, replay: bool) -> None:
    with running_gateway({"whisper": Engine(standin.port, replay=replay)}) as gateway, gateway.raw() as raw:
        sleeping(gateway)
        raw.send(head()).send(BODY)
        gateway.until(lambda: gateway.app.spools.quota.used == len(BODY))
        assert gateway.engine().phase is Phase.WAKING
        wake(gateway)
        assert is_right(raw)
        gateway.until(lambda: gateway.app.spools.quota.used == 0)


def test_the_engine_begins_to_read_while_the_client_still_sends(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw:
        sleeping(gateway)
        raw.send(head(path="/echo")).send(BODY[:1_000_000])
        gateway.until(lambda: gateway.app.spools.quota.used > 0)
        wake(gateway)
        assert raw.head().status == 200
        assert raw.take(1_000_000) == BODY[:1_000_000]
        assert raw.send(BODY[1_000_000:]).take(1_000_000) == BODY[1_000_000:]


def test_an_engine_that_is_ready_and_must_not_be_asked_twice_needs_no_spool(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port, replay=False)}) as gateway, gateway.raw() as raw:
        assert raw.get().answer().status == 200
        raw.send(head()).send(BODY[:1_000_000])
        gateway.until(lambda: gateway.engine().serving == 1)
        assert gateway.app.spools.quota.used == 0
        raw.send(BODY[1_000_000:])
        assert is_right(raw)


def test_over_a_quota_the_client_is_slowed_down_and_then_served(standin: StandIn) -> None:
    spool = {"per_request": "500k"}
    with running_gateway({"whisper": Engine(standin.port)}, spool=spool) as gateway, gateway.raw() as raw:
        sleeping(gateway)
        sent = threading.Thread(target=lambda: raw.send(head(20_000_000)).send(BODY * 10))
        sent.start()
        gateway.until(lambda: any(connection._paused for connection in gateway.connections))
        assert gateway.app.spools.quota.used <= 500 * 1024
        wake(gateway)
        sent.join()
        assert is_right(raw, BODY * 10)


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset])
def test_a_client_that_leaves_while_it_waits_takes_its_body_along(
    standin: StandIn, leave: Callable[[RawClient], None]
) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw:
        sleeping(gateway)
        raw.send(head(10_000_000)).send(BODY)
        gateway.until(lambda: gateway.app.spools.quota.used == len(BODY))
        leave(raw)
        gateway.until(gateway.is_free)
        gateway.until(lambda: gateway.app.spools.quota.used == 0)
        wake(gateway)


def test_a_body_that_makes_no_sense_ends_the_wait(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw:
        sleeping(gateway)
        raw.send("POST /sum HTTP/1.1\r\nHost: whisper.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        gateway.until(lambda: gateway.engine().waiting == 1)
        raw.send("xyz\r\n")
        assert raw.answer().status == 400
        gateway.until(gateway.is_free)
        wake(gateway)


# The disk


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is not waited for long."""
    monkeypatch.setattr(spool_module, "PATIENCE", 0.3)


def no_space(*_: object) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.usefixtures("impatient")
def test_a_disk_that_stays_full_refuses_who_waits_with_507_and_harms_nobody_else(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw, gateway.raw() as small:
        sleeping(gateway)
        small.send(head(5)).send(BODY[:5])
        with monkeypatch.context() as full:
            full.setattr(os, "pwritev", no_space)
            answer = raw.send(head()).send(BODY[:100_000]).answer()
        problem = json.loads(answer.body)
        assert (answer.status, problem["code"], answer.get("retry-after")) == (507, "spool_full", "30")
        assert problem["detail"] == "The disk for request bodies is full."
        wake(gateway)
        assert is_right(small, BODY[:5])
        gateway.until(gateway.is_free)
        with gateway.raw() as again:
            again.send(head()).send(BODY)
            assert is_right(again)
        gateway.until(lambda: gateway.app.spools.quota.used == 0)


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_is_no_matter_where_the_engine_reads(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw:
        assert raw.get().answer().status == 200
        monkeypatch.setattr(os, "pwritev", no_space)
        raw.send(head()).send(BODY)
        assert is_right(raw)


def test_a_gateway_that_cannot_keep_bodies_does_not_start_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    engine = {"hosts": ["a.test"], "process": {"command": ["none"]}, "port": free_port()}
    gateway = GatewayProcess(tmp_path, {"a": engine}, spool={"dir": str(tmp_path / "file")})
    with pytest.raises(AssertionError, match="the gateway ended"):
        gateway.start()
    assert gateway.process is not None
    assert gateway.process.returncode == 1
    (line,) = gateway.log.read_text().splitlines()[-1:]
    assert line == f"whisper-gateway: request bodies cannot be kept in {tmp_path}/file: File exists"
    gateway.close()


@pytest.mark.parametrize("size", [5, len(BODY)])
def test_a_request_leaves_nothing_for_the_collector(standin: StandIn, size: int) -> None:
    """It comes seldom, so that a body in a cycle would stay for long; and connections to engines are kept."""
    with running_gateway({"whisper": Engine(standin.port)}) as gateway, gateway.raw() as raw:

        def post() -> None:
            raw.send(head(size)).send(BODY[:size])
            assert is_right(raw, BODY[:size])
            gateway.until(gateway.is_free)

        post()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                post()
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = [thing for thing in gc.garbage if type(thing).__module__.startswith("gateway.")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert left == []
