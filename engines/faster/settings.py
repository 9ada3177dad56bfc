"""What the faster-whisper engine can be told, beside what every engine can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from engines.models.contradictions import not_allowed
from engines.models.settings import ModelSettings

WINDOWS_TOGETHER = {"cpu": 8, "cuda": 16}
"""Windows in a batch, by device, where the settings leave it open."""


class FasterSettings(ModelSettings):
    CHOOSES = True
    OLD_NAMES: ClassVar[Mapping[str, str]] = {
        "WHISPER__MODEL": "WHISPER_MODEL",
        "WHISPER__TTL": "WHISPER_TTL",
        "WHISPER__INFERENCE_DEVICE": "WHISPER_DEVICE",
        "WHISPER__COMPUTE_TYPE": "WHISPER_COMPUTE_TYPE",
        "WHISPER__CPU_THREADS": "WHISPER_CPU_THREADS",
        "WHISPER__NUM_WORKERS": "WHISPER_WORKERS",
        "PRELOAD_MODELS": "WHISPER_PRELOAD",
    }
    """faster-whisper-server's names for the same things."""

    model: str = Field(
        "Systran/faster-whisper-small",
        alias="WHISPER_MODEL",
        description="The default model: folder of a CTranslate2 model, or a name on the Hugging Face hub, or a size: "
        "`small`. `auto`: the largest of `WHISPER_MODELS` that fits the GPU, see below. If only `WHISPER_MODELS` is "
        "set, its first.",
    )
    workers: int = Field(
        1,
        alias="WHISPER_WORKERS",
        ge=1,
        description="How many batches a model computes at the same time. More take more memory and, on a CPU, as many "
        "times the threads.",
    )
    batch_size: int = Field(
        0,
        alias="WHISPER_BATCH_SIZE",
        ge=0,
        description="How many windows of 30 seconds are computed together, of one recording or of several; 0 takes 16 "
        "on a GPU and 8 on a CPU, 1 computes each alone.",
    )
    cpu_model: str | None = Field(
        None,
        alias="WHISPER_CPU_MODEL",
        description="What `auto` chooses where nothing fits a GPU. Unless set: the largest of `WHISPER_MODELS` that is "
        "not larger than `small`, or the smallest of all.",
    )
    develop: bool = Field(
        False,  # noqa: FBT003  pydantic takes the default so
        alias="DEVELOP",
        description="`1` makes the smallest of `WHISPER_MODELS` the default, whatever `WHISPER_MODEL` says: for trying "
        "things out.",
    )

    def contradictions(self) -> list[tuple[str, str]]:
        """As of all models, and the one for where nothing fits a GPU must be allowed, too."""
        problems = super().contradictions()
        if self.cpu_model and self.source_of(self.cpu_model) is None:
            problems.append(("WHISPER_CPU_MODEL", not_allowed(self, self.cpu_model)))
        return problems
