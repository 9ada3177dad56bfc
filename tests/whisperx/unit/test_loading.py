"""Why an alignment or diarization model cannot be loaded: with real libraries and a hub of our own."""

from __future__ import annotations

import gc
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines.models.models import Unloadable
from tests.fixtures.whisperx_models import ALIGN
from tests.unit.engines.models.hub import Hub, running

pytestmark = pytest.mark.usefixtures("libraries", "_files_are_closed")

TOKEN = "hf_" + "SecretSecretSecret"
NAME = Hub.repository


@pytest.fixture
def _files_are_closed() -> Iterator[None]:
    """A file of a folder in which another is missing stays open; that is not for the next test to hear of."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The libraries take it for the real one, and have an empty cache. They read their environment only once."""
    import transformers.utils.hub
    from huggingface_hub import constants
    from huggingface_hub.utils import reset_sessions

    empty, cache = tmp_path / "empty", str(tmp_path / "cache")
    empty.mkdir()
    with running(empty) as one:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(transformers.utils.hub, "_is_offline_mode", False, raising=False)
        monkeypatch.setattr(transformers.utils.hub, "TRANSFORMERS_CACHE", cache, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", cache)
        monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
        use(one.address, monkeypatch)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        reset_sessions()
        yield one
    reset_sessions()


def use(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    for module in (constants, file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pipeline(source: str | Path) -> Any:
    from engines.whisperx.loading import loaded_pipeline

    return loaded_pipeline(str(source), "cpu")


def align_model(source: str | Path) -> Any:
    from engines.whisperx.loading import loaded_align_model

    return loaded_align_model("en", str(source), "cpu")


def refused(load: Any, source: str | Path = NAME) -> str:
    with pytest.raises(Unloadable) as refusal:
        load(source)
    reason = str(refusal.value)
    assert TOKEN not in reason
    assert "\n" not in reason
    return reason


def test_a_pipeline_comes_from_the_hub_once(hub: Hub, diarization_model: Path) -> None:
    """Afterwards the cache is enough: nobody is asked, and the hub may be gone."""
    hub.files = files_of(diarization_model)
    assert pipeline(NAME).instantiated
    assert hub.asked
    hub.asked.clear()
    hub.status = 500
    assert pipeline(NAME).instantiated
    assert not hub.asked


def test_an_interrupted_download_is_completed(hub: Hub, diarization_model: Path) -> None:
    hub.files = {name: content for name, content in files_of(diarization_model).items() if "plda" not in name}
    refused(pipeline)
    hub.files = files_of(diarization_model)
    assert pipeline(NAME).instantiated


def test_the_token_goes_to_the_hub(hub: Hub, diarization_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.files = files_of(diarization_model)
    pipeline(NAME)
    assert hub.tokens == {f"Bearer {TOKEN}"}


def test_without_a_token_conditions_name_the_page(hub: Hub) -> None:
    hub.status, hub.error_code = 401, "GatedRepo"
    reason = refused(pipeline)
    assert f"{NAME} has conditions: accept them at {hub.address}/{NAME}, and set HF_TOKEN" in reason


def test_conditions_that_were_not_accepted_name_the_page(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.status, hub.error_code = 403, "GatedRepo"
    reason = refused(pipeline)
    assert f"the owner of HF_TOKEN has not accepted the conditions of {NAME}: do so at {hub.address}/{NAME}" in reason


def test_conditions_of_a_model_that_a_pipeline_refers_to_name_that_ones_page(
    hub: Hub, diarization_model: Path, tmp_path: Path
) -> None:
    """As pyannote/speaker-diarization-3.1 refers to pyannote/segmentation-3.0."""
    folder = tmp_path / "pipeline"
    shutil.copytree(diarization_model, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["pipeline"]["params"]["segmentation"] = "theirs/segmentation"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    hub.status, hub.error_code = 401, "GatedRepo"
    reason = refused(pipeline, folder)
    assert f"accept them at {hub.address}/theirs/segmentation," in reason


def test_a_wrong_token_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.status = 401
    for load in (pipeline, align_model):
        assert "the hub refuses HF_TOKEN: it is wrong, or no longer valid" in refused(load)


def test_a_hub_in_trouble_is_told(hub: Hub) -> None:
    hub.status = 503
    assert "the hub is in trouble (status 503)" in refused(pipeline)


def test_a_hub_that_is_not_there_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    use("http://127.0.0.1:9", monkeypatch)
    for load in (pipeline, align_model):
        reason = refused(load)
        assert "127.0.0.1:9 cannot be reached" in reason or "is not in the cache" in reason


def test_offline_without_a_cache_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import reset_sessions

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    reset_sessions()  # which have their own idea of that
    for load in (pipeline, align_model):
        assert "is not in the cache" in refused(load)
    assert not hub.asked


def test_offline_nobody_asks_the_server_of_pytorchs_models(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has the models for English, French, German, Italian and Spanish."""
    import torch
    from huggingface_hub import constants

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    reason = refused(align_model, "WAV2VEC2_ASR_BASE_960H")
    assert f"is not in the cache {tmp_path}/checkpoints, and HF_HUB_OFFLINE forbids fetching it" in reason
    assert "Downloading" not in capfd.readouterr().err


def test_an_alignment_model_whose_conditions_were_not_accepted_names_the_page(hub: Hub) -> None:
    hub.status, hub.error_code = 401, "GatedRepo"
    assert f"accept them at {hub.address}/{NAME}" in refused(align_model)


def test_of_an_alignment_model_only_what_is_needed_is_fetched(hub: Hub) -> None:
    hub.files = {**files_of(ALIGN), "pytorch_model.bin": b"the same again", "language_model/5gram.bin": b"large"}
    assert align_model(NAME)[1]["type"] == "huggingface"
    assert not [path for path in hub.asked if path.endswith(".bin")]


def test_an_alignment_model_comes_from_the_hub_once(hub: Hub) -> None:
    hub.files = files_of(ALIGN)
    assert align_model(NAME)[1]["type"] == "huggingface"
    hub.asked.clear()
    hub.status = 500
    assert align_model(NAME)[1]["type"] == "huggingface"
    assert not hub.asked


@pytest.mark.parametrize("load", [pipeline, align_model])
def test_a_folder_that_is_not_there_is_told(tmp_path: Path, load: Any) -> None:
    assert f"{tmp_path}/none: there is no such folder" in refused(load, tmp_path / "none")


@pytest.mark.parametrize("missing", ["config.yaml", "segmentation/pytorch_model.bin", "plda/plda.npz"])
def test_what_is_missing_in_a_pipelines_folder_is_told(diarization_model: Path, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "pipeline"
    shutil.copytree(diarization_model, folder)
    (folder / missing).unlink()
    assert f"there is no {folder}/{missing}" in refused(pipeline, folder)


@pytest.mark.parametrize("damaged", ["config.yaml", "embedding/pytorch_model.bin"])
def test_a_damaged_pipeline_is_told(diarization_model: Path, tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "pipeline"
    shutil.copytree(diarization_model, folder)
    (folder / damaged).unlink()
    (folder / damaged).write_bytes(b"{nonsense" * 50)
    assert "the folder holds none that can be loaded" in refused(pipeline, folder)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "vocab.json"])
def test_what_is_missing_in_an_alignment_models_folder_is_told(tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "align"
    shutil.copytree(ALIGN, folder)
    (folder / missing).unlink()
    assert "the folder holds none that can be loaded" in refused(align_model, folder)


def test_a_pipeline_that_sends_recordings_away_is_refused(tmp_path: Path) -> None:
    config = {"pipeline": {"name": "pyannote.audio.pipelines.VoiceActivityDetection", "params": {}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert "none that can be loaded" in refused(pipeline, tmp_path)


def test_a_language_without_a_model_is_told() -> None:
    from engines.whisperx.loading import loaded_align_model

    with pytest.raises(Unloadable, match="there is no alignment model for 'gd'; ALIGN_MODELS can name one"):
        loaded_align_model("gd", None, "cpu")


def test_an_alignment_model_may_have_its_weights_in_another_format(hub: Hub, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    weights = tmp_path / "pytorch_model.bin"
    torch.save(load_file(ALIGN / "model.safetensors"), weights)
    hub.files = {**files_of(ALIGN), weights.name: weights.read_bytes()}
    del hub.files["model.safetensors"]
    for _ in range(2):
        assert align_model(NAME)[1]["type"] == "huggingface"
        hub.status = 500
