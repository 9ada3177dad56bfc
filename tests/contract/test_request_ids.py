"""One id from the client's answer to the engine's log, through a real gateway and a real engine."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import httpx
import pytest

from tests.fixtures.engine_process import ROOT
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.speech import GOODBYE, recording
from tests.unit.engines.recordings import MODEL

pytestmark = pytest.mark.model

HOST = "whisper.test"
ANSWERED = r"INFO request\.answered method=POST path=/v1/audio/transcriptions status=200 after=\S+ request_id=(\S+)"
TRANSCRIBED = r"INFO transcription\.done .* request_id=(\S+)"


def test_gateway_and_engine_log_a_request_under_the_id_that_the_client_is_told(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    environment = {"PORT": str(port), "WHISPER_MODEL": str(MODEL), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "engines.faster"]
    process = {"command": command, "directory": str(ROOT), "environment": environment}
    gateway = GatewayProcess(tmp_path, {"whisper": {"hosts": [HOST], "port": port, "process": process}})
    gateway.start()
    try:
        answer = httpx.post(
            f"{gateway.url}/v1/audio/transcriptions?secret=query",
            headers={"Host": HOST},
            files={"file": ("secret-name.wav", recording(GOODBYE))},
            timeout=LONG_PATIENCE,
        )
        told = answer.headers["x-request-id"]
        line = gateway.until_logged("request.done", request_id=told)
        written = gateway.until_said("whisper", ANSWERED, TRANSCRIBED)
    finally:
        gateway.post("/api/engines/whisper/sleep?force=true&wait=true")
        gateway.close()
    assert (answer.status_code, line["status"]) == (200, 200)
    assert re.findall(ANSWERED, written) == [told]
    assert re.findall(TRANSCRIBED, written) == [told]
    assert "secret" not in written
