"""How large a model is, and how much GPU memory it takes; without loading it.

A folder is asked itself: CTranslate2 writes `model.bin` as a list of arrays, each with its shape. For names on the hub
there is a table of what OpenAI's models, and those distilled from them, hold.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engines.models.sources import is_folder

_MILLIONS = {"tiny": 38, "base": 73, "small": 242, "medium": 764, "turbo": 809, "large": 1_544}
_MILLIONS_DISTILLED = {"small": 166, "medium": 394, "large": 756}
"""Parameters. OpenAI's model card, and the distilled models' pages on the hub."""

_SIZE = re.compile(r"(?<![a-z])(?:tiny|base|small|medium|turbo|large)(?![a-z])")

_STORED_BYTES = 2
"""For each parameter: models on the hub are stored as float16."""

_BYTES = {"default": None, "int16": 2, "float16": 2, "bfloat16": 2, "float32": 4}
"""For each parameter, by compute type. All others, `auto` too, keep int8 on a GPU."""

_CONTEXT_BYTES = 1_200_000_000
_WINDOW_BYTES = 230_000_000
"""What a CUDA context with cuBLAS and cuDNN takes, and each window of a batch in a model of large-v3's size, with five
beams. Fitted to the peaks that faster-whisper's README reports for large-v2 on a GPU (4.5 GB in float16 and 6.1 with
batches of 8; 2.9 and 4.5 in int8). In smaller models attention, which is most of it, shrinks with their width.
"""

_OLDEST_FORMAT = 4
"""Of model.bin; the ones before described arrays otherwise. Written since 2020: 5 and 6."""

_MOST_ARRAYS = 100_000


@dataclass(frozen=True, slots=True)
class Weights:
    parameters: int
    stored: int
    """Bytes on disk."""

    def on_gpu(self, compute_type: str, batch_size: int) -> int:
        """Bytes that it takes at most while it computes batches of that many windows."""
        each = _BYTES.get(compute_type, 1)
        weights = self.stored if each is None else self.parameters * each
        windows = batch_size * _WINDOW_BYTES * min(math.sqrt(self.parameters / 1_544_000_000), 1)
        return int(weights + _CONTEXT_BYTES + windows)


def weights_of(source: str) -> Weights | None:
    """None where nobody can tell: a folder without a model, a name on the hub that says nothing."""
    if is_folder(source):
        return _in_folder(Path(source) / "model.bin")
    name = source.rpartition("/")[2].lower()
    table = _MILLIONS_DISTILLED if "distil" in name else _MILLIONS
    sizes = [table[size] for size in _SIZE.findall(name) if size in table]
    if not sizes:
        return None
    parameters = (_MILLIONS["turbo"] if "turbo" in name else sizes[0]) * 1_000_000
    return Weights(parameters, parameters * _STORED_BYTES)


def _in_folder(file: Path) -> Weights | None:
    try:
        stored = file.stat().st_size
        with file.open("rb") as model:
            return Weights(_parameters(model), stored)
    except (OSError, struct.error, ValueError):
        return None


def _parameters(model: BinaryIO) -> int:
    """Raises struct.error or ValueError if this is not what CTranslate2 writes."""
    (version,) = _read(model, "I")
    if version < _OLDEST_FORMAT:
        raise ValueError("too old")
    _skip_text(model)
    _, arrays = _read(model, "II")
    if arrays > _MOST_ARRAYS:
        raise ValueError("damaged")
    return sum(_array(model) for _ in range(arrays))


def _array(model: BinaryIO) -> int:
    """How many numbers there are in the array that begins here; reads on to the next."""
    _skip_text(model)
    (rank,) = _read(model, "B")
    shape = _read(model, f"{rank}I")
    _, size = _read(model, "BI")
    model.seek(size, 1)
    return math.prod(shape)


def _skip_text(model: BinaryIO) -> None:
    (length,) = _read(model, "H")
    model.seek(length, 1)


def _read(model: BinaryIO, layout: str) -> tuple[int, ...]:
    layout = f"<{layout}"
    return struct.unpack(layout, model.read(struct.calcsize(layout)))
