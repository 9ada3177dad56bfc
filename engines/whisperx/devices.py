"""What computes, with how many threads, and how it says that it has no memory left. HEAVY: import it in a thread."""

from __future__ import annotations

from typing import Protocol

import ctranslate2
import torch

from engines.transcription import memory


class Settings(Protocol):
    """What models need to know of the engine's settings."""

    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...


def device_of(settings: Settings) -> str:
    """`cpu` or `cuda`, which must suit both libraries that compute: CTranslate2 and torch."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if ctranslate2.get_cuda_device_count() and torch.cuda.is_available() else "cpu"


def use_threads(settings: Settings) -> None:
    """Have torch compute with so many, in all threads of this process."""
    if torch.get_num_threads() != settings.threads:
        torch.set_num_threads(settings.threads)


def is_want_of_memory(problem: BaseException) -> bool:
    """Of torch, too, which says so by its kind."""
    return memory.is_wanting(problem) or isinstance(problem, torch.OutOfMemoryError)


def tidy_up() -> None:
    """Give back what torch keeps of the GPU's memory for later, so that there is room for something smaller."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
