"""The engine under measurement: `python -m engines.whisperx`, as users start it, and a client of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import client, procfs
from bench.engine.server import MEDIA_TYPE, around
from bench.errors import BenchError
from bench.processes import Child, free_port
from bench.whisperx import setting
from bench.whisperx.conversation import Segment, Turn, Word

TRANSCRIBE, DIARIZE = "/transcribe", "/diarize"
_PATIENCE = 3600.0
_START_PATIENCE = 120.0


@dataclass(frozen=True)
class Told:
    """What came of one recording. seconds: from opening the connection to having the whole answer."""

    seconds: float
    cpu: float
    answer: dict[str, Any]

    @property
    def segments(self) -> list[Segment]:
        return [Segment.read(segment) for segment in self.answer["segments"]]

    @property
    def words(self) -> list[Word]:
        return [word for segment in self.segments for word in segment.words]

    @property
    def turns(self) -> list[Turn]:
        return [Turn.read(turn) for turn in self.answer["turns"]]


class Server:
    """The engine with the shipped models, on a port of its own. `stack` ends it."""

    def __init__(
        self, stack: ExitStack, folder: Path, models: setting.Models, settings: Mapping[str, str] | None = None
    ) -> None:
        """settings: more environment. Returns as soon as the process runs."""
        self.port = free_port()
        command = [str(setting.python()), "-m", "engines.whisperx"]
        told = {**setting.engine_settings(models, self.port), **(settings or {})}
        log = folder / f"engine-{self.port}.log"
        self._child = stack.enter_context(Child("the engine", command, log, setting.environment(told)))
        self.pid = self._child.pid

    def wait_until_ready(self) -> None:
        """With its Whisper model loaded."""
        self._child.wait_for(lambda: self.health() == "ready", _START_PATIENCE, "the engine to be ready")

    def wait_until_it_answers(self) -> None:
        """At /health, whatever it says."""
        self._child.wait_for(lambda: self.health() is not None, _START_PATIENCE, "the engine to answer")

    def health(self) -> str | None:
        """The status that it reports; None if it does not answer yet."""
        try:
            status: str = json.loads(client.ask(self.port, client.head("GET", "/health")).body)["status"]
        except OSError:
            return None
        return status

    def transcribe(self, file: Path, *, diarize: bool, **fields: str) -> Told:
        return self._send(TRANSCRIBE, file, {"diarize": "true" if diarize else "false", **fields})

    def diarize(self, file: Path) -> Told:
        return self._send(DIARIZE, file, {})

    def stage_ends(self, file: Path) -> dict[str, float]:
        """When each stage of a transcript with speakers is over, in seconds from sending it. They overlap."""
        before, after = around({"diarize": "true", "stream": "true"})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        begin = time.perf_counter()
        with contextlib.closing(connection):
            connection.request("POST", TRANSCRIBE, before + file.read_bytes() + after, {"Content-Type": MEDIA_TYPE})
            answer = connection.getresponse()
            lines = iter(answer.readline, b"")
            events = [
                (time.perf_counter() - begin, json.loads(line.removeprefix(b"data: ")))
                for line in lines
                if line.startswith(b"data: ")
            ]
        return ends(events)

    def _send(self, path: str, file: Path, fields: Mapping[str, str]) -> Told:
        """The file goes from the page cache to the socket and never through this process. Raises BenchError."""
        before, after = around(fields)
        size = file.stat().st_size
        head = (f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(before) + size + len(after)}")
        cpu, begin = procfs.cpu_seconds(self.pid), time.perf_counter()
        with client.connect(self.port, _PATIENCE) as sock, file.open("rb") as source:
            sock.sendall(client.head("POST", path, *head) + before)
            sent = 0
            while sent < size:
                sent += os.sendfile(sock.fileno(), source.fileno(), sent, size - sent)
            sock.sendall(after)
            answer = client.read_answer(sock)
        seconds = time.perf_counter() - begin
        if answer.status != 200:
            raise BenchError(f"POST {path} was answered {answer.status}: {answer.body[:300]!r}")
        return Told(seconds, procfs.cpu_seconds(self.pid) - cpu, json.loads(answer.body))


def ends(events: Iterable[tuple[float, Mapping[str, Any]]]) -> dict[str, float]:
    """When each stage was first said to be complete. events: of a streamed answer, with when they came, in seconds.

    Raises BenchError unless the last one is the answer.
    """
    ended: dict[str, float] = {}
    last: Mapping[str, Any] = {}
    for moment, last in events:
        if last["type"] == "progress":
            for stage, fraction in last["stages"].items():
                if fraction == 1:
                    ended.setdefault(stage, moment)
    if last.get("type") != "done":
        raise BenchError(f"the stream ended with {last!s:.300}")
    return ended
