"""What is sent to the engine: the shipped conversations, of which it is known who says which word when, and long ones
that are made of their turns.
"""

from __future__ import annotations

import itertools
import json
import random
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine.recordings import AUDIO, RATE, silence
from bench.whisperx.conversation import Turn, Word

DIALOGUES = ("dialogue-en.wav", "dialogue-fr.wav")
"""Two speakers each."""
MEETINGS = ("meeting-en.flac", "meeting-fr.flac")
"""Three, of whom two sound nearly alike."""
_PAUSES = (0.3, 0.7, 0.5, 1.3, 0.4, 0.9)
"""Seconds between turns."""
_MARGIN = 0.2
"""Seconds on either side of a turn that are cut out with it. Between the turns of the shipped dialogues there are more
than twice as many.
"""
_FRAME = 2
"""Bytes."""


@dataclass(frozen=True)
class Conversation:
    """sound: 16 kHz, mono, 16 bit."""

    name: str
    language: str
    sound: bytes
    turns: tuple[Turn, ...]
    words: tuple[Word, ...]

    @property
    def seconds(self) -> float:
        return len(self.sound) / _FRAME / RATE

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def speakers(self) -> set[str]:
        return {turn.speaker for turn in self.turns}


def shipped(file: str) -> Conversation:
    """One of the shipped recordings. Raises OSError."""
    manifest = json.loads((AUDIO / "manifest.json").read_text())
    entry: dict[str, Any] = next(entry for entry in manifest if entry["file"] == file)
    turns = tuple(map(Turn.read, entry["segments"]))
    return Conversation(file, entry["language"], _read(AUDIO / file), turns, tuple(map(Word.read, entry["words"])))


def long(seconds: float, of: str = DIALOGUES[0]) -> Conversation:
    """The turns of a dialogue over and over, shuffled and with pauses between, about so many seconds long.

    The same every time. Unlike the dialogue played again and again, a speaker can have several turns in a row, and
    windows begin anywhere.
    """
    dialogue = shipped(of)
    order = _Shuffled(len(dialogue.turns))
    sound, turns, words = bytearray(silence(_PAUSES[0])), [], []
    for pause in itertools.cycle(_PAUSES):
        turn = dialogue.turns[next(order)]
        here = len(sound) / _FRAME / RATE
        moved = here + _MARGIN - turn.start
        sound += cut(dialogue.sound, turn.start - _MARGIN, turn.end + _MARGIN) + silence(pause)
        turns.append(Turn(turn.start + moved, turn.end + moved, turn.speaker))
        words += [
            Word(word.text, word.start + moved, word.end + moved, word.speaker)
            for word in dialogue.words
            if turn.start <= word.start < turn.end
        ]
        if len(sound) >= len(silence(seconds)):
            break
    name = f"{seconds:.0f} s of {dialogue.name}'s turns"
    return Conversation(name, dialogue.language, bytes(sound), tuple(turns), tuple(words))


def cut(sound: bytes, start: float, end: float) -> bytes:
    return sound[round(start * RATE) * _FRAME : round(end * RATE) * _FRAME]


def write_wav(path: Path, sound: bytes, seconds: float | None = None) -> Path:
    """seconds: repeat the sound until it is exactly so long."""
    size = len(sound) if seconds is None else len(silence(seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_FRAME)
        file.setframerate(RATE)
        for start in range(0, size, len(sound)):
            file.writeframes(sound[: size - start])
    return path


class _Shuffled:
    """All places again and again, each time in another order."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._random = random.Random(1)
        self._left: list[int] = []

    def __next__(self) -> int:
        if not self._left:
            self._left = self._random.sample(range(self._count), self._count)
        return self._left.pop()


def _read(path: Path) -> bytes:
    import av  # noqa: PLC0415  only the engines' figures need it

    with av.open(str(path)) as file:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [*file.decode(audio=0), None]
        return b"".join(part.to_ndarray().tobytes() for frame in frames for part in resampler.resample(frame))
