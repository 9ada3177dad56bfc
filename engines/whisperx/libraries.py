"""WhisperX and what it stands on (torch, transformers, pyannote, NLTK), imported once and kept quiet. Light itself.

Importing them takes six to ten seconds, so threads do it. They like to talk: to standard output, in warnings of a
hundred lines, in log lines that hold transcripts, and to servers of their makers. None of that is wanted here.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import tempfile
import threading
import warnings
from importlib import import_module
from typing import Any

_OFF = {
    "PYANNOTE_METRICS_ENABLED": "0",
    "OTEL_SDK_DISABLED": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # else transformers asks a server on the side to convert a model
}
"""Reports to makers. Not to be turned on by an environment that we were started with."""

_USUAL = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # Threads of OpenMP wait for each other by spinning. Where there are more of them than cores (listening and telling
    # speakers apart at the same time, two engines, a busy machine) that takes four times the work itself.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""An operator who wants something else can set these."""

_TALKATIVE = ("whisperx", "lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning", "pyannote")
_PRINTING = (
    "whisperx.asr",
    "whisperx.alignment",
    "pyannote.audio.core.pipeline",
    "pyannote.audio.utils.hf_hub",
    "pyannote.audio.utils.vbx",
    "pyannote.audio.pipelines.clustering",
)
_WARNING = (
    r"(whisperx|pyannote|lightning|torch|torchaudio|torchmetrics|transformers|sklearn|numpy|scipy|speechbrain|matplotlib)"
    r"(\.|$)"
)
"""Modules whose warnings are about themselves; what they say of a computation (an empty mean, no convergence) is
looked at in the results."""

_ALL = (
    "whisperx.asr",
    "whisperx.alignment",
    "whisperx.diarize",
    "pyannote.audio.pipelines.speaker_diarization",
    "scipy.cluster.hierarchy",
)

_PATIENCE_S = 60.0
"""Seconds for which a server may be silent. torch's downloads know no limit of their own, and while one hangs, whoever
wants that model waits."""

_lock = threading.Lock()
_loaded = False


def load() -> None:
    """Import everything. Whoever comes second waits for the first."""
    global _loaded  # noqa: PLW0603  modules are imported once in a process, too
    with _lock:
        if _loaded:
            return
        _prepare()
        gc.disable()
        for name in _ALL:
            import_module(name)
        # Half a million objects that live as long as the process. Each look through them for garbage would hold up
        # all threads for a second.
        gc.freeze()
        gc.enable()
        _hush()
        for name in _PRINTING:
            _silence(import_module(name))
        _loaded = True


def ignore_warnings() -> None:
    """For this process, or as long as `warnings.catch_warnings` lasts."""
    warnings.filterwarnings("ignore", module=_WARNING)
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed")


def _prepare() -> None:
    """What must be said before the imports."""
    os.environ.update(_OFF)
    if socket.getdefaulttimeout() is None:
        socket.setdefaulttimeout(_PATIENCE_S)
    for name, value in _USUAL.items():
        os.environ.setdefault(name, value)
    # Torch makes a folder for what it compiles as soon as it is imported. Nothing is compiled here, and what lies in
    # TMPDIR are uploads: a folder that is there already need not be made.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())
    ignore_warnings()
    _hush()


def _hush() -> None:
    """Before the imports, because WhisperX adds a handler of its own where there is none; after them, because Lightning
    sets levels.
    """
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.setLevel(logging.CRITICAL)  # at other levels WhisperX tells what was said
        logger.propagate = False


def _silence(module: Any) -> None:
    """Shadows `print` in one module. Redirecting standard output would do it for all threads."""

    def to_log(*things: object, **_: object) -> None:
        logging.getLogger(__name__).debug("library.printed module=%s characters=%d", module.__name__, len(str(things)))

    module.print = to_log
