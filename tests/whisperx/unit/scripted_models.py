"""All models at once, which do what a test tells them, and the desk that asks them."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

import anyio
import numpy as np
import pytest

from engines.transcription.errors import ModelUnavailable
from engines.transcription.tape import Samples
from engines.whisperx.conversation import Segment, Turn, Word
from engines.whisperx.desk import Desk
from engines.whisperx.options import ListeningOptions, Options, SpeakerOptions
from engines.whisperx.toolbox import Toolbox

SPOKEN = Segment(0.5, 1.5, "good morning", avg_logprob=-0.1)


def recording(seconds: float = 2.0) -> BinaryIO:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(int(seconds * 16_000) * 2))
    file.seek(0)
    return file


class Models:
    """All models at once. They write down what they were asked; each can be held, broken or missing."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.language = "en"
        self.segments = [SPOKEN]
        self.turns = [Turn(0.4, 1.0, "SPEAKER_00"), Turn(1.0, 1.6, "SPEAKER_01")]
        self.known = {"en"}
        self.in_memory = ["en"]
        self.missing: set[str] = set()
        self.fetching: set[str] = set()
        self.fetched = anyio.Event()
        self.broken: dict[str, Exception] = {}
        self.begun = {name: threading.Event() for name in ("listen", "align", "diarize")}
        self.go = {name: threading.Event() for name in self.begun}
        for event in self.go.values():
            event.set()
        self.ended: list[str] = []
        self.most = 0
        self._busy = 0

    def _work(self, name: str, checkpoint: Callable[[], None], tell: Callable[[float], None]) -> None:
        self.log.append(name)
        self.begun[name].set()
        tell(0.5)
        try:
            while not self.go[name].wait(0.01):
                checkpoint()
            if name in self.broken:
                raise self.broken[name]
        finally:
            self.ended.append(name)

    # a Listener, an Aligner, a Diarizer

    def listen(
        self,
        samples: Samples,
        options: ListeningOptions,
        checkpoint: Callable[[], None],
        tell: Callable[[float], None],
        heard: Callable[[Segment], None],
    ) -> tuple[str, list[Segment]]:
        self._busy += 1
        self.most = max(self.most, self._busy)
        try:
            self._work("listen", checkpoint, tell)
        finally:
            self._busy -= 1
        for segment in self.segments:
            heard(segment)
        return options.language or self.language, self.segments

    def align(
        self,
        segments: Sequence[Segment],
        samples: Samples,
        checkpoint: Callable[[], None],
        tell: Callable[[float], None],
    ) -> list[Segment]:
        self._work("align", checkpoint, tell)
        return [
            Segment(one.start, one.end, one.text, (Word("good", 0.5, 0.9, 0.9), Word("morning", 1.1, 1.5, 0.8)))
            for one in segments
        ]

    def diarize(
        self,
        samples: Samples,
        options: SpeakerOptions,
        checkpoint: Callable[[], None],
        tell: Callable[[float], None],
    ) -> tuple[list[Turn], dict[str, Any]]:
        self._work("diarize", checkpoint, tell)
        voices = {"SPEAKER_00": np.array([1.0, 0.0]), "SPEAKER_01": np.array([0.0, 1.0])}
        return self.turns, {turn.speaker: voices[turn.speaker] for turn in self.turns}

    def embedding(self, samples: Samples) -> Any:
        """The voice of whoever has a recording of so many seconds."""
        return np.array([1.0, 0.0]) if len(samples) < 3 * 16_000 else np.array([0.0, 1.0])

    # those who have them

    def begin_loading(self, model: str = "speakers") -> None:
        self.log.append(f"load {model}")

    def loaded(self) -> list[str]:
        return self.in_memory

    def knows(self, language: str) -> bool:
        return language in self.known

    @asynccontextmanager
    async def borrowed(self, model: str = "speakers") -> AsyncIterator[Any]:
        if model in self.missing:
            raise ModelUnavailable(f"The model could not be loaded: no {model}.")
        while model in self.fetching:
            self.fetched = anyio.Event()
            await self.fetched.wait()
        yield self


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def desk(models: Models) -> Desk:
    return Desk(Toolbox(models, models, models), longest=60)


SPEAKERS = Options(speakers=SpeakerOptions())
