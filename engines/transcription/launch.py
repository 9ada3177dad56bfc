"""From `python -m engines.…` to a server that serves. Light to import: what an engine consists of is imported late."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from engines.transcription import memory
from engines.transcription.signals import end_on_signals

if TYPE_CHECKING:
    from fastapi import FastAPI

    from engines.transcription.settings import ServiceSettings

Settings = TypeVar("Settings", bound="ServiceSettings")


def launch(parts: Callable[[], tuple[type[Settings], Callable[[Settings], FastAPI]]]) -> None:
    """Serve on HOST:PORT until SIGTERM. Ends the process with status 2 if the settings cannot be used.

    parts: imports the engine's settings and what makes an application of them.
    """
    end_on_signals()
    memory.settle()
    # CTranslate2's threads wait for each other hundreds of times per second of speech. While they wait they would burn
    # a core each (libgomp's default), and on a machine whose cores are busy everything, they too, gets several times
    # slower. Read when the library is loaded, so it is set first.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # ONNX Runtime, which tells speech from the rest, reports to its maker by default, and leaves a file in TMPDIR.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Behind every start a caller is waiting, and a fifth of the time until the port is open went into looking for
    # garbage among freshly imported modules, which are never garbage.
    gc.disable()
    kind, create_app = parts()
    from engines.transcription.service import configure_logs, serve  # noqa: PLC0415  see above
    from engines.transcription.settings import BadSettings  # noqa: PLC0415

    try:
        settings = kind.from_environment(os.environ)
    except BadSettings as exc:
        print(exc, file=sys.stderr)  # noqa: T201  for the person who just started us
        sys.exit(2)
    configure_logs(settings.log_level)  # creating may have something to tell: which model was chosen
    app = create_app(settings)
    gc.freeze()
    gc.enable()
    serve(app, settings)
