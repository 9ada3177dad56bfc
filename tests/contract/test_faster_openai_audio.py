"""Whatever is uploaded, the answer is a transcript, perhaps an empty one, or a clear 400."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import openai
import pytest
from openai import OpenAI

from tests.fixtures.faster_engine import Engine
from tests.fixtures.speech import GOODBYE, recording, said, words
from tests.unit.engines.recordings import CONTAINERS, encoded, silence, silent_film, spoken, tone, wav

pytestmark = pytest.mark.model

NUMBERS = "en-one-two-three-four-five.wav"


@pytest.mark.parametrize("kind", sorted(CONTAINERS.keys() - {"amr"}))  # at 8 kHz, the small model mishears
def test_every_usual_container_is_heard(client: OpenAI, kind: str) -> None:
    content = encoded(kind, spoken(NUMBERS))
    answer = client.audio.transcriptions.create(model="whisper-1", file=(f"numbers.{kind}", content), language="en")
    assert words(answer.text) == said(NUMBERS)


def film() -> bytes:
    """A video in which somebody counts."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        assert isinstance(picture, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        picture.width = picture.height = 32
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        heard = av.AudioFrame.from_ndarray(spoken(NUMBERS)[None], format="s16", layout="mono")
        heard.sample_rate, heard.pts = 16_000, 0
        container.mux(sound.encode(heard))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    return buffer.getvalue()


def test_of_a_film_the_sound_is_heard(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=("numbers.mp4", film()), language="en")
    assert words(answer.text) == said(NUMBERS)


@pytest.mark.parametrize("name", ["talk.txt", "talk", "тест.wav", 'a"b\\c\n.wav', "../../etc/passwd"])
def test_the_content_decides_and_not_the_name(client: OpenAI, name: str) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=(name, recording(GOODBYE), "text/html"))
    assert words(answer.text) == said(GOODBYE)


@pytest.mark.parametrize(
    "sound",
    [silence(0), silence(1 / 16_000), tone(1 / 16_000 + 1e-9), silence(0.01), silence(3), silence(40)],
    ids=["nothing", "1 silent sample", "1 sample", "10 ms", "3 s", "40 s"],
)
@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt", "verbose_json"])
def test_without_speech_the_answer_is_200_and_empty(engine: Engine, response_format: str, sound: Any) -> None:
    answer = engine.post(wav(sound), response_format=response_format)
    assert answer.status_code == 200
    text = answer.json()["text"] if "json" in response_format else answer.text
    assert text.removeprefix("WEBVTT\n\n") == ""


@pytest.mark.parametrize("path", ["translations", "language"])
@pytest.mark.parametrize("sound", [silence(0), silence(1 / 16_000), silence(40)], ids=["nothing", "1 sample", "40 s"])
def test_without_speech_the_other_routes_answer_too(engine: Engine, path: str, sound: Any) -> None:
    answer = engine.post(wav(sound), path)
    assert answer.status_code == 200
    assert answer.json().get("text", "") == ""


def test_of_a_truncated_recording_the_part_that_is_there_is_heard(client: OpenAI) -> None:
    half = recording(NUMBERS)[: len(recording(NUMBERS)) // 2]
    answer = client.audio.transcriptions.create(model="whisper-1", file=("numbers.wav", half), language="en")
    assert words(answer.text).startswith("one two")


RUBBISH = {
    "zero bytes": b"",
    "zeros": b"\0" * 3_000_000,
    "text named .mp3": b"just text\n" * 1000,
    "truncated mp4": encoded("mp4", tone(1))[:300],
    "film without sound": silent_film(),
}


@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_raises_bad_request(client: OpenAI, content: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", content))
    assert (refusal.value.param, refusal.value.code) == ("file", "invalid_audio")


@pytest.mark.parametrize("path", ["translations", "language"])
@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_refused_on_the_other_routes_too(engine: Engine, path: str, content: bytes) -> None:
    answer = engine.post(content, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_audio")


def hours_of_silence(hours: int) -> bytes:
    """1 kB per second: the same MP3 frame (8 kHz, 8 kbit/s) over and over."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=8_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 8_000
        frame = av.AudioFrame.from_ndarray(silence(10, rate=8_000)[None], format="s16p", layout="mono")
        frame.sample_rate, frame.pts = 8_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = buffer.getvalue()
    once = frames[72 * 10 : 72 * 110]  # 72 bytes of 72 ms
    return once * (hours * 3600 * 1000 // (72 * 100))


def test_ten_hours_of_silence_in_a_small_file_are_refused_and_as_much_as_is_allowed_is_heard(
    start: Callable[..., Engine],
) -> None:
    engine = start(MAX_AUDIO_HOURS="1.1")
    refused = engine.post(hours_of_silence(10))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_audio")
    assert "1.1 hours" in refused.json()["error"]["message"]
    heard = engine.post(hours_of_silence(1), response_format="verbose_json")
    assert (heard.status_code, heard.json()["text"]) == (200, "")
    assert heard.json()["duration"] == pytest.approx(3600, rel=0.01)
