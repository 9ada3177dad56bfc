"""What is sent to the engine: the shipped recordings, alone and joined. All are 16 kHz, mono, 16 bit."""

from __future__ import annotations

import io
import itertools
import json
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

AUDIO = Path(__file__).parents[2] / "samples" / "audio"
RATE = 16_000
_BYTES = 2
_PAUSES = (0.3, 0.9, 0.5, 1.6, 0.7, 2.4)
"""Seconds between phrases, as people make them: not all at the same places of a window."""


@dataclass(frozen=True)
class Recording:
    """Sound, and what is said in it."""

    sound: bytes
    language: str
    text: str

    @property
    def seconds(self) -> float:
        return len(self.sound) / _BYTES / RATE


def exact() -> list[Recording]:
    """The shipped recordings of which a transcript must have every word right."""
    manifest = json.loads((AUDIO / "manifest.json").read_text())
    entries = [entry for entry in manifest if entry["exact"] and (AUDIO / entry["file"]).exists()]
    return [Recording(_read(AUDIO / entry["file"]), entry["language"], entry["text"]) for entry in entries]


def clip() -> Recording:
    """Three seconds: 2.9, to be exact."""
    return next(recording for recording in exact() if recording.text == "one two three four five")


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * RATE) * _BYTES)


def joined(recordings: Iterable[Recording], pauses: Iterable[float]) -> Recording:
    """One after the other, each with a pause after it."""
    sound, texts, language = bytearray(), [], ""
    for recording, pause in zip(recordings, pauses, strict=False):
        sound += recording.sound + silence(pause)
        texts.append(recording.text)
        language = language or recording.language
    return Recording(bytes(sound), language, " ".join(texts))


def talk(seconds: float) -> bytes:
    """All English phrases over and over with pauses between, cut off after so long."""
    phrases = [recording for recording in exact() if recording.language == "en"]
    sound = bytearray()
    for phrase, pause in zip(itertools.cycle(phrases), itertools.cycle(_PAUSES), strict=False):
        sound += phrase.sound + silence(pause)
        if len(sound) >= (size := len(silence(seconds))):
            return bytes(sound[:size])
    raise AssertionError("cycles do not end")


def clips(count: int, seconds: float) -> list[bytes]:
    """Different ones, each of exactly so many seconds."""
    whole, size = talk(count * seconds), len(silence(seconds))
    return [whole[start : start + size] for start in range(0, count * size, size)]


def wav(sound: bytes) -> bytes:
    """The whole file."""
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_BYTES)
        file.setframerate(RATE)
        file.writeframes(sound)
    return whole.getvalue()


def write_wav(path: Path, sound: bytes) -> Path:
    path.write_bytes(wav(sound))
    return path


def write_mp3(path: Path, sound: bytes) -> Path:
    import av  # noqa: PLC0415  only the engine's figures need it
    import numpy as np  # noqa: PLC0415  as above

    with av.open(str(path), "w", format="mp3") as file:
        track = file.add_stream("mp3", rate=RATE)
        frame = av.AudioFrame.from_ndarray(np.frombuffer(sound, dtype=np.int16)[np.newaxis], "s16", "mono")
        frame.sample_rate = RATE
        file.mux(track.encode(frame))
        file.mux(track.encode(None))
    return path


def _read(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())
