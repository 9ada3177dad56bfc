"""Loads alignment and diarization models, or tells why not in one sentence. HEAVY: import it in a thread.

What is in the cache is used as it is, without asking the hub whether there is something newer; see engines/models/hub.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
import torch
import torchaudio
import whisperx
from huggingface_hub.errors import EntryNotFoundError
from pyannote.audio.pipelines import SpeakerDiarization
from whisperx import alignment
from whisperx.diarize import DiarizationPipeline

from engines.models import hub, reasons
from engines.models.models import Unloadable
from engines.models.sources import is_folder
from engines.whisperx.devices import is_want_of_memory, tidy_up

Model = TypeVar("Model")

_ALIGN_FILES = [
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
]
_PYTORCH = "of PyTorch's models"

log = logging.getLogger(__name__)


def loaded_align_model(language: str, source: str | None, device: str) -> tuple[Any, dict[str, Any]]:
    """The model, and what WhisperX wants to know of it. source: None for WhisperX's choice. Raises Unloadable."""
    name = source or _usual(language)

    def load(*, cached: bool = False) -> tuple[Any, dict[str, Any]]:
        if name in torchaudio.pipelines.__all__:
            _check_allowed(name, cached=cached)
            place = name
        else:
            place = name if is_folder(name) else _fetched(name, cached=cached)
        model, facts = whisperx.load_align_model(language, device, model_name=place)
        return model, facts

    if is_folder(name):
        return _or_reason("alignment model", name, load)
    return _cached(lambda: load(cached=True)) or _or_reason("alignment model", name, load)


def _fetched(name: str, *, cached: bool) -> str:
    """The folder of an alignment model from the hub: what is needed of it, for some bring the same weights thrice.

    transformers would fetch it, too, but tells those who have no token or no network something else.
    """
    folder: str = huggingface_hub.snapshot_download(name, allow_patterns=_ALIGN_FILES, local_files_only=cached)
    version = Path(folder).name
    try:
        huggingface_hub.hf_hub_download(name, "model.safetensors", revision=version, local_files_only=cached)
    except EntryNotFoundError:
        huggingface_hub.hf_hub_download(name, "pytorch_model.bin", revision=version, local_files_only=cached)
    return folder


def _check_allowed(name: str, *, cached: bool) -> None:
    """Torchaudio's models come from PyTorch's own server, whatever HF_HUB_OFFLINE says. Raises Unloadable."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = torchaudio.pipelines.__dict__[name]._path  # noqa: SLF001  has no other name
    if (cached or huggingface_hub.constants.HF_HUB_OFFLINE) and not (folder / Path(path).name).exists():
        raise Unloadable(f"it is not in the cache {folder}, and HF_HUB_OFFLINE forbids fetching it")


def loaded_pipeline(source: str, device: str) -> Any:
    """Pyannote's diarization pipeline. Raises Unloadable."""

    def load(*, cached: bool = False) -> Any:
        folder = source if is_folder(source) else huggingface_hub.snapshot_download(source, local_files_only=cached)
        pipeline = DiarizationPipeline(model_name=folder, device=device).model
        if not isinstance(pipeline, SpeakerDiarization):  # there are some that send recordings to their makers
            raise TypeError(f"it is a {type(pipeline).__name__}, not a pipeline that tells speakers apart here")
        return pipeline

    if is_folder(source):
        return _or_reason("diarization model", source, load)
    return _cached(lambda: load(cached=True)) or _or_reason("diarization model", source, load)


def _usual(language: str) -> str:
    tables: list[dict[str, str]] = [alignment.DEFAULT_ALIGN_MODELS_TORCH, alignment.DEFAULT_ALIGN_MODELS_HF]
    names = [table[language] for table in tables if language in table]
    if not names:
        raise Unloadable(f"there is no alignment model for {language!r}; ALIGN_MODELS can name one")
    return names[0]


def _cached(load: Callable[[], Model]) -> Model | None:
    """What an earlier start has fetched; None if it is not there, or not all of it."""
    try:
        return load()
    except Exception as exc:  # it is fetched then, which tells what is wrong
        log.debug("model.not_cached kind=%s", type(exc).__name__)
        return None


def _or_reason(what: str, source: str, load: Callable[[], Model]) -> Model:
    try:
        return load()
    except Exception as exc:  # whatever a library raises, it is told to who asked for the model
        text = reasons.redacted(exc, hub.secrets())
        if isinstance(exc, Unloadable):
            raise Unloadable(f"{what} {source}: {text}") from None
        log.info("model.problem model=%s kind=%s text=%r", source, type(exc).__name__, text[:1000])
        tidy_up()
        raise Unloadable(f"{what} {source}: {_reason(exc, source) or text}") from None


def _reason(problem: Exception, source: str) -> str | None:
    if is_want_of_memory(problem):
        return "there is not enough memory for it"
    kinds = {cls.__name__ for cause in _chain(problem) for cls in type(cause).__mro__}
    repository = _repository(problem) or source
    if "GatedRepoError" in kinds:
        page = f"{hub.address()}/{repository}"
        if hub.secrets():
            return f"the owner of HF_TOKEN has not accepted the conditions of {repository}: do so at {page}"
        return f"{repository} has conditions: accept them at {page}, and set HF_TOKEN to a token of that account"
    if is_folder(source):
        return _in_folder(problem, Path(source)) or reasons.loading(problem, source, "auto")
    address = _PYTORCH if source in torchaudio.pipelines.__all__ else hub.address()
    reason = reasons.fetching(problem, address, hub.cache()) or reasons.loading(problem, source, "auto")
    return reason if reason is None or repository == source else f"{repository}: {reason}"


def _in_folder(problem: Exception, folder: Path) -> str | None:
    if not folder.is_dir():
        return "there is no such folder"
    missing = [cause.filename for cause in _chain(problem) if isinstance(cause, FileNotFoundError) and cause.filename]
    if missing:
        return f"there is no {missing[0]}"
    deepest = list(_chain(problem))[-1]
    return f"the folder holds none that can be loaded: {reasons.redacted(deepest, hub.secrets())}"


def _repository(problem: Exception) -> str | None:
    """The one that the hub refused, which need not be the one that was named: pipelines refer to others."""
    address = re.escape(huggingface_hub.constants.ENDPOINT)
    for cause in _chain(problem):
        url = str(getattr(getattr(cause, "response", None), "url", "")) or str(cause)
        if found := re.search(rf"{address}/(?:api/models/)?([\w.-]+/[\w.-]+)", url):
            return found[1]
    return None


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """The problem and what led to it; the first cause last."""
    seen: list[BaseException] = []
    cause: BaseException | None = problem
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = cause.__cause__ or cause.__context__
