"""Which alignment model is for which language, and which of them are in memory. Light to import.

Of those that nobody uses, only some are kept: the ones used last. A model that is in use is never thrown out, so for a
while there can be more of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from engines.transcription.errors import ModelInUse, ModelNotLoaded
from engines.transcription.model_slot import ModelSlot, SlotState
from engines.whisperx.settings import WhisperXSettings

if TYPE_CHECKING:
    from engines.whisperx.aligner import Aligner

_NAMES = """
ar ca cs da de el en es eu fa fi fr gl he hi hr hu id it ja ka ko lv ml nl nn no pl pt ro ru sk sl sv te tl tr uk ur vi
zh
"""
BY_WHISPERX = frozenset(_NAMES.split())
"""Languages for which WhisperX knows a model. Written down here, so that a language can be refused without waiting for
the libraries; a test compares them with WhisperX's."""


class AlignModels:
    """All methods belong on the event loop."""

    def __init__(self, settings: WhisperXSettings) -> None:
        self._settings = settings
        self._slots: OrderedDict[str, ModelSlot[Aligner]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<AlignModels {' '.join(f'{language}={slot.state}' for language, slot in self._slots.items())}>"

    def knows(self, language: str) -> bool:
        return language in self._settings.align_models or language in BY_WHISPERX

    def loaded(self) -> list[str]:
        """Languages whose models are in memory; the one whose use is longest ago first."""
        return [language for language, slot in self._slots.items() if slot.state is SlotState.READY]

    def begin_loading(self, language: str) -> None:
        """Begin, unless it is loaded or loading: a request for it is on its way. The language is known."""
        self._slot(language).begin_loading()

    @asynccontextmanager
    async def borrowed(self, language: str) -> AsyncIterator[Aligner]:
        """The model of a language that is known, loaded, until the block is left. Raises ModelUnavailable."""
        slot = self._slot(language)
        try:
            if slot.state is not SlotState.READY:
                await self._make_room(self._settings.align_models_kept - 1, besides=language)
            async with slot.borrowed() as aligner:
                yield aligner
        finally:
            await self._make_room(self._settings.align_models_kept)

    def _slot(self, language: str) -> ModelSlot[Aligner]:
        """From now on the one whose use is the latest."""
        if language not in self._slots:
            self._slots[language] = self._new_slot(language)
        self._slots.move_to_end(language)
        return self._slots[language]

    def _new_slot(self, language: str) -> ModelSlot[Aligner]:
        source = self._settings.align_models.get(language)
        return ModelSlot(
            partial(_load, language, source, self._settings),
            close=lambda aligner: aligner.close(),
            ttl=self._settings.ttl_of(source or ""),
            name=f"align-{language}",
        )

    async def _make_room(self, kept: int, besides: str | None = None) -> None:
        """Unload those whose use is longest ago until there are no more than `kept`, or all others are in use."""
        for language in self.loaded():
            if len(self.loaded()) <= kept:
                return
            if language == besides:
                continue
            try:
                await self._slots[language].unload()
            except (ModelInUse, ModelNotLoaded):
                continue


def _load(language: str, source: str | None, settings: WhisperXSettings) -> Aligner:
    """In a thread. Raises Unloadable."""
    import_module("engines.whisperx.libraries").load()
    from engines.whisperx.aligner import Aligner  # noqa: PLC0415  heavy, and this is a thread

    return Aligner(language, source, settings)
