"""The reference: a process that has loaded the same models and calls whisperx directly, see library_process.py."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path

from bench.engine.setting import Heard, threads
from bench.reference import Reference, running
from bench.whisperx import setting

_PROGRAM = Path(__file__).with_name("library_process.py")


class Library(Reference):
    """Made by `library`."""

    stages: dict[str, float]
    """Seconds that each took the last time."""

    def chain(self, file: Path) -> Heard:
        """All stages, from the file to words."""
        answer, cpu = self._ask("chain", [file], {})
        self.stages = answer["stages"]
        return Heard(answer["seconds"], answer["words"], cpu)


def library(folder: Path, models: setting.Models, *, diarize: bool = True) -> AbstractContextManager[Library]:
    """Ready, with the models loaded. Its log goes to the folder."""
    told = {
        "whisper": str(models.whisper),
        "align": str(models.align),
        "diarization": str(models.diarization) if diarize else None,
        "compute_type": setting.COMPUTE_TYPE,
        "threads": threads(),
        "batch_size": setting.BATCH,
        "chunk_size": setting.CHUNK_S,
    }
    # -P: the files beside the program are no modules of its own, whatever their names are.
    command = [str(setting.python()), "-P", str(_PROGRAM), json.dumps(told)]
    return running(Library, command, folder / "library.log", setting.environment())
