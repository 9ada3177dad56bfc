"""Which model names this engine answers to, and how it lists them."""

from __future__ import annotations

import re
import time
from pathlib import Path

from engines.transcription.errors import ModelNotFound

_OPENAI_NAMES = re.compile(r"whisper-1|gpt-(?:[a-z0-9.]+-)*transcribe(?:-\d{4}-\d{2}-\d{2})?")
"""OpenAI's own transcription models: programs written for OpenAI run unchanged. Not those that tell speakers apart
(`gpt-4o-transcribe-diarize`): that is more than this engine can do, and it says so."""


class Catalogue:
    """One model is served. `model` is the setting: a folder is known by its name, anything else by itself."""

    def __init__(self, model: str) -> None:
        path = Path(model)
        local = path.is_absolute() or path.is_dir()
        self.served = path.resolve().name if local else model
        self._owner = model.partition("/")[0] if not local and "/" in model else "local"
        self._created = int(time.time())

    def resolve(self, name: str | None) -> str:
        """The id of the model that serves `name`; no name means the default. Raises ModelNotFound."""
        if not name or name == self.served or _OPENAI_NAMES.fullmatch(name):
            return self.served
        raise ModelNotFound(
            f"There is no model {name[:100]!r} here. Use {self.served!r}; "
            "whisper-1 and OpenAI's gpt-*-transcribe names stand for it.",
            param="model",
        )

    def describe(self, name: str) -> dict[str, str | int]:
        """OpenAI's model object. `created` is when this engine started to serve it. Raises ModelNotFound."""
        return {"id": self.resolve(name), "object": "model", "created": self._created, "owned_by": self._owner}
