"""The faster engine in compose.yaml and its GPU override: what they say, and a container that a request wakes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.e2e.compose import CPU, GPU, HARDENING, compose, devices, inspected, service
from tests.e2e.conftest import HOST, ROOT
from tests.fixtures.process_gateway import GatewayProcess

pytestmark = [pytest.mark.docker, pytest.mark.model]


def test_settings_go_into_a_file_that_need_not_be_there(tmp_path: Path) -> None:
    """What is not set stays as the image has it: one with a model inside knows its name."""
    file = tmp_path / CPU.name
    file.write_text(CPU.read_text())
    assert not service(file).get("environment")
    (tmp_path / "faster-whisper.env").write_text("WHISPER_TTL=never,large-v3=5m\nHF_TOKEN=hf_x\n")
    assert service(file)["environment"] == {"WHISPER_TTL": "never,large-v3=5m", "HF_TOKEN": "hf_x"}


def test_a_model_can_be_baked_in() -> None:
    assert service(CPU)["build"]["args"]["MODEL"] == ""
    arguments = service(CPU, GPU, BAKED_MODEL="large-v3")["build"]["args"]
    assert (arguments["MODEL"], arguments["VARIANT"]) == ("large-v3", "cuda")


def test_the_gpu_override_asks_for_one_gpu_and_an_image_that_can_use_it() -> None:
    plain, gpu = service(CPU), service(CPU, GPU)
    assert "deploy" not in plain
    assert devices(gpu) == [{"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}]
    assert devices(service(CPU, GPU, WHISPER_GPU="GPU-8a5c"))[0]["device_ids"] == ["GPU-8a5c"]
    assert gpu["build"]["args"]["VARIANT"] == "cuda"
    assert gpu["image"] != plain["image"]
    assert gpu["environment"]["WHISPER_DEVICE"] == "cuda"
    for key in (*HARDENING, "volumes"):
        assert gpu[key] == plain[key], key


def overridden(image: str, folder: Path) -> Path:
    """A third file: the small model in place of a downloaded one."""
    file = folder / "override.yaml"
    file.write_text(
        f"services:\n  faster-whisper:\n    image: {image}\n    volumes: ['{ROOT / 'samples' / 'models'}:/models:ro']\n"
        "    environment: {WHISPER_MODEL: /models/micro-whisper}\n"
    )
    return file


@pytest.fixture
def project(faster_image: str, tmp_path: Path) -> Iterator[str]:
    """The shipped file under a project name of the test's own."""
    name = f"wg-test-{uuid.uuid4().hex[:8]}"
    words: list[str | Path] = ["-p", name, "-f", CPU, "-f", overridden(faster_image, tmp_path)]
    try:
        compose(*words, "create", "faster-whisper")
        yield name
    finally:
        compose(*words, "down", "--volumes")


@pytest.fixture
def gpu_project(faster_image: str, tmp_path: Path) -> Iterator[str]:
    """The same with a GPU, which Docker looks for only when the container starts."""
    name = f"wg-test-{uuid.uuid4().hex[:8]}"
    words: list[str | Path] = ["-p", name, "-f", CPU, "-f", GPU, "-f", overridden(faster_image, tmp_path)]
    try:
        compose(*words, "create", "faster-whisper")
        yield name
    finally:
        compose(*words, "down", "--volumes")


def test_the_container_may_write_to_its_volume_and_tmp_only_and_has_no_capabilities(project: str) -> None:
    container = inspected(project)
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Init"]
    assert not host["Privileged"]
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert [mount["Destination"] for mount in container["Mounts"] if mount["RW"]] == ["/cache"]
    assert container["Config"]["User"] == "engine"
    assert container["Config"]["StopTimeout"] == 300


def test_the_container_with_a_gpu_asks_docker_for_it(gpu_project: str) -> None:
    (request,) = inspected(gpu_project)["HostConfig"]["DeviceRequests"]
    assert (request["Driver"], request["DeviceIDs"], request["Capabilities"]) == ("nvidia", ["0"], [["gpu"]])


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
