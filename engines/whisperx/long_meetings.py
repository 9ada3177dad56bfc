"""Makes pyannote's diarization fit for recordings of hours. HEAVY: import it in a thread.

As it is, four hours take more than ten gigabytes and end in minutes in which it can neither be stopped nor lets other
threads run. Up to `MOST` points to be clustered (an hour and more of talk, with community-1) the results are the
library's; of more, a sample of so many is clustered, and all are then assigned to the clusters found, which is what
pyannote does anyway.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import clustering, speaker_diarization
from pyannote.audio.pipelines.clustering import BaseClustering
from pyannote.audio.pipelines.speaker_diarization import SpeakerDiarization
from pyannote.core import Segment, SlidingWindowFeature

from engines.whisperx import kept_batches
from engines.whisperx.checkpoints import check

MOST = 6_000
"""Points that are clustered, one for each speaker in each window: memory and time grow with its square, which makes
300 MB and some seconds."""
HERE = 2_500
"""Points that are clustered in this process: a quarter of a second, and starting another takes as long."""
TOGETHER = 500
"""Windows that are binarized together."""
_PATIENCE_S = 0.2
"""Between looks whether the result is still wanted."""

Floats = NDArray[np.float64]

assert kept_batches.SHELF_BYTES  # imported for what it does to pyannote

_their_binarize = speaker_diarization.binarize
_their_filter = BaseClustering.filter_embeddings
_their_linkage = clustering.linkage
_their_reconstruct = SpeakerDiarization.reconstruct


def binarize(scores: Any, **options: Any) -> Any:
    """In place of pyannote's, which makes lists of numbers of all windows: a gigabyte for four hours."""
    if not isinstance(scores, SlidingWindowFeature) or scores.data.ndim != 3:
        return _their_binarize(scores, **options)
    binary = np.empty(scores.data.shape, dtype=np.float32)
    for first in range(0, len(binary), TOGETHER):
        check()
        some = SlidingWindowFeature(scores.data[first : first + TOGETHER], scores.sliding_window)
        binary[first : first + TOGETHER] = _their_binarize(some, **options).data
    return SlidingWindowFeature(binary, scores.sliding_window)


def filter_embeddings(self: BaseClustering, embeddings: Any, **options: Any) -> tuple[Any, ...]:
    """In place of pyannote's: points that are worth clustering, but not more than are possible."""
    check()
    found: tuple[Any, ...] = _their_filter(self, embeddings, **options)
    count = len(found[0])
    if count <= MOST:
        return found
    sample = np.linspace(0, count - 1, MOST).astype(int)
    return tuple(array[sample] for array in found)


def linkage(points: Floats, **options: Any) -> Floats:
    """In place of SciPy's, for pyannote."""
    check()
    if len(points) > HERE:
        return _linked_elsewhere(points, options)
    links: Floats = _their_linkage(points, **options)
    return links


def _linked_elsewhere(points: Floats, options: dict[str, Any]) -> Floats:
    """Through files, which unlike pipes need nobody who reads and writes meanwhile.

    Raises MemoryError if that process did not survive.
    """
    program = [sys.executable, "-P", str(Path(__file__).with_name("linkage.py")), json.dumps(options)]
    with TemporaryFile() as given, TemporaryFile() as found:
        np.save(given, points)
        given.seek(0)
        status = _status(program, stdin=given, stdout=found)
        if status:
            raise MemoryError(f"clustering of {len(points)} points ended with {status}")
        found.seek(0)
        links: Floats = np.load(found)
        return links


def _status(program: list[str], **files: Any) -> int:
    """Of the finished program; it is ended if its result is no longer wanted."""
    with subprocess.Popen(program, stderr=subprocess.DEVNULL, **files) as process:  # noqa: S603  our own program
        try:
            while True:
                check()
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_PATIENCE_S)
        except BaseException:
            process.kill()
            raise


class Clustered:
    """For each window, how active each of all speakers is: what pyannote keeps in an array with a place for each
    speaker in each frame of each window, gigabytes for many speakers, made when it is needed.

    Quacks like a SlidingWindowFeature as far as `Inference.aggregate` goes.
    """

    def __init__(self, segmentations: Any, clusters: Any) -> None:
        self._segmentations = segmentations
        self._clusters = clusters
        self.sliding_window = segmentations.sliding_window
        windows, frames, _ = segmentations.data.shape
        self.data = SimpleNamespace(shape=(windows, frames, int(np.max(clusters)) + 1))

    def __iter__(self) -> Iterator[tuple[Segment, Floats]]:
        for clusters, (window, activity) in zip(self._clusters, self._segmentations, strict=False):
            check()
            active = np.full(self.data.shape[1:], np.nan)
            for cluster in np.unique(clusters):
                if cluster >= 0:
                    active[:, cluster] = np.max(activity[:, clusters == cluster], axis=1)
            yield window, active


def reconstruct(self: SpeakerDiarization, segmentations: Any, hard_clusters: Any, count: Any) -> Any:
    """In place of pyannote's."""
    check()
    return self.to_diarization(Clustered(segmentations, hard_clusters), count)


speaker_diarization.binarize = binarize
clustering.linkage = linkage
BaseClustering.filter_embeddings = filter_embeddings
SpeakerDiarization.reconstruct = reconstruct
