"""Recordings for tests, made when they are needed: any container and codec that PyAV can write."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SAMPLES = Path(__file__).parents[3] / "samples"
MODEL = SAMPLES / "models" / "micro-whisper"
AUDIO = SAMPLES / "audio"

CONTAINERS = {
    "mp3": ("mp3", "libmp3lame", 16_000),
    "m4a": ("ipod", "aac", 16_000),
    "mp4": ("mp4", "aac", 44_100),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "flac": ("flac", "flac", 16_000),
    "wav": ("wav", "pcm_s16le", 16_000),
    "mpga": ("mp2", "mp2", 44_100),
    "mkv": ("matroska", "pcm_s16le", 22_050),
    "amr": ("amr", "libopencore_amrnb", 8_000),
}
"""Usual file extension → FFmpeg's names of container and codec, and a sample rate that the codec takes."""

PIECE = 1_000_000
"""Samples that are encoded together. The engine limits what FFmpeg may allocate at once, for all of its process."""

Sound = NDArray[np.int16]


def tone(seconds: float, rate: int = 16_000) -> Sound:
    """A 440 Hz tone at a quarter of full scale."""
    return (np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate) * 8_192).astype(np.int16)


def silence(seconds: float, rate: int = 16_000) -> Sound:
    return np.zeros(int(seconds * rate), np.int16)


def spoken(name: str) -> Sound:
    """One of the shipped recordings, 16 kHz."""
    with av.open(str(AUDIO / name)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def encoded(kind: str, sound: Sound, rate: int = 16_000) -> bytes:
    """`sound` as a file of this kind."""
    container_name, codec, codec_rate = CONTAINERS[kind]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=codec_rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for first in range(0, len(sound), PIECE):
            frame = av.AudioFrame.from_ndarray(sound[None, first : first + PIECE], format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def wav(sound: Sound) -> bytes:
    """16 kHz mono WAV."""
    header = b"RIFF%bWAVEfmt %b%bdata%b" % (
        (36 + sound.nbytes).to_bytes(4, "little"),
        (16).to_bytes(4, "little"),
        bytes.fromhex("0100 0100 803e0000 007d0000 0200 1000"),
        sound.nbytes.to_bytes(4, "little"),
    )
    return header + sound.tobytes()


def silent_film() -> bytes:
    """A video without sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 32
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()
