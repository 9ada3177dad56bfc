"""What happens when there is a folder, but no good model in it: with real faster-whisper."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.faster.settings import FasterSettings
from engines.faster.transcriber import Transcriber
from engines.models.models import Models
from engines.transcription import memory
from engines.transcription.errors import ModelUnavailable
from tests.unit.engines.recordings import MODEL

pytestmark = [pytest.mark.anyio, pytest.mark.model]

Damage = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODEL, tmp_path / "ours"))


def models(folder: Path, **variables: str) -> Models[Transcriber]:
    settings = FasterSettings.from_environment({"WHISPER_MODEL": str(folder), "WHISPER_DEVICE": "cpu", **variables})
    return Models(settings, lambda source: Transcriber(source, settings))


async def refused(served: Models[Transcriber]) -> str:
    with pytest.raises(ModelUnavailable) as refusal:
        await served.load(served.default)
    return refusal.value.message.removeprefix("The model could not be loaded: ")


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def cut(name: str, length: int) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:length])


def filled(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (without("model.bin"), "there is no model.bin in {}"),
        (cut("model.bin", 0), "the model {} is damaged: File model.bin is incomplete"),
        (cut("model.bin", 3), "the model {} is damaged: File model.bin is incomplete"),
        (cut("model.bin", 500_000), "the model {} is damaged: Variable 'encoder/conv1/weight' has an invalid payload"),
        (filled("model.bin", b"\xff" * 1000), "the model {} is damaged: Unsupported model binary version"),
        (without("vocabulary.json"), "the model {} is damaged: Cannot load the vocabulary"),
        (cut("vocabulary.json", 100), "the model {} is damaged: [json.exception"),
        (cut("config.json", 20), "the model {} is damaged: [json.exception"),
        (cut("tokenizer.json", 100), "the model {} is damaged: EOF while parsing"),
        (filled("tokenizer.json", b"not JSON"), "the model {} is damaged: expected ident"),
        (filled("tokenizer.json", b"{}"), "the model {} is damaged: "),
        (filled("tokenizer.json", b'{"model": 1}'), "the model {} is damaged: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_damaged_model_is_explained_and_works_once_it_is_mended(
    folder: Path, damage: Damage, reason: str
) -> None:
    damage(folder)
    served = models(folder)
    assert (await refused(served)).startswith(reason.format(folder))
    shutil.copytree(MODEL, folder, dirs_exist_ok=True)
    async with served.borrowed(served.default):
        assert served.loaded() == ["ours"]


async def test_a_missing_tokenizer_that_cannot_be_fetched_is_explained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "cache"))
    (folder / "tokenizer.json").unlink()
    reason = await refused(models(folder))
    assert reason.startswith(
        f"there is no tokenizer.json in {folder}, and none could be fetched: it is not in the cache"
    )


async def test_a_number_format_that_the_device_does_not_know_is_explained(folder: Path) -> None:
    reason = await refused(models(folder, WHISPER_COMPUTE_TYPE="float16"))
    assert reason == "this device cannot compute with WHISPER_COMPUTE_TYPE=float16 (auto takes what it can)"


async def test_a_gpu_that_is_not_there_is_explained(folder: Path) -> None:
    reason = await refused(models(folder, WHISPER_DEVICE="cuda"))
    assert reason.startswith("the GPU cannot be used: ")
    assert reason.endswith("(WHISPER_DEVICE=cpu does without)")


async def test_loading_and_unloading_leaks_nothing(folder: Path) -> None:
    """Thirty times, and the memory is that of the tenth time."""
    served = models(folder)
    sizes = []
    for _ in range(30):
        await served.load("ours")
        await served.unload("ours")
        sizes.append(memory.resident())
    assert sizes[-1] < sizes[9] + 2_000_000, json.dumps(sizes)
