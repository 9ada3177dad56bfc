"""What the faster-whisper engine can be told, beside what every engine can."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

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


class FasterSettings(ServiceSettings):
    model: str = Field(
        "Systran/faster-whisper-small",
        alias="WHISPER_MODEL",
        description="Folder of a CTranslate2 model, or a name on the Hugging Face hub, or a size: `small`.",
    )
    device: Device = Field(
        "auto",
        alias="WHISPER_DEVICE",
        description="Where the model computes: `cpu`, `cuda`, or `auto`: CUDA where there is a GPU.",
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
