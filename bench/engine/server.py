"""The engine under measurement: `python -m engines.faster`, as users start it, and a client of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench import client, procfs
from bench.engine.setting import Heard, environment, threads
from bench.errors import BenchError
from bench.processes import Child, free_port

if TYPE_CHECKING:
    from contextlib import ExitStack

_BOUNDARY = "bench-a1b2c3d4e5f6"
_PATIENCE = 300.0
COMMAND = (sys.executable, "-m", "engines.faster")
MEDIA_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
TRANSCRIPTIONS = "/v1/audio/transcriptions"


class Server:
    """The engine with one model, on a port of its own. `stack` ends it."""

    def __init__(self, stack: ExitStack, folder: Path, model: Path, settings: Mapping[str, str] | None = None) -> None:
        """settings: more environment. Returns as soon as the process runs."""
        self.port = free_port()
        told = {
            "PORT": str(self.port),
            "WHISPER_MODEL": str(model),
            "WHISPER_CPU_THREADS": str(threads()),
            **(settings or {}),
        }
        log = folder / f"engine-{self.port}.log"
        self._child = stack.enter_context(Child("the engine", COMMAND, log, environment(told)))
        self.pid = self._child.pid

    def wait_until_ready(self) -> None:
        """With its model loaded."""
        self._child.wait_for(lambda: self.health() == "ready", 60, "the engine to be ready")

    def wait_until_it_answers(self) -> None:
        """At /health, whatever it says."""
        self._child.wait_for(lambda: self.health() is not None, 60, "the engine to answer")

    def health(self) -> str | None:
        """The status that it reports; None if it does not answer yet."""
        try:
            status: str = json.loads(client.ask(self.port, client.head("GET", "/health")).body)["status"]
        except OSError:
            return None
        return status

    def hear(self, sound: bytes, **fields: str) -> Heard:
        """Sends one recording, and takes the time from opening the connection to having the whole answer."""
        message = request(sound, **fields)
        before = procfs.cpu_seconds(self.pid)
        begin = time.perf_counter()
        answer = client.ask(self.port, message, _PATIENCE)
        seconds = time.perf_counter() - begin
        return Heard(seconds, [text_of(answer)], procfs.cpu_seconds(self.pid) - before)

    def post(self, sound: bytes, **fields: str) -> bytes:
        """The answer to a recording, in whatever form was asked for."""
        before, after = around(fields)
        return self.call("POST", TRANSCRIPTIONS, before + sound + after, MEDIA_TYPE)

    def model(self) -> str:
        """The id of the one that it has."""
        (model,) = json.loads(self.call("GET", "/v1/models"))["data"]
        name: str = model["id"]
        return name

    def last_words(self) -> str:
        return self._child.last_words()

    def call(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes:
        """Any request, with the answer in one piece. kind: the body's media type. Raises BenchError unless 2xx."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": kind} if kind else {})
            answer = connection.getresponse()
            data = answer.read()
        if answer.status not in range(200, 300):
            raise BenchError(f"{method} {path} was answered {answer.status}: {data[:300]!r}")
        return data


def request(sound: bytes, **fields: str) -> bytes:
    """A whole request for a transcript, ready to be sent."""
    before, after = around(fields)
    size = len(before) + len(sound) + len(after)
    top = client.head("POST", TRANSCRIPTIONS, f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {size}")
    return top + before + sound + after


def around(fields: Mapping[str, str]) -> tuple[bytes, bytes]:
    """What comes in a form before the recording and after it."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="recording"\r\n\r\n')
    return "".join(parts).encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()


def text_of(answer: client.Answer) -> str:
    text: str = json.loads(answer.body)["text"]
    return text
