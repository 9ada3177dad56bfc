"""The models that this engine may serve: each in a slot of its own, under the names that the catalogue knows.

`Models` is where names, states and orders meet: requests borrow from it, routes list, load and unload by it. All its
methods belong on the event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from engines.models import reasons
from engines.models.catalogue import Catalogue
from engines.models.settings import ModelSettings
from engines.models.sources import is_folder
from engines.transcription.errors import ModelAlreadyLoaded
from engines.transcription.model_slot import ModelSlot, SlotState

log = logging.getLogger(__name__)


class Closable(Protocol):
    def close(self) -> None:
        """Let go of all memory, whoever still refers to this object."""
        ...


Model = TypeVar("Model", bound=Closable)


class Unloadable(Exception):
    """Why a model could not be loaded, in one sentence."""


class Models(Generic[Model]):
    """load: takes the folder that holds a model, in a thread of its own; fetching it from the hub is done before."""

    def __init__(self, settings: ModelSettings, load: Callable[[str], Model]) -> None:
        self._settings = settings
        self._load = load
        self._catalogue = Catalogue(settings)
        self._slots = {
            model: ModelSlot(
                partial(self._fetch_and_load, model, source), close=_close, ttl=settings.ttl_of(source), name=model
            )
            for model, source in self._catalogue.sources.items()
        }

    def __repr__(self) -> str:
        return f"<Models {' '.join(f'{model}={slot.state}' for model, slot in self._slots.items())}>"

    @property
    def default(self) -> str:
        """The id of the model for those who name none."""
        return self._catalogue.default

    def resolve(self, name: str | None) -> str:
        """The id of the model that serves `name`. Raises ModelNotFound."""
        return self._catalogue.resolve(name)

    def preload(self) -> None:
        """Begin to load what the settings want loaded from the start."""
        for name in self._settings.preload:
            self.begin_loading(self.default if name == "default" else self._id_of(name))

    def begin_loading(self, model: str) -> None:
        """Begin, unless it is loaded or loading: a request for it is on its way. `model` is an id, as in the others."""
        self._slots[model].begin_loading()

    def borrowed(self, model: str) -> AbstractAsyncContextManager[Model]:
        """The model itself, loaded, and not unloaded before the block is left. Raises ModelUnavailable."""
        return self._slots[model].borrowed()

    async def load(self, model: str) -> None:
        """Returns when it is loaded. Raises ModelAlreadyLoaded and ModelUnavailable."""
        if self._slots[model].state is SlotState.READY:
            raise ModelAlreadyLoaded(f"The model {model} is loaded already.")
        await self._slots[model].load()

    async def unload(self, model: str) -> None:
        """Returns when its memory is free. Raises ModelNotLoaded and ModelInUse."""
        await self._slots[model].unload()

    def loaded(self) -> list[str]:
        return [model for model, slot in self._slots.items() if slot.state is SlotState.READY]

    def listed(self) -> list[dict[str, Any]]:
        """All of them as OpenAI describes models."""
        return [self.described(model) for model in self._slots]

    def described(self, model: str) -> dict[str, Any]:
        return self._catalogue.describe(model, loaded=self._slots[model].state is SlotState.READY)

    def details(self, model: str) -> dict[str, Any]:
        """For operators: state, users at the moment, idle seconds until it is unloaded, and the reason if broken."""
        slot = self._slots[model]
        details = {"id": model, "state": slot.state.value, "users": slot.users, "ttl": slot.ttl}
        return details if slot.reason is None else {**details, "reason": slot.reason}

    def report(self) -> dict[str, str]:
        """How the default model is, for /health."""
        slot = self._slots[self.default]
        report = {"status": slot.state.value, "model": self.default}
        return report if slot.reason is None else {**report, "reason": slot.reason}

    def _id_of(self, name: str) -> str:
        source = self._settings.source_of(name)
        return next(model for model, known in self._catalogue.sources.items() if known == source)

    def _fetch_and_load(self, model: str, source: str) -> Model:
        """In a thread of its own. Raises Unloadable."""
        folder = source if is_folder(source) else _fetched(model, source)
        if not Path(folder).is_dir():
            raise Unloadable(f"there is no folder {folder}")
        try:
            return self._load(folder)
        except Exception as exc:  # whatever a library raises, it is told to who asked for the model
            text = _told(model, exc)
            known = reasons.loading(exc, folder, self._settings.compute_type) or _without_tokenizer(exc, folder)
            raise Unloadable(known or text) from None


def _fetched(model: str, source: str) -> str:
    from engines.models import hub  # noqa: PLC0415  imports the hub's library: here we are in a thread

    try:
        return hub.fetch(source)
    except Exception as exc:  # likewise
        text = _told(model, exc)
        raise Unloadable(reasons.fetching(exc, hub.address(), hub.cache()) or text) from None


def _without_tokenizer(problem: Exception, folder: str) -> str | None:
    """faster-whisper then fetches OpenAI's, and may fail at that."""
    if (Path(folder) / "tokenizer.json").exists():
        return None
    from engines.models import hub  # noqa: PLC0415  as above

    reason = reasons.fetching(problem, hub.address(), hub.cache())
    return reason and f"there is no tokenizer.json in {folder}, and none could be fetched: {reason}"


def _told(model: str, problem: Exception) -> str:
    """What the library said, without what is secret in it. Also into the log, because a reason leaves out details."""
    from engines.models import hub  # noqa: PLC0415  as above

    text = reasons.redacted(problem, hub.secrets())
    log.info("model.problem model=%s kind=%s text=%r", model, type(problem).__name__, text[:1000])
    return text


def _close(model: Closable) -> None:
    model.close()
