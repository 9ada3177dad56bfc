"""A process that has loaded a library and calls it directly: what an engine that is built on it is measured against."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bench import procfs
from bench.errors import BenchError

ROOT = Path(__file__).parents[1]


class Reference:
    """Made by `running`. It answers requests, a JSON object in each line, as soon as it has said that it is ready."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self._answer()

    def _ask(self, do: str, files: Sequence[Path], options: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Its answer, and the processor time that it took, in seconds."""
        assert self._process.stdin is not None
        before = procfs.cpu_seconds(self._process.pid)
        request = {"do": do, "files": [str(file) for file in files], "options": options}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer(), procfs.cpu_seconds(self._process.pid) - before

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


Kind = TypeVar("Kind", bound=Reference)


@contextmanager
def running(kind: type[Kind], command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[Kind]:
    """Ready, with its models loaded."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield kind(process, log)
        finally:
            process.kill()  # it keeps nothing that could be lost
