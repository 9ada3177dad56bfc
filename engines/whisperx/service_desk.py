"""What the routes need of the rest of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol

from engines.whisperx.conversation import Conversation, Segment
from engines.whisperx.options import Options, SpeakerOptions
from engines.whisperx.progress import Watch

Heard = Callable[[Segment], None]


class Desk(Protocol):
    """Who listens. All raise EngineError, and end their work when cancelled. `model` is an id that the Names know."""

    async def transcribe(
        self,
        upload: BinaryIO,
        model: str,
        options: Options,
        watch: Watch,
        heard: Heard | None = None,
    ) -> Conversation: ...

    async def align(
        self, upload: BinaryIO, segments: Sequence[Segment], language: str, watch: Watch
    ) -> Conversation: ...

    async def diarize(self, upload: BinaryIO, options: SpeakerOptions, watch: Watch) -> Conversation: ...


class Names(Protocol):
    """Which models there are."""

    def resolve(self, name: str | None) -> str:
        """The id of the model that serves this name, or serves where none is given. Raises ModelNotFound."""
