"""What the Dockerfile can be told: to bake a model in, and to build for GPUs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Engine, build_faster
from tests.e2e.engine_container import (
    ASK_INSIDE,
    AUDIO,
    HARDENED,
    MODEL,
    RECORDING,
    SAID,
    host_address,
    run_inside,
    start,
)
from tests.fixtures.docker import name_of_image
from tests.unit.engines.models import hub

pytestmark = [pytest.mark.docker, pytest.mark.model]

MakeEngine = Callable[..., Engine]


def said_without_network(make_engine: MakeEngine, image: str) -> str:
    """What an engine answers that has nothing but its image, a recording, and no way out."""
    volumes = {str(AUDIO): {"bind": "/audio", "mode": "ro"}}
    engine = make_engine(image, network_mode="none", volumes=volumes, **HARDENED)
    text: str = json.loads(run_inside(start(engine), "python", "-c", ASK_INSIDE, f"/audio/{RECORDING.name}"))["text"]
    return text.strip()


def test_a_folder_can_be_baked_in(make_engine: MakeEngine) -> None:
    image = build_faster(name_of_image("baked-folder"), MODEL=str(MODEL.relative_to(ROOT)))
    assert said_without_network(make_engine, image) == SAID


def test_a_model_of_the_hub_can_be_baked_in_and_the_token_stays_out(make_engine: MakeEngine, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hf_secret")
    with hub.running(MODEL, host=host_address()) as model_hub:
        secret = f"--secret=id=HF_TOKEN,src={token}"
        name, address = model_hub.repository, model_hub.address
        image = build_faster(name_of_image("baked-hub"), secret, MODEL=name, HF_ENDPOINT=address)
        assert "Bearer hf_secret" in model_hub.tokens
    assert said_without_network(make_engine, image) == SAID
    history = subprocess.run(
        ["docker", "history", "--no-trunc", image], capture_output=True, text=True, check=True
    ).stdout
    assert name in history
    assert "hf_secret" not in history


FIND_LIBRARY = "import ctypes; ctypes.CDLL('libnvtx3interop.so.1'); import ctranslate2; print('found')"


def test_the_gpu_image_finds_the_libraries_that_it_brings(make_engine: MakeEngine) -> None:
    """With a small library of NVIDIA's in place of cuBLAS, which is half a gigabyte: the way to both is the same."""
    image = build_faster(name_of_image("cuda"), VARIANT="cuda", CUDA_LIBRARIES="nvidia-nvtx-cu12")
    container = make_engine(image, command=["python", "-c", FIND_LIBRARY], **HARDENED).container
    container.start()
    assert container.wait()["StatusCode"] == 0, container.logs().decode()
    assert container.logs().decode() == "found\n"


def test_what_ctranslate2_loads_by_name_is_what_the_gpu_image_brings() -> None:
    """Should a version want cuDNN again, as older ones did, the image would lack it."""
    import ctranslate2

    package = Path(ctranslate2.__file__).parent
    (library,) = (package.parent / "ctranslate2.libs").glob("libctranslate2*")
    content = library.read_bytes()
    assert b"libcublas.so.12" in content
    for other in (b"libcudnn", b"libcublasLt", b"libcurand", b"libcufft", b"libcusparse", b"libnvrtc"):
        assert other not in content
