"""The reference: a process that has loaded the same model and calls faster_whisper directly, see library_process.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import procfs
from bench.engine.setting import ROOT, Heard, environment, threads
from bench.errors import BenchError

_PROGRAM = Path(__file__).with_name("library_process.py")


class Library:
    """Made by `library`. Files are paths; options are those of the library's `transcribe`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self._answer()

    def one(self, *files: Path, **options: Any) -> Heard:
        """One after the other, each alone."""
        return self._ask("one", files, options)

    def batched(self, file: Path, **options: Any) -> Heard:
        """In batches of its own."""
        return self._ask("batched", [file], options)

    def together(self, *files: Path, language: str) -> Heard:
        """All in one batch made by hand."""
        return self._ask("together", files, {"language": language})

    def _ask(self, what: str, files: Sequence[Path], options: dict[str, Any]) -> Heard:
        assert self._process.stdin is not None
        before = procfs.cpu_seconds(self._process.pid)
        request = {"do": what, "files": [str(file) for file in files], "options": options}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return Heard(answer["seconds"], answer["texts"], procfs.cpu_seconds(self._process.pid) - before)

    def _answer(self) -> dict[str, Any]:
        """Raises BenchError if there is none, or none but an error."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"the library's process ended:\n{self._log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"the library failed: {answer['error']}")
        return answer


@contextmanager
def library(folder: Path, model: Path) -> Iterator[Library]:
    """Ready, with the model loaded. Its log goes to the folder."""
    log = folder / f"library-{model.name}.log"
    command = [sys.executable, str(_PROGRAM), str(model), str(threads())]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=environment(),
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Library(process, log)
        finally:
            process.kill()  # it keeps nothing that could be lost
