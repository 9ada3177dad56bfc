"""What the faster-whisper engine can be told, beside what every engine can."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engines.transcription.settings import ServiceSettings, lower_case


class FasterSettings(ServiceSettings):
    model: Annotated[str, Field(alias="WHISPER_MODEL", min_length=1)] = "Systran/faster-whisper-small"
    """Folder with a model in CTranslate2's format, or a name on the Hugging Face hub, or a size such as `small`."""
    device: Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(lower_case), Field(alias="WHISPER_DEVICE")] = (
        "auto"
    )
    """Where the model computes: `cpu`, `cuda`, or `auto`, which is CUDA where there is a usable GPU."""
    compute_type: Annotated[
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
        Field(alias="WHISPER_COMPUTE_TYPE"),
    ] = "auto"
    """Number format: `auto` is the fastest that the device knows (`int8` on a CPU), `default` is the model's own."""
    cpu_threads: Annotated[int, Field(alias="WHISPER_CPU_THREADS", ge=0)] = 0
    """Threads for computing on a CPU; 0 lets CTranslate2 choose."""
