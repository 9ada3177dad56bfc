"""What an engine with models can be told, beside what every engine can."""

from __future__ import annotations

import os
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from engines.models.contradictions import problems_of
from engines.models.lists import parse_aliases, parse_names, parse_preload, parse_ttl
from engines.models.sources import id_of
from engines.transcription.settings import ServiceSettings, lower_case

Device = Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(lower_case)]
ComputeType = Annotated[
    Literal[
        "default",
        "auto",
        "int8",
        "int8_float32",
        "int8_float16",
        "int8_bfloat16",
        "int16",
        "float16",
        "bfloat16",
        "float32",
    ],
    BeforeValidator(lower_case),
]


MOST_THREADS = 4
"""More threads than cores only wait for each other; beyond four, Whisper's small matrices gain little."""


class ModelSettings(ServiceSettings):
    """A model is named by its folder, its name on the hub, or a size; where it has been named, its id will do, too."""

    CHOOSES: ClassVar[bool] = False
    """`WHISPER_MODEL=auto` lets the engine choose."""
    TELLS_SPEAKERS: ClassVar[bool] = False

    model: str = Field(
        "Systran/faster-whisper-small",
        alias="WHISPER_MODEL",
        description="The default model: folder of a CTranslate2 model, or a name on the Hugging Face hub, or a size: "
        "`small`. If only `WHISPER_MODELS` is set, its first.",
    )
    models: Annotated[tuple[str, ...], BeforeValidator(parse_names)] = Field(
        (),
        alias="WHISPER_MODELS",
        description="All models that requests may ask for, separated by commas. Each is loaded when it is needed.",
    )
    aliases: Annotated[dict[str, str], BeforeValidator(parse_aliases)] = Field(
        {},
        alias="WHISPER_ALIASES",
        description="Other names for them: `meetings=large-v3,whisper-1=small`. `whisper-1` and OpenAI's "
        "`gpt-*-transcribe` stand for the default model unless they are named here.",
    )
    preload: Annotated[tuple[str, ...], BeforeValidator(parse_preload)] = Field(
        ("default",),
        alias="WHISPER_PRELOAD",
        description="What is loaded at start: `default`, `none`, or names, separated by commas.",
    )
    ttl: Annotated[dict[str, float | None], BeforeValidator(parse_ttl)] = Field(
        {"": None},
        alias="WHISPER_TTL",
        description="How long a model stays loaded after its last use: `never` unloaded, seconds, or such as `5m`; `0` "
        "unloads at once. For single models: `never,large-v3=5m`.",
    )
    device: Device = Field(
        "auto",
        alias="WHISPER_DEVICE",
        description="Where models compute: `cpu`, `cuda`, or `auto`: CUDA where there is a GPU.",
    )
    compute_type: ComputeType = Field(
        "auto",
        alias="WHISPER_COMPUTE_TYPE",
        description="Number format, as `int8` or `float32`; `auto` is the fastest that the device knows "
        "(`int8` on a CPU), `default` is the model's own.",
    )
    cpu_threads: int = Field(
        0,
        alias="WHISPER_CPU_THREADS",
        ge=0,
        description="Threads for computing on a CPU; 0 takes one for each core that the engine may use, at most 4.",
    )

    @property
    def threads(self) -> int:
        """For computing on a CPU."""
        return self.cpu_threads or min(MOST_THREADS, _usable_cores())

    @property
    def allowed(self) -> tuple[str, ...]:
        """As they were written: folders, names on the hub, sizes."""
        return self.models or (self.model,)

    @property
    def default(self) -> str:
        """One of `allowed`. Not to be asked as long as it is to be chosen."""
        assert self.model != "auto"
        return (self.source_of(self.model) if "model" in self.model_fields_set else None) or self.allowed[0]

    def source_of(self, name: str) -> str | None:
        """The allowed model that is meant by its source or its id, as it was written; None if there is none."""
        return next((source for source in self.allowed if name in (source, id_of(source))), None)

    def ttl_of(self, source: str) -> float | None:
        """Seconds after its last use until it is unloaded; None for never."""
        return next((self.ttl[name] for name in (source, id_of(source), "") if name in self.ttl), None)

    def contradictions(self) -> list[tuple[str, str]]:
        return list(problems_of(self))


def _usable_cores() -> int:
    """Fewer than the machine has where the engine is held to some of them; not every system can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
