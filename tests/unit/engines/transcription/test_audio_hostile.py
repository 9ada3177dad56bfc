"""Files that lie, and files in pieces: samples or BadAudio, soon, and in little memory."""

from __future__ import annotations

import functools
import io
import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench import procfs
from engines.transcription import audio
from engines.transcription.errors import BadAudio, RecordingTooLong
from engines.transcription.tape import Samples
from tests.unit.engines.recordings import CONTAINERS, encoded, silence, silent_film, tone, wav
from tests.unit.engines.transcription.boxes import boastful

LIMIT_S = 3600.0
SOON_S = 10.0
"""Of this process's own work: damaged files take hundredths of one."""
LITTLE_MB = 150


def heard(content: bytes) -> Samples | None:
    """None if the file is refused. Whatever else is raised is a failure, and so is a long wait."""
    began = time.process_time()
    samples = None
    with suppress(BadAudio):
        upload = io.BytesIO(content)
        audio.check(upload, checkpoint=lambda: None)
        samples = audio.decode(upload, limit=LIMIT_S, checkpoint=lambda: None)
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert np.abs(samples).max(initial=0) <= 1
    assert time.process_time() - began < SOON_S
    return samples


def megabytes(content: bytes) -> float:
    """How much more memory it takes, at its peak, to hear this."""
    pid = os.getpid()
    before = procfs.rss_mb(pid)
    procfs.reset_peak(pid)
    heard(content)
    return procfs.peak_rss_mb(pid) - before


