"""nginx/gateway.conf as shipped, with a real nginx, in front of a real gateway."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.fixtures.process_gateway import PATIENCE, GatewayProcess, free_ports
from tests.fixtures.standin import STANDIN

pytestmark = pytest.mark.nginx

ROOT = Path(__file__).parent.parent.parent
HOST = "whisper.example.org"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    (port,) = free_ports(1)
    command = [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1", "START_DELAY_MS=300"]
    engines = {"engine": {"hosts": [HOST], "process": {"command": command}, "port": port}}
    process = GatewayProcess(tmp_path, engines, trusted_proxies=["127.0.0.1/32"], on_exit="stop")
    process.start()
    yield process
    process.stop()
    process.close()


@pytest.fixture
def nginx(gateway: GatewayProcess, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx that includes gateway.conf, with nothing changed but the two addresses."""
    (port,) = free_ports(1)
    shipped = (ROOT / "nginx" / "gateway.conf").read_text()
    assert "listen 80;" in shipped
    assert "127.0.0.1:8890" in shipped
    changed = shipped.replace("listen 80;", f"listen 127.0.0.1:{port};")
    (tmp_path / "gateway.conf").write_text(changed.replace("127.0.0.1:8890", f"127.0.0.1:{gateway.port}"))
    temp = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {temp} include {tmp_path}/gateway.conf; }}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    process = subprocess.Popen([program, "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf")])
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "nginx.pid").exists():
        assert process.poll() is None, (tmp_path / "error.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)  # nginx tells nobody when it is up; its pid file does
    yield port
    process.terminate()
    process.wait(PATIENCE)


def test_a_request_through_nginx_wakes_the_engine(nginx: int, gateway: GatewayProcess) -> None:
    answer = httpx.get(f"http://127.0.0.1:{nginx}/headers?a=%2F", headers={"Host": HOST}, timeout=PATIENCE)
    assert answer.status_code == 200
    seen = dict(answer.json()["headers"])
    assert seen["host"] == HOST
    assert seen["x-forwarded-for"] == "127.0.0.1, 127.0.0.1"  # the client as nginx saw it, then nginx
    assert answer.headers["x-request-id"] == seen["x-request-id"]  # nginx's id is the gateway's and the engine's
    assert gateway.events("request.done")[0]["request_id"] == seen["x-request-id"]


def test_an_upload_through_nginx_starts_the_engine_before_its_last_byte(nginx: int, gateway: GatewayProcess) -> None:
    """proxy_request_buffering off: the wake begins at the request's head."""
    block = os.urandom(1024 * 1024)
    phases: list[str] = []

    def body() -> Iterator[bytes]:
        for _ in range(7):
            yield block
        gateway.until("engine", phase="ready")
        phases.append("woken during the upload")
        yield block

    answer = httpx.post(f"http://127.0.0.1:{nginx}/sum", content=body(), headers={"Host": HOST}, timeout=PATIENCE)
    assert phases == ["woken during the upload"]
    assert answer.json()["sha256"] == hashlib.sha256(block * 8).hexdigest()


def test_events_and_websockets_pass_through_nginx(nginx: int) -> None:
    url = f"http://127.0.0.1:{nginx}/sse?n=3&interval_ms=200"
    with httpx.stream("GET", url, headers={"Host": HOST}, timeout=PATIENCE) as answer:
        arrivals = [time.monotonic() for line in answer.iter_lines() if line.startswith("data:")]
    assert len(arrivals) == 3
    assert arrivals[-1] - arrivals[0] > 0.2  # one by one, not in a lump at the end

    async def talk() -> str | bytes:
        async with connect(f"ws://{HOST}/ws", host="127.0.0.1", port=nginx) as socket:
            await socket.send("through two proxies")
            return await socket.recv()

    assert asyncio.run(talk()) == "through two proxies"
