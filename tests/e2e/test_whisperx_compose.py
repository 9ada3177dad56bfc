"""The WhisperX engine in compose.yaml and its GPU override: what they say, and where its token comes from."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.e2e import compose as composing
from tests.e2e.compose import CPU, GPU, HARDENING, devices, inspected
from tests.e2e.engine_container import host_address, run_inside, until_logged
from tests.e2e.whisperx_container import settings, transcribe
from tests.fixtures.speech import GOODBYE
from tests.unit.engines.models import hub

pytestmark = [pytest.mark.docker, pytest.mark.model]

TOKEN = "hf_verysecret"


def service(*files: Path, **environment: str) -> dict[str, Any]:
    return composing.service(*files, name="whisperx", **environment)


def test_it_is_as_hardened_as_the_other_engine_and_comes_only_when_asked_for() -> None:
    ours, other = service(CPU), composing.service(CPU)
    assert {key: ours[key] for key in HARDENING} == {key: other[key] for key in HARDENING}
    assert ours["image"] != other["image"]


def test_the_gpu_override_asks_for_one_gpu_and_an_image_that_can_use_it() -> None:
    plain, gpu = service(CPU), service(CPU, GPU, WHISPER_GPU="1")
    assert "deploy" not in plain
    assert devices(gpu) == [{"driver": "nvidia", "device_ids": ["1"], "capabilities": ["gpu"]}]
    assert gpu["build"]["args"]["VARIANT"] == "cuda"
    assert gpu["image"] != plain["image"]
    assert gpu["environment"]["WHISPER_DEVICE"] == "cuda"
    for key in (*HARDENING, "volumes", "secrets"):
        assert gpu[key] == plain[key], key


def test_settings_go_into_a_file_that_need_not_be_there(tmp_path: Path) -> None:
    file = tmp_path / CPU.name
    file.write_text(CPU.read_text())
    assert service(file)["environment"] == {"HF_TOKEN_FILE": ""}, "which is no token file"
    (tmp_path / "whisperx.env").write_text("WHISPER_MODEL=large-v3\nHF_TOKEN=hf_x\n")
    told = {"WHISPER_MODEL": "large-v3", "HF_TOKEN": "hf_x", "HF_TOKEN_FILE": ""}
    assert service(file)["environment"] == told


Create = Callable[..., Container]


@pytest.fixture
def create(whisperx_image: str, tmp_path: Path) -> Iterator[Create]:
    """Creates the container of the shipped file, on the small models, in a project of its own. Takes more settings."""
    name = f"wg-test-{uuid.uuid4().hex[:8]}"
    words: list[str | Path] = ["-p", name, "-f", CPU, "-f", tmp_path / "override.yaml"]
    client = docker.from_env()

    def create(environment: dict[str, str], **variables: str) -> Container:
        made = settings(tmp_path, **environment)
        mounts = [f"{source}:{mount['bind']}:ro" for source, mount in made["volumes"].items()]
        told = "".join(f"      {key}: '{value}'\n" for key, value in made["environment"].items())
        (tmp_path / "override.yaml").write_text(
            f"services:\n  whisperx:\n    image: {whisperx_image}\n    volumes: {mounts}\n    environment:\n{told}"
        )
        composing.compose(*words, "create", "whisperx", profile="whisperx", **variables)
        return client.containers.get(str(inspected(name)["Id"]))

    try:
        yield create
    finally:
        composing.compose(*words, "down", "--volumes", profile="whisperx")
        client.close()


def test_without_a_token_it_starts_just_as_well(create: Create) -> None:
    container = create({})
    container.start()
    until_logged(container, "Uvicorn running")
    assert run_inside(container, "cat", "/run/secrets/hf_token") == ""


def test_a_token_in_a_file_reaches_the_hub_and_neither_log_nor_answer_nor_the_container_s_description(
    create: Create, tmp_path: Path
) -> None:
    """By the way, what a hub says that has not heard of our agreeing to its conditions."""
    token = tmp_path / "hf-token"
    token.write_text(f"{TOKEN}\n")
    (tmp_path / "models").mkdir()
    with hub.running(tmp_path / "models", host=host_address()) as model_hub:
        model_hub.status, model_hub.error_code = 403, "GatedRepo"
        told = {"DIARIZATION_MODEL": "ours/meetings", "HF_ENDPOINT": model_hub.address, "HF_HUB_OFFLINE": "0"}
        container = create({**told, "LOG_LEVEL": "debug"}, HF_TOKEN_FILE=str(token))
        container.start()
        until_logged(container, "Uvicorn running")
        answer = transcribe(container, GOODBYE, diarize="true")
    assert answer.status_code == 503
    assert f"{model_hub.address}/ours/meetings" in answer.json()["detail"]
    assert f"Bearer {TOKEN}" in model_hub.tokens
    assert run_inside(container, "cat", "/run/secrets/hf_token").strip() == TOKEN
    container.reload()
    for text in (answer.text, container.logs().decode(), str(container.attrs)):
        assert TOKEN not in text
