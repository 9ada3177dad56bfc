"""How much memory of the GPU is free. The only importer of NVIDIA's management library.

Asking CUDA itself would mean loading CTranslate2 first, and a CUDA context takes memory of its own; the driver's
management library is what nvidia-smi asks, too.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""A driver in trouble can keep its callers for ever; then there is no GPU for us."""


def free_gpu_memory() -> int | None:
    """Bytes that are free on the GPU which CUDA would take, the first visible one; None if there is no such GPU."""
    answers: list[int | None] = []
    asking = threading.Thread(target=lambda: answers.append(_ask(os.environ)), name="gpu-probe", daemon=True)
    asking.start()
    asking.join(PATIENCE_S)
    if not answers:
        log.warning("gpu.silent after=%.0fs", PATIENCE_S)
        return None
    return answers[0]


def _ask(environment: Mapping[str, str]) -> int | None:
    try:
        import pynvml  # noqa: PLC0415  a tenth of a second, for the few who let the engine choose
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        device = _first_visible(pynvml, environment.get("CUDA_VISIBLE_DEVICES"))
        return None if device is None else int(pynvml.nvmlDeviceGetMemoryInfo(device).free)
    except pynvml.NVMLError as exc:
        log.debug("gpu.none reason=%r", str(exc))
        return None


def _first_visible(pynvml: Any, visible: str | None) -> Any:
    """CUDA_VISIBLE_DEVICES is CUDA's own variable: numbers or the beginnings of UUIDs; empty or -1 hides all.

    CUDA numbers GPUs by speed unless CUDA_DEVICE_ORDER=PCI_BUS_ID, the management library by bus: the same where all
    are alike.
    """
    if visible is None:
        return pynvml.nvmlDeviceGetHandleByIndex(0)
    first = visible.split(",")[0].strip()
    if first.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(first))
    return pynvml.nvmlDeviceGetHandleByUUID(first) if first.startswith(("GPU-", "MIG-")) else None
