"""How the engine's clients call it, without an SDK; and the voices of those who speak in the recordings."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import numpy as np

from tests.fixtures.engine_process import EngineProcess
from tests.fixtures.speech import MANIFEST, words
from tests.unit.engines.recordings import spoken, wav


def post(engine: EngineProcess, path: str, sound: bytes, /, **fields: Any) -> httpx.Response:
    """As `requests.post(url, files=…, data=…)`."""
    files = {"file": ("secret-name.wav", sound)}
    return httpx.post(f"{engine.url}{path}", data=fields, files=files, timeout=engine.patience)


def answered(engine: EngineProcess, path: str, sound: bytes, /, **fields: Any) -> Any:
    """The answer's JSON."""
    answer = post(engine, path, sound, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def text_of(result: dict[str, Any]) -> str:
    return words(" ".join(segment["text"] for segment in result["segments"]))


def voice(name: str, speaker: str, seconds: float = 5.0) -> bytes:
    """What this speaker says in a recording, without the others; at most so much of it."""
    sound = spoken(name)
    said = [
        sound[int(segment["start"] * 16_000) : int(segment["end"] * 16_000)]
        for segment in MANIFEST[name]["segments"]
        if segment["speaker"] == speaker
    ]
    return wav(np.concatenate(said)[: int(seconds * 16_000)])


def data_url(recording: bytes) -> str:
    return "data:audio/wav;base64," + base64.b64encode(recording).decode()


def speakers(name: str) -> list[tuple[str, str]]:
    """Who really says what, one after the other: what somebody says in several sentences is joined."""
    turns: list[tuple[str, str]] = []
    for segment in MANIFEST[name]["segments"]:
        speaker, text = segment["speaker"], words(segment["text"])
        if turns and turns[-1][0] == speaker:
            turns[-1] = (speaker, f"{turns[-1][1]} {text}")
        else:
            turns.append((speaker, text))
    return turns
