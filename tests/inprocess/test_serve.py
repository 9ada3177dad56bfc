"""`whisper-gateway serve` as a process of its own, with an engine that is one too."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.raw_client import RawClient
from tests.fixtures.standin import STANDIN

PROGRAM = Path(sys.executable).parent / "whisper-gateway"
Serve = Callable[..., GatewayProcess]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a gateway before one stand-in; takes `gateway:` settings, and the engine's as `engine`."""
    running: list[GatewayProcess] = []

    def start(engine: dict[str, Any] | None = None, **settings: Any) -> GatewayProcess:
        (port,) = free_ports(1)
        spec = {
            "hosts": ["whisper.test"],
            "process": {"command": [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1"]},
            "port": port,
            **(engine or {}),
        }
        gateway = GatewayProcess(tmp_path, {"whisper": spec}, **{"on_exit": "stop", **settings})
        running.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in running:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.stop()
        gateway.close()


def get(gateway: GatewayProcess, path: str) -> httpx.Response:
    return httpx.get(f"{gateway.url}{path}", headers={"host": "whisper.test"}, timeout=LONG_PATIENCE)


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=LONG_PATIENCE, check=False)


def test_a_sleeping_engine_wakes_answers_and_goes_back_to_sleep(serve: Serve) -> None:
    gateway = serve(engine={"idle_after": "300ms"})
    assert gateway.engine("whisper")["phase"] == "asleep"
    first = get(gateway, "/instance").json()["id"]
    gateway.until("whisper", phase="asleep")
    assert get(gateway, "/instance").json()["id"] != first
    status = command("status", "--config", gateway.config)
    assert re.search(r"^whisper +(ready|stopping|asleep)", status.stdout, re.MULTILINE)
    assert [event["engine"] for event in gateway.events("engine.ready")] == ["whisper", "whisper"]
    gateway.stop()
    assert gateway.events("gateway.stopped")


def test_its_log_is_one_json_object_per_line(serve: Serve) -> None:
    gateway = serve()
    get(gateway, "/hello")
    get(gateway, "/reset")
    gateway.stop()
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert [line["event"] for line in lines if line["level"] in ("warning", "error")] == [
        *("request.replayed", "request.failed"),
    ]


def test_sigterm_ends_it_without_a_traceback_even_with_clients_and_engines_at_work(serve: Serve) -> None:
    gateway = serve(drain_timeout="300ms")
    clients = [RawClient(gateway.port).get(path) for path in ("/sse?n=0", "/slow?ms=60000", "/big?bytes=100000000")]
    gateway.until("whisper", serving=3)
    gateway.stop()
    for client in clients:
        client.close()
    text = gateway.log.read_text()
    assert "Traceback" not in text
    assert [json.loads(line)["event"] for line in text.splitlines()][-1] == "gateway.stopped"


def test_sighup_does_not_end_it(serve: Serve) -> None:
    gateway = serve()
    first = get(gateway, "/instance").json()["id"]
    with RawClient(gateway.port).get("/told?word=go") as client:
        gateway.until("whisper", serving=1)
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        gateway.until_logged("config.reloaded", cause="SIGHUP")
        get(gateway, "/tell?word=go")
        assert client.answer().status == 200
    assert get(gateway, "/instance").json()["id"] == first


def test_an_engine_that_is_a_process_still_hears_sighup(serve: Serve) -> None:
    gateway = serve()
    pid = get(gateway, "/instance").json()["pid"]
    os.kill(pid, signal.SIGHUP)
    gateway.until("whisper", phase="asleep")


@pytest.mark.parametrize("which", ["listen", "admin"])
def test_a_port_in_use_is_told_in_one_line(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (free,) = free_ports(1)
        other = "admin" if which == "listen" else "listen"
        config = tmp_path / "config.yaml"
        config.write_text(
            f"gateway: {{{which}: '{address}', {other}: '127.0.0.1:{free}', log: {{format: console}}}}\n"
            "engines: {whisper: {hosts: [whisper.test], process: {command: [none]}, port: 1}}\n"
        )
        result = command("serve", "--config", config)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1] == (
        f"whisper-gateway: cannot listen on {address}: Address already in use"
    )
    assert "Traceback" not in result.stderr


def test_a_wrong_file_is_told_before_anything_is_listened_on(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("engines: {}\n")
    result = command("serve", "--config", config)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_it_recovers_from_more_connections_than_it_may_have(serve: Serve) -> None:
    """Those beyond are closed at once, without a busy loop; the others are served, and so is everybody afterwards."""
    gateway = serve()
    get(gateway, "/hello")
    assert gateway.process is not None
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    for _ in range(2):
        crowd = [RawClient(gateway.port) for _ in range(200)]
        assert crowd[-1].ended()
        assert crowd[0].get().answer().status == 200
        for client in crowd:
            client.close()
        assert wait_for_an_answer(gateway) == 200


def wait_for_an_answer(gateway: GatewayProcess) -> int:
    """The gateway may need a moment to hear that connections have ended."""
    deadline = time.monotonic() + LONG_PATIENCE
    while True:
        try:
            return get(gateway, "/hello").status_code
        except httpx.TransportError:
            assert time.monotonic() < deadline


def resident(gateway: GatewayProcess) -> int:
    """Bytes of memory the gateway holds."""
    assert gateway.process is not None
    (line,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{gateway.process.pid}/status").read_text())
    return int(line) * 1024


def test_memory_stays_bounded_when_clients_or_the_engine_do_not_read(serve: Serve) -> None:
    """Eight uploads into an engine that reads nothing, eight downloads to clients that read nothing."""
    gateway = serve(drain_timeout="100ms")
    get(gateway, "/hello")
    before = resident(gateway)
    clients = []
    for _ in range(8):
        upload = RawClient(gateway.port)
        upload.send("POST /stall HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 1000000000\r\n\r\n")
        upload.send_what_fits(b"x" * 1_000_000, pause=0.1, most=50_000_000)
        clients += [upload, RawClient(gateway.port, receive_buffer=4096).get("/big?bytes=1000000000")]
    gateway.until("whisper", serving=16)
    assert resident(gateway) - before < 32 * 1024 * 1024
    for client in clients:
        client.reset()
    gateway.until("whisper", serving=0)
