"""compose.yaml as shipped: created asleep, woken by a request."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.e2e.conftest import HOST, ROOT
from tests.fixtures.process_gateway import GatewayProcess

pytestmark = [pytest.mark.docker, pytest.mark.model]


@pytest.fixture
def project(faster_image: str, tmp_path: Path) -> Iterator[str]:
    """The shipped file under a project name of the test's own, with the small model in place of a downloaded one."""
    name = f"wg-test-{uuid.uuid4().hex[:8]}"
    override = tmp_path / "override.yaml"
    models = ROOT / "samples" / "models"
    override.write_text(
        f"services:\n  faster-whisper:\n    image: {faster_image}\n    volumes: ['{models}:/models:ro']\n"
        "    environment: {WHISPER_MODEL: /models/micro-whisper}\n"
    )
    compose = ["docker", "compose", "-p", name, "-f", str(ROOT / "compose.yaml"), "-f", str(override)]
    subprocess.run([*compose, "--profile", "engines", "create"], check=True, capture_output=True, env=os.environ)
    yield name
    subprocess.run([*compose, "--profile", "engines", "down", "--volumes"], check=True, capture_output=True)


def test_the_shipped_compose_file_is_woken_by_a_request(project: str, tmp_path: Path) -> None:
    entry = {"hosts": [HOST], "docker": {"project": project, "service": "faster-whisper"}, "port": 8000}
    gateway = GatewayProcess(tmp_path, {"whisper": {**entry, "idle_after": "1s"}})
    try:
        gateway.start()
        assert gateway.engine("whisper")["phase"] == "asleep"
        recording = ROOT / "samples" / "audio" / "en-good-evening-team.wav"
        headers = {"Host": HOST}
        with (
            OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", default_headers=headers) as client,
            recording.open("rb") as audio,
        ):
            text = client.audio.transcriptions.create(model="whisper-1", file=audio).text
        assert text.strip().lower() == "good evening team"
        gateway.until("whisper", phase="asleep")
    finally:
        gateway.close()
