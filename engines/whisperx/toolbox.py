"""The models that a request works with. They are waited for before its turn comes: fetching one may take minutes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from engines.whisperx.conversation import Segment, Turn
from engines.whisperx.options import ListeningOptions, SpeakerOptions

if TYPE_CHECKING:
    from engines.transcription.tape import Samples

Tell = Callable[[float], None]
"""Takes the fraction of a stage that is done."""
Checkpoint = Callable[[], None]
Heard = Callable[[Segment], None]


class Listener(Protocol):
    """What hears words; see listener.py."""

    def listen(
        self, samples: Samples, options: ListeningOptions, checkpoint: Checkpoint, tell: Tell, heard: Heard
    ) -> tuple[str, list[Segment]]: ...


class Aligner(Protocol):
    """What finds the times of words; see aligner.py."""

    def align(
        self, segments: Sequence[Segment], samples: Samples, checkpoint: Checkpoint, tell: Tell
    ) -> list[Segment]: ...


class Diarizer(Protocol):
    """What tells speakers apart; see diarizer.py."""

    def diarize(
        self, samples: Samples, options: SpeakerOptions, checkpoint: Checkpoint, tell: Tell
    ) -> tuple[list[Turn], dict[str, Any]]: ...

    def embedding(self, samples: Samples) -> Any: ...


class Listeners(Protocol):
    """Who has the Whisper models, by id."""

    def begin_loading(self, model: str) -> None: ...
    def borrowed(self, model: str) -> AbstractAsyncContextManager[Listener]: ...


class Aligners(Protocol):
    """Who has the alignment models, by language."""

    def knows(self, language: str) -> bool: ...
    def loaded(self) -> list[str]: ...
    def begin_loading(self, language: str) -> None: ...
    def borrowed(self, language: str) -> AbstractAsyncContextManager[Aligner]: ...


class Diarizers(Protocol):
    """Who has the diarization model."""

    def begin_loading(self) -> None: ...
    def borrowed(self) -> AbstractAsyncContextManager[Diarizer]: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a request has borrowed; only what it needs."""

    listener: Listener | None = None
    aligner: Aligner | None = None
    diarizer: Diarizer | None = None


class Toolbox:
    def __init__(self, listeners: Listeners, aligners: Aligners, diarizers: Diarizers) -> None:
        self._listeners = listeners
        self._aligners = aligners
        self._diarizers = diarizers

    @asynccontextmanager
    async def for_listening(self, model: str, language: str | None, *, speakers: bool) -> AsyncIterator[Tools]:
        """All are loaded at the same time. language: if it is known, so that its alignment model can be loaded, too;
        that is not waited for. Raises ModelUnavailable.
        """
        self._listeners.begin_loading(model)
        if language is not None and self.aligns(language):
            self._aligners.begin_loading(language)
        async with AsyncExitStack() as stack:
            diarizer = await stack.enter_async_context(self._diarizers.borrowed()) if speakers else None
            listener = await stack.enter_async_context(self._listeners.borrowed(model))
            yield Tools(listener=listener, diarizer=diarizer)

    @asynccontextmanager
    async def for_aligning(self, language: str) -> AsyncIterator[Tools]:
        """Raises ModelUnavailable. The language must be one that can be aligned."""
        async with self._aligners.borrowed(language) as aligner:
            yield Tools(aligner=aligner)

    @asynccontextmanager
    async def for_telling_apart(self) -> AsyncIterator[Tools]:
        """Raises ModelUnavailable."""
        async with self._diarizers.borrowed() as diarizer:
            yield Tools(diarizer=diarizer)

    def aligns(self, language: str) -> bool:
        return self._aligners.knows(language)

    def aligns_at_once(self, language: str) -> bool:
        """Its alignment model is in memory."""
        return language in self._aligners.loaded()
