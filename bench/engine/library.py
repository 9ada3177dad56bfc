"""The reference: a process that has loaded the same model and calls faster_whisper directly, see library_process.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bench.engine.setting import Heard, environment, threads
from bench.reference import Reference, running

_PROGRAM = Path(__file__).with_name("library_process.py")


class Library(Reference):
    """Made by `library`. Files are paths; options are those of the library's `transcribe`."""

    def one(self, *files: Path, **options: Any) -> Heard:
        """One after the other, each alone."""
        return self._heard("one", files, options)

    def batched(self, file: Path, **options: Any) -> Heard:
        """In batches of its own."""
        return self._heard("batched", [file], options)

    def together(self, *files: Path, language: str) -> Heard:
        """All in one batch made by hand."""
        return self._heard("together", files, {"language": language})

    def _heard(self, do: str, files: Sequence[Path], options: dict[str, Any]) -> Heard:
        answer, cpu = self._ask(do, files, options)
        return Heard(answer["seconds"], answer["texts"], cpu)


def library(folder: Path, model: Path) -> AbstractContextManager[Library]:
    """Ready, with the model loaded. Its log goes to the folder."""
    command = [sys.executable, str(_PROGRAM), str(model), str(threads())]
    return running(Library, command, folder / f"library-{model.name}.log", environment())
