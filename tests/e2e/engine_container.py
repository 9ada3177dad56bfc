"""The faster engine in a container, without a gateway before it."""

from __future__ import annotations

import subprocess
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from tests.e2e.conftest import ROOT, Engine
from tests.fixtures.patience import LONG_PATIENCE

AUDIO = ROOT / "samples" / "audio"
MODEL = ROOT / "samples" / "models" / "micro-whisper"
RECORDING, SAID = AUDIO / "en-please-close-the-window.wav", "please close the window"

PORT = 8000

HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}
"""What docs/engine-faster.md recommends, in the Docker SDK's words."""

WITH_MODEL: dict[str, Any] = {
    "environment": {"WHISPER_MODEL": "/models/micro-whisper", "HF_HUB_OFFLINE": "1"},
    "volumes": {str(MODEL): {"bind": "/models/micro-whisper", "mode": "ro"}, str(AUDIO): {"bind": "/audio"}},
}

ASK_INSIDE = """
import http.client, sys
head = b'--b\\r\\ncontent-disposition: form-data; name="file"; filename="a.wav"\\r\\n\\r\\n'
form = head + open(sys.argv[1], "rb").read() + b"\\r\\n--b--\\r\\n"
engine = http.client.HTTPConnection("127.0.0.1", 8000)
engine.request("POST", "/v1/audio/transcriptions", form, {"content-type": "multipart/form-data; boundary=b"})
print(engine.getresponse().read().decode())
"""


def address(container: Container) -> str:
    """Its IP address on the one network that it is in."""
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    found: str = network["IPAddress"]
    return found


def host_address() -> str:
    """Where containers, also those that build an image, reach this machine."""
    client = docker.from_env()
    try:
        found: str = client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
        return found
    finally:
        client.close()


def url(container: Container) -> str:
    return f"http://{address(container)}:{PORT}"


def until_logged(container: Container, text: str) -> None:
    """Wait for a line with this text, logged since its last start.

    By the command, because the SDK's stream of a log does not close all that it opened.
    """
    container.reload()
    command = ["docker", "logs", "--follow", "--since", container.attrs["State"]["StartedAt"], str(container.name)]
    seen = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as following:
        assert following.stdout is not None
        for line in following.stdout:
            seen.append(line)
            if text in line:
                following.terminate()
                return
    raise AssertionError(f"it ended without {text!r}:\n" + "".join(seen))


def start(engine: Engine) -> Container:
    """Start it and wait until its port is open."""
    engine.container.start()
    until_logged(engine.container, "Uvicorn running")
    return engine.container


def transcribe(container: Container) -> httpx.Response:
    with RECORDING.open("rb") as audio:
        return httpx.post(f"{url(container)}/v1/audio/transcriptions", files={"file": audio}, timeout=LONG_PATIENCE)


def run_inside(container: Container, *command: str) -> str:
    """What the command prints; it must succeed."""
    result = container.exec_run(list(command))
    assert isinstance(result.output, bytes), "it is no stream"
    output = result.output.decode()
    assert result.exit_code == 0, output
    return output


def inspect_image(image: str, form: str) -> str:
    """One fact about an image, by a Go template."""
    command = ["docker", "image", "inspect", "--format", form, image]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
