"""What we do to pyannote for recordings of hours changes no result, or as little as promised."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from engines.whisperx.checkpoints import checking
from tests.whisperx.unit.stopping import Checkpoint, Stopped, never

pytestmark = pytest.mark.usefixtures("libraries")


@pytest.fixture
def ours(libraries: None) -> Any:
    from engines.whisperx import long_meetings

    return long_meetings


def voices(count: int, speakers: int = 3, seed: int = 0) -> Any:
    """Embeddings of so many windows in which one of the speakers speaks."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(speakers, 32))
    return (centres[np.arange(count) % speakers] + random.normal(size=(count, 32)) * 0.3).astype(np.float32)


def windows(activity: Any) -> Any:
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    return SlidingWindowFeature(activity, SlidingWindow(duration=5.0, step=0.5))


@pytest.mark.parametrize("method", ["centroid", "average"])
def test_another_process_links_as_this_one_does(ours: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points = voices(200)
    here = ours.linkage(points, method=method, metric="euclidean")
    monkeypatch.setattr(ours, "HERE", 100)
    np.testing.assert_array_equal(ours.linkage(points, method=method, metric="euclidean"), here)


def test_linking_elsewhere_can_be_stopped(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the other process with it: leaving waits for its end."""
    monkeypatch.setattr(ours, "_PATIENCE_S", 0.01)
    with checking(Checkpoint(last=3)), pytest.raises(Stopped):
        ours.linkage(voices(ours.MOST), method="centroid", metric="euclidean")


def test_another_process_that_does_not_survive_is_want_of_memory(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "HERE", 100)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MemoryError, match="200 points"):
        ours.linkage(voices(200), method="centroid", metric="euclidean")


@pytest.mark.parametrize("speakers", [2, 5])
def test_a_sample_of_the_windows_finds_the_same_speakers(
    ours: Any, speakers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyannote.audio.pipelines.clustering import AgglomerativeClustering

    clustering = AgglomerativeClustering(metric="cosine")
    clustering.instantiate({"method": "centroid", "min_cluster_size": 12, "threshold": 0.7})
    embeddings = voices(3_000, speakers)[:, None, :]
    activity = windows(np.ones((3_000, 20, 1), np.float32))
    every, _, _ = clustering(embeddings, activity)
    monkeypatch.setattr(ours, "MOST", 400)
    sampled, _, centres = clustering(embeddings, activity)
    assert len(centres) == speakers
    pairs = set(zip(every[:, 0].tolist(), sampled[:, 0].tolist(), strict=True))
    assert len(pairs) == speakers, "the same but for their numbers"


def test_windows_are_binarized_as_by_pyannote(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = windows(np.random.default_rng(1).random((53, 30, 3)).astype(np.float32))
    scores.data[7] = np.nan
    expected = ours._their_binarize(scores, onset=0.5, initial_state=False)
    monkeypatch.setattr(ours, "TOGETHER", 10)
    binary = ours.binarize(scores, onset=0.5, initial_state=False)
    np.testing.assert_array_equal(binary.data, expected.data)
    with checking(Checkpoint(last=4)), pytest.raises(Stopped):
        ours.binarize(scores, onset=0.5, initial_state=False)
    flat = np.random.default_rng(2).random((5, 9))
    np.testing.assert_array_equal(ours.binarize(flat, onset=0.5), ours._their_binarize(flat, onset=0.5))


def test_what_is_kept_of_batches_lies_together(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from engines.whisperx import kept_batches

    monkeypatch.setattr(kept_batches, "SHELF_BYTES", 20 * 32 * 4)
    shelf = kept_batches.Shelf()
    batches = [voices(count, seed=count) for count in (8, 8, 3, 8, 30, 5)]
    kept = [shelf.take(batch) for batch in batches]
    np.testing.assert_array_equal(np.vstack(kept), np.vstack(batches))
    assert kept[0].base is kept[1].base is kept[2].base
    assert len({id(one.base) for one in kept}) == 4
    assert shelf.take(batches[0].astype(np.float64)).dtype == np.float64
    assert shelf.take(batches[0][:, :5]).shape == (8, 5)
    assert shelf.take(batches[0].reshape(8, 4, 8)).shape == (8, 4, 8)
    assert shelf.take(batches[0][:0]).shape == (0, 32)


def test_windows_are_put_together_as_by_pyannote(ours: Any, diarizer: Any) -> None:
    pipeline = diarizer._pipeline
    frames = pipeline._segmentation.model.receptive_field
    random = np.random.default_rng(3)
    scores = random.random((40, 293, 3)).astype(np.float32)
    scores[5, :, 1] = np.nan
    segmentations, binary = windows(scores), windows((scores > 0.6).astype(np.float32))
    clusters = random.integers(0, 4, (40, 3)).astype(np.int8)
    clusters[::7, 2] = -2
    count = pipeline.speaker_count(binary, frames, warm_up=(0.0, 0.0))
    expected = ours._their_reconstruct(pipeline, segmentations, clusters, count)
    found = ours.reconstruct(pipeline, segmentations, clusters, count)
    np.testing.assert_array_equal(found.data, expected.data)
    with checking(never), checking(Checkpoint(last=20)), pytest.raises(Stopped):
        ours.reconstruct(pipeline, segmentations, clusters, count)
