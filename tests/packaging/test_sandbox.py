"""What of the service's sandbox can be had without systemd: the gateway lives in it, and its journal is readable."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import REQUIRE_ALL
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports

GATEWAY = Path(sys.executable).parent / "whisper-gateway"
WITHOUT_WRITABLE_CODE = """
import ctypes, os, sys
SET_MDWE, REFUSE_EXEC_GAIN = 65, 1  # prctl(2), Linux 6.3: one of the means by which systemd does MemoryDenyWriteExecute
if ctypes.CDLL(None).prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit("this kernel does not know PR_SET_MDWE")
os.execv(sys.argv[1], sys.argv[1:])
"""
CONFINED = [sys.executable, "-c", WITHOUT_WRITABLE_CODE]


def kernel_refuses() -> bool:
    command = [*CONFINED, sys.executable, "-c", "import mmap; mmap.mmap(-1, 4096, prot=7)"]
    return "PermissionError" in subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_under_systemd_the_gateway_lives_without_writable_code_and_its_journal_has_a_line_for_each_event(
    tmp_path: Path,
) -> None:
    """uvloop, httptools, ctypes and the Docker SDK get by; standard error is a socket, as journald's is."""
    if not kernel_refuses():
        (pytest.fail if REQUIRE_ALL else pytest.skip)("this kernel does not know PR_SET_MDWE")
    port, admin = free_ports(2)
    engine = {"hosts": ["engine.test"], "docker": {"container": "wg-test-none"}, "port": 8000, "start_timeout": "1s"}
    settings = {"listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{admin}", "state_dir": str(tmp_path)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"gateway": settings, "engines": {"speech": engine}}))
    journal, stderr = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.ExitStack() as closing, journal, stderr:
        command = [*CONFINED, str(GATEWAY), "serve", "--config", str(tmp_path / "config.yaml")]
        environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/no-docker.sock"}
        process = subprocess.Popen(command, stderr=stderr.fileno(), env=environment)
        stderr.close()
        try:
            lines = closing.enter_context(journal.makefile(encoding="utf-8"))
            first = next(line for line in lines if "gateway.started" in line)
            answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "engine.test"}, timeout=LONG_PATIENCE)
            process.send_signal(signal.SIGTERM)
            written = [first, *lines]
            status = process.wait(LONG_PATIENCE)
        finally:
            process.kill()
            process.wait()
    events = [json.loads(line) for line in written]
    assert answer.status_code == 503
    assert status in (0, -signal.SIGTERM), "what systemd takes for a clean end"
    by_name = {event["event"]: event for event in events}
    assert by_name["engine.waking"]["engine"] == by_name["engine.failed"]["engine"] == "speech"
    assert by_name["engine.failed"]["after"] >= 0
    assert by_name["request.failed"]["request_id"] == answer.headers["x-request-id"]
    assert all("timestamp" in event for event in events)
