"""Which model is the default where the settings leave that open: WHISPER_MODEL=auto, and DEVELOP=1."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from engines.faster.gpu import free_gpu_memory
from engines.faster.settings import WINDOWS_TOGETHER, FasterSettings
from engines.faster.weights import Weights, weights_of
from engines.models.sources import id_of

log = logging.getLogger(__name__)

_SMALL = 242_000_000
"""Parameters of the largest model that a few CPU cores keep up with."""


@dataclass(frozen=True, slots=True)
class Choice:
    """why: a clause for the log. on_cpu: there is a GPU, but it is too small."""

    source: str
    why: str
    on_cpu: bool = False


def settled(settings: FasterSettings, probe: Callable[[], int | None] = free_gpu_memory) -> FasterSettings:
    """The settings with `model` a model that is really there, and `device` one on which it fits.

    probe: tells the free GPU memory in bytes, or None; asked only if that matters. Logs what was chosen.
    """
    if not settings.develop and settings.model != "auto":
        return settings
    sizes = {source: weights_of(source) for source in settings.allowed if source != "auto"}
    if settings.develop:
        choice = smallest(sizes)
    elif settings.device == "cpu":
        choice = for_cpu(settings, sizes, "computing on the CPU was asked for")
    else:
        choice = for_gpu(settings, sizes, probe())
    device = "cpu" if choice.on_cpu and settings.device == "auto" else settings.device
    log.info("model.chosen model=%s device=%s why=%r", id_of(choice.source), device, choice.why)
    return settings.model_copy(update={"model": choice.source, "device": device})


def smallest(sizes: dict[str, Weights | None]) -> Choice:
    """Models of unknown size count as the largest. Of equals, the first."""
    source = min(sizes, key=lambda source: _parameters(sizes[source]))
    return Choice(source, "the smallest one, for development")


def for_gpu(settings: FasterSettings, sizes: dict[str, Weights | None], free: int | None) -> Choice:
    """The largest that fits. Of equals, the first."""
    if free is None:
        return for_cpu(settings, sizes, "there is no GPU")
    batch = settings.batch_size or WINDOWS_TOGETHER["cuda"]
    needs = {source: size.on_gpu(settings.compute_type, batch) for source, size in sizes.items() if size is not None}
    fitting = [source for source, need in needs.items() if need <= free]
    if not fitting:
        choice = for_cpu(settings, sizes, f"none is known to fit the {_gb(free)} of GPU memory that are free")
        return Choice(choice.source, choice.why, on_cpu=True)
    source = max(fitting, key=lambda source: _parameters(sizes[source]))
    fits = f"needs {_gb(needs[source])} of the {_gb(free)} of GPU memory that are free"
    return Choice(source, f"the largest that fits: {fits}")


def for_cpu(settings: FasterSettings, sizes: dict[str, Weights | None], why: str) -> Choice:
    """The one that the settings name for this; else the largest up to `small`, else the smallest."""
    named = settings.source_of(settings.cpu_model) if settings.cpu_model else None
    if named is not None:
        return Choice(named, f"{why}, and WHISPER_CPU_MODEL says so")
    light = [source for source in sizes if _parameters(sizes[source]) <= _SMALL]
    if light:
        return Choice(max(light, key=lambda source: _parameters(sizes[source])), f"{why}; the largest up to small")
    return Choice(smallest(sizes).source, f"{why}; the smallest one")


def _parameters(weights: Weights | None) -> float:
    return float("inf") if weights is None else weights.parameters


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
