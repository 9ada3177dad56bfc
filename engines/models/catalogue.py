"""Which model names this engine answers to, and how it lists its models."""

from __future__ import annotations

import re
import time
from typing import Any

from engines.models.settings import ModelSettings
from engines.models.sources import id_of, owner_of
from engines.transcription.errors import ModelNotFound

_OPENAI_NAMES = re.compile(r"whisper-1|gpt-(?:[a-z0-9.]+-)*transcribe(?:-\d{4}-\d{2}-\d{2})?")
"""OpenAI's own transcription models: programs written for OpenAI run unchanged. Those that tell speakers apart
(`gpt-4o-transcribe-diarize`) are understood where the engine does so, too; others say that they don't."""
_TELLING_SPEAKERS = "-diarize"

_MOST_LISTED = 20


class Catalogue:
    """`sources` holds the allowed models by id, in the order of the settings; `default` is one of the ids."""

    def __init__(self, settings: ModelSettings) -> None:
        self.sources = {id_of(source): source for source in settings.allowed}
        self.default = id_of(settings.default)
        named = ((alias, settings.source_of(name)) for alias, name in settings.aliases.items())
        self._aliases = {alias: id_of(source) for alias, source in named if source is not None}
        self._tells_speakers = settings.TELLS_SPEAKERS
        self._created = int(time.time())

    def resolve(self, name: str | None) -> str:
        """The id of the model that serves `name`; no name means the default. Raises ModelNotFound."""
        if not name:
            return self.default
        if name in self.sources:
            return name
        if name in self._aliases:
            return self._aliases[name]
        if _OPENAI_NAMES.fullmatch(name.removesuffix(_TELLING_SPEAKERS) if self._tells_speakers else name):
            return self.default
        raise ModelNotFound(f"There is no model {name[:100]!r} here. {self._hint(name)}", param="model")

    def describe(self, model: str, *, loaded: bool) -> dict[str, Any]:
        """OpenAI's model object, and three keys of ours. `created` is when this engine started to serve it."""
        return {
            "id": model,
            "object": "model",
            "created": self._created,
            "owned_by": owner_of(self.sources[model]),
            "loaded": loaded,
            "default": model == self.default,
            "aliases": [alias for alias, named in self._aliases.items() if named == model],
        }

    def _hint(self, name: str) -> str:
        names = [repr(model) for model in self.sources]
        if len(names) > _MOST_LISTED:
            names = [*names[:_MOST_LISTED], "… (GET /v1/models lists all)"]
        hint = (
            f"Use {' or '.join(names)}; whisper-1 and OpenAI's gpt-*-transcribe names stand for {self.default!r}"
            f"{''.join(f', {alias} for {model!r}' for alias, model in list(self._aliases.items())[:_MOST_LISTED])}."
        )
        if name.endswith(_TELLING_SPEAKERS) and not self._tells_speakers:
            return f"Telling speakers apart is what the whisperx engine does, not this one. {hint}"
        return hint