def film() -> bytes:
    """A picture for each tenth of a second, and a tone."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        video, sound = container.add_stream("mpeg4", rate=10), container.add_stream("aac", rate=16_000)
        assert isinstance(video, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        video.width = video.height = 32
        for _ in range(10):
            container.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(tone(1)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return buffer.getvalue()


@functools.cache
def whole() -> tuple[bytes, ...]:
    """One file of each kind."""
    return (*(encoded(kind, tone(1)) for kind in CONTAINERS), film(), silent_film())


# What can happen to a file. `place` is a part of it, from 0 to 1: hypothesis need not know how long files are.

places = st.floats(0, 1) | st.integers(0, 400).map(lambda number: number / 20_000)  # rather in the header
sizes = st.sampled_from([1, 2, 4, 8, 100, 5_000])
bytes_between = st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])


def overwritten(file: bytes, place: float, new: bytes) -> bytes:
    at = int(place * len(file))
    return file[:at] + new + file[at + len(new) :]


def cut_out(file: bytes, place: float, size: int) -> bytes:
    at = int(place * len(file))
    return file[:at] + file[at + size :]


def repeated(file: bytes, place: float, size: int) -> bytes:
    at = int(place * len(file))
    return file[:at] + file[at : at + size] * 3 + file[at + size :]


def truncated(file: bytes, place: float) -> bytes:
    return file[: int(place * len(file))]


def continued(file: bytes, other: int, place: float, size: int) -> bytes:
    """With a piece of a file of another kind in it."""
    at = int(place * len(file))
    return file[:at] + whole()[other][: size * 10] + file[at:]


kinds = st.integers(0, len(CONTAINERS) + 1)
mishaps = st.one_of(
    st.tuples(st.just(overwritten), places, bytes_between),
    st.tuples(st.just(cut_out), places, sizes),
    st.tuples(st.just(repeated), places, sizes),
    st.tuples(st.just(truncated), places),
    st.tuples(st.just(continued), kinds, places, sizes),
)


@given(kind=kinds, damage=st.lists(mishaps, max_size=6))
@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_to_a_file_it_is_heard_or_refused(kind: int, damage: list[tuple[Any, ...]]) -> None:
    content = whole()[kind]
    for happens, *how in damage:
        content = happens(content, *how)
    heard(content)


@given(content=st.lists(kinds, min_size=2, max_size=4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_files_of_any_kinds_joined_are_heard_or_refused(content: list[int]) -> None:
    heard(b"".join(whole()[kind] for kind in content))


# Headers that lie


def boasting_wav(  # noqa: PLR0917  in the order of the file
    codec: int, channels: int, rate: int, bits: int, frame: int, size: int, sound: bytes
) -> bytes:
    """frame: bytes of one sample of all channels, as the header has it. size: of the sound, as the header has it."""
    shape = struct.pack("<HHIIHH", codec, channels, rate, rate * frame % 2**32, frame, bits)
    head = b"RIFF%bWAVEfmt %b%bdata%b"
    return head % (b"\xff" * 4, struct.pack("<I", len(shape)), shape, struct.pack("<I", size)) + sound


codecs = st.sampled_from([0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x45, 0x55, 0x161, 0x2000, 0xFFFE]) | st.integers(0, 65535)
rates = st.sampled_from([0, 1, 999, 1_000, 8_000, 44_100, 999_999, 1_000_000, 2**31, 2**32 - 1])
totals = st.sampled_from([0, 1, 3, 2**31 - 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)


@given(
    codec=codecs,
    channels=st.integers(0, 255) | st.sampled_from([256, 65_535]),
    rate=rates,
    bits=st.sampled_from([0, 1, 4, 8, 12, 16, 24, 32, 64, 65_535]) | st.integers(0, 255),
    frame=st.integers(0, 65_535) | st.sampled_from([0, 1, 2, 4]),
    size=totals,
    sound=st.sampled_from([b"", b"\1", bytes(range(256)) * 40]),
)
@example(codec=1, channels=1, rate=16_000, bits=16, frame=2, size=2**32 - 1, sound=bytes(2))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_whatever_a_header_says_the_file_is_heard_or_refused(
    *, codec: int, channels: int, rate: int, bits: int, frame: int, size: int, sound: bytes
) -> None:
    heard(boasting_wav(codec, channels, rate, bits, frame, size, sound))


@pytest.mark.parametrize("channels", range(256))
def test_any_number_of_channels_is_heard_or_refused(channels: int) -> None:
    samples = heard(boasting_wav(1, channels, 16_000, 16, 2 * channels, 2**32 - 1, bytes(range(256)) * 2 * channels))
    assert samples is not None or not 0 < channels <= 8


@pytest.mark.parametrize("tracks", [1, 3, 200])
def test_what_a_small_file_claims_takes_no_memory(tracks: int) -> None:
    """FFmpeg would make a table of what is claimed first: 1.2 GB, in each of these tracks."""
    assert megabytes(boastful(50_000_000, tracks)) < LITTLE_MB


def test_the_most_that_a_small_file_can_claim_is_bounded() -> None:
    assert megabytes(boastful(audio._LARGEST_BLOCK // 24, 8)) < 8 * LITTLE_MB


def test_text_about_a_file_takes_no_memory_before_it_is_there() -> None:
    """A WAV file may say who made it, in 2 GB."""
    sound = wav(tone(1))
    said = b"LIST" + struct.pack("<I", 2**31 - 20) + b"INFOISFT" + struct.pack("<I", 2**31 - 40)
    assert megabytes(sound[:36] + said + sound[36:]) < LITTLE_MB


def test_many_channels_take_no_more_memory_than_one() -> None:
    """Sound is resampled in blocks, of which the size counts."""
    sound = bytes(20_000_000)
    assert megabytes(boasting_wav(3, 8, 999_999, 64, 64, len(sound), sound)) < LITTLE_MB


def test_ten_hours_of_silence_are_refused_as_soon_as_they_are_too_long() -> None:
    """A file of 7 MB, of which the samples would take 2.3 GB."""
    content = encoded("flac", silence(36_000))
    upload = io.BytesIO(content)
    with pytest.raises(RecordingTooLong):
        audio.decode(upload, limit=60, checkpoint=lambda: None)
    assert upload.tell() < len(content) / 20, "the rest is not even read"


def test_sound_that_cannot_be_decoded_does_not_hold_up_the_end() -> None:
    """Nobody may be waiting any more."""

    class Enough(Exception):
        pass

    def enough() -> None:
        raise Enough

    file = encoded("mp4", tone(2))
    start = file.index(b"mdat")
    end = start - 4 + int.from_bytes(file[start - 4 : start])
    content = file[: start + 4] + b"\xff" * (end - start - 4) + file[end:]
    with pytest.raises(Enough):
        audio.decode(io.BytesIO(content), limit=60, checkpoint=enough)


@pytest.mark.parametrize("picture", [silent_film, film])
def test_of_a_film_the_sound_is_heard_if_there_is_any(picture: Callable[[], bytes]) -> None:
    samples = heard(picture())
    assert (samples is not None) == (picture is film)
