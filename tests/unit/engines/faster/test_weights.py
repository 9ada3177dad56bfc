"""How large models are, against a real one and against what is known of those on the hub."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.faster.weights import Weights, weights_of
from engines.models.sources import SIZES
from tests.unit.engines.recordings import MODEL

GB = 1_000_000_000


def test_a_folder_is_counted() -> None:
    """Embedding 64, 3 + 2 layers, in int8: its scales and biases are the rest of the file."""
    weights = weights_of(str(MODEL))
    assert weights is not None
    assert weights.stored == (MODEL / "model.bin").stat().st_size
    assert 0.75 < weights.parameters / weights.stored < 1


class Small(ctranslate2.specs.ModelSpec):  # type: ignore[misc]  # ctranslate2 ships no types
    """A model of one layer: 64 x 32 weights and 64 biases."""

    name, revision = "Small", 1

    def __init__(self) -> None:
        self.layer = ctranslate2.specs.common_spec.LinearSpec()
        self.layer.weight = np.ones((64, 32), np.float32)
        self.layer.bias = np.ones(64, np.float32)


@pytest.mark.parametrize(("quantization", "rest"), [("float32", 0), ("float16", 0), ("int8", 64)], ids=str)
def test_what_is_counted_does_not_depend_on_how_it_is_stored(tmp_path: Path, quantization: str, rest: int) -> None:
    """But for the scales that int8 needs."""
    spec = Small()
    spec.validate()
    spec.optimize(quantization=quantization)
    spec._serialize(tmp_path / "model.bin")
    weights = weights_of(str(tmp_path))
    assert weights is not None
    assert weights.parameters == 64 * 32 + 64 + rest


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("tiny.en", 38),
        ("Systran/faster-whisper-small", 242),
        ("large", 1544),
        ("large-v2", 1544),
        ("deepdml/faster-whisper-large-v3-turbo-ct2", 809),
        ("turbo", 809),
        ("Systran/faster-distil-whisper-large-v3", 756),
        ("distil-whisper/distil-large-v3.5-ct2", 756),
        ("someone/WHISPER-Medium-fr-ct2", 764),
    ],
)
def test_names_tell_the_size(name: str, millions: int) -> None:
    weights = weights_of(name)
    assert weights is not None
    assert (weights.parameters, weights.stored) == (millions * 1_000_000, millions * 2_000_000)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_known(size: str) -> None:
    assert weights_of(size) == weights_of(SIZES[size])
    assert weights_of(size) is not None


@pytest.mark.parametrize("name", ["someone/my-whisper", "someone/database", "someone/smallish", "a/distil-tiny"])
def test_names_that_say_nothing_are_of_unknown_size(name: str) -> None:
    assert weights_of(name) is None


def test_a_folder_without_a_model_is_of_unknown_size(tmp_path: Path) -> None:
    assert weights_of(str(tmp_path)) is None
    assert weights_of(str(tmp_path / "large-v3")) is None


def test_damaged_models_are_of_unknown_size(tmp_path: Path) -> None:
    whole = (MODEL / "model.bin").read_bytes()
    for damaged in (b"", b"\x03" + whole[1:], whole[:40], b"\xff" * 1000, whole[:-1000].replace(b"\x00", b"\xff")):
        (tmp_path / "model.bin").write_bytes(damaged)
        assert weights_of(str(tmp_path)) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_not(tmp_path_factory: pytest.TempPathFactory, rubbish: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "rubbish"
    folder.mkdir(exist_ok=True)
    (folder / "model.bin").write_bytes(b"\x06\x00\x00\x00" + rubbish)
    weights_of(str(folder))


@pytest.mark.parametrize(
    ("compute_type", "batch_size", "peak"),
    [("float16", 1, 4.525), ("float16", 8, 6.090), ("int8", 1, 2.926), ("int8", 8, 4.500)],
)
def test_the_estimate_is_close_to_what_faster_whisper_reports_for_large_v2(
    compute_type: str, batch_size: int, peak: float
) -> None:
    weights = weights_of("large-v2")
    assert weights is not None
    assert weights.on_gpu(compute_type, batch_size) / GB == pytest.approx(peak, rel=0.03)


def test_the_compute_type_counts() -> None:
    weights = Weights(GB, stored=3 * GB)
    sizes = [weights.on_gpu(kind, 1) for kind in ("auto", "int8_float16", "float16", "default", "float32")]
    assert sizes == sorted(sizes)
    assert [round((size - sizes[0]) / GB) for size in sizes] == [0, 0, 1, 2, 3]
