"""What the WhisperX engine can be told, beside what every engine can."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from engines.models.lists import parse_names
from engines.models.settings import ModelSettings
from engines.models.sources import SIZES, is_folder, is_possible
from engines.transcription.languages import parse_language

WINDOWS_TOGETHER = {"cpu": 8, "cuda": 16}
"""Windows in a batch, by device, where the settings leave it open."""


_BUNDLE = re.compile(r"[A-Z0-9_]+")


def _is_folder_or_on_hub(source: str) -> bool:
    return is_folder(source) or (is_possible(source) and source not in SIZES)


def parse_align_models(value: object) -> dict[str, str]:
    """`en=/models/align-en,fr=owner/name` → source by language's code. Raises ValueError with a remedy."""
    sources: dict[str, str] = {}
    for entry in parse_names(value):
        name, _, source = (part.strip() for part in entry.partition("="))
        if not name or not source:
            raise ValueError(f'{entry!r} names no language and model (try "en=/models/align-en")')
        language = parse_language(name)
        if language in sources:
            raise ValueError(f"there are two models for {language!r} (leave out one of them)")
        sources[language] = source
    return sources


class WhisperXSettings(ModelSettings):
    TELLS_SPEAKERS = True

    model: str = Field(
        "base",
        alias="WHISPER_MODEL",
        description="The default model: folder of a CTranslate2 model, or a name on the Hugging Face hub, or a size: "
        "`base`. If only `WHISPER_MODELS` is set, its first.",
    )
    batch_size: int = Field(
        0,
        alias="WHISPERX_BATCH_SIZE",
        ge=0,
        le=256,
        description="How many windows of a recording are computed together; 0 takes 16 on a GPU and 8 on a CPU. A "
        "request may ask for its own `batch_size`.",
    )
    chunk_size: int = Field(
        30,
        alias="WHISPERX_CHUNK_SIZE",
        ge=1,
        le=30,
        description="Longest window of speech, in seconds, that Whisper hears at once.",
    )
    diarization_model: str = Field(
        "pyannote/speaker-diarization-community-1",
        alias="DIARIZATION_MODEL",
        description="What tells speakers apart: folder of a pyannote pipeline, or a name on the Hugging Face hub.",
    )
    align_models: Annotated[dict[str, str], BeforeValidator(parse_align_models)] = Field(
        {},
        alias="ALIGN_MODELS",
        description="What finds the times of words, by language: folders of wav2vec2 models or names on the Hugging "
        "Face hub, as `en=/models/align-en,fr=owner/name`. Languages that are not named here have WhisperX's own "
        "choice, where it knows one.",
    )
    align_models_kept: int = Field(
        2,
        alias="ALIGN_MODELS_KEPT",
        ge=1,
        description="How many of them stay in memory. Of more, the one whose use is longest ago goes.",
    )
    token_file: Path | None = Field(
        None,
        alias="HF_TOKEN_FILE",
        description="A file that holds the token for the Hugging Face hub, such as `/run/secrets/hf_token`. Read at "
        "start; goes before `HF_TOKEN`.",
    )

    def contradictions(self) -> list[tuple[str, str]]:
        """As of all models, and what is wrong with those of the other stages."""
        problems = super().contradictions()
        if not _is_folder_or_on_hub(self.diarization_model):
            problems.append(("DIARIZATION_MODEL", "is neither a folder nor a name on the hub"))
        problems += [
            ("ALIGN_MODELS", f"{source!r} is neither a folder nor a name on the hub") for source in self._odd()
        ]
        try:
            self.token()
        except ValueError as exc:
            problems.append(("HF_TOKEN_FILE", str(exc)))
        return problems

    def _odd(self) -> list[str]:
        """Alignment models that cannot be. Torchaudio's own have names such as WAV2VEC2_ASR_BASE_960H."""
        return [
            source
            for source in self.align_models.values()
            if not _is_folder_or_on_hub(source) and not _BUNDLE.fullmatch(source)
        ]

    def token(self) -> str | None:
        """The hub's token by HF_TOKEN_FILE; None where that is not set. Raises ValueError with a remedy.

        Not kept in here: settings are shown and compared.
        """
        if self.token_file is None:
            return None
        try:
            token = self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise ValueError("cannot be read (mount it where the engine's user may read it)") from None
        if not token or not token.isascii() or len(token.split()) > 1:
            raise ValueError("holds no token (write it there, and nothing else)")
        return token
