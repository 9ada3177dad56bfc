"""Files that go on after their sound, with what is none: it is not gone through for minutes, nor for nobody."""

from __future__ import annotations

import functools
import io
from asyncio import CancelledError
from collections.abc import Callable

import av
import numpy as np
import pytest

from engines.transcription import audio, wary_reader
from engines.transcription.tape import SAMPLE_RATE, Samples
from tests.unit.engines.recordings import encoded, silence, tone

MB = 1_000_000
BLOCK = 32_768
"""Bytes that PyAV reads at once."""

TAILS = {
    "wav and zeros": ("wav", b"\0"),
    "wav and chunks": ("wav", b"LIST\x04\0\0\0INFO"),
    "mp4 and boxes": ("mp4", b"\0\0\0\x08free"),
    "amr and no frames": ("amr", b"\xff"),
}
"""Of which FFmpeg looks at each few bytes on their own: the kind of file, what follows it again and again."""


class Upload(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.count += len(piece)
        return piece


def checked(upload: Upload, checkpoint: Callable[[], None] = lambda: None) -> float | None:
    return audio.check(upload, checkpoint=checkpoint)


def decoded(upload: Upload, checkpoint: Callable[[], None] = lambda: None) -> Samples:
    return audio.decode(upload, limit=3_600, checkpoint=checkpoint)


@functools.cache
def plain(kind: str) -> bytes:
    return encoded(kind, tone(2))


def with_tail(name: str, size: int) -> Upload:
    kind, piece = TAILS[name]
    return Upload(plain(kind) + piece * (size // len(piece)))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a megabyte is as good as a hundred."""
    monkeypatch.setattr(wary_reader, "_AT_LEAST", 20_000)
    monkeypatch.setattr(wary_reader, "_AT_MOST", 20_000)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", TAILS)
@pytest.mark.parametrize("work", [checked, decoded])
def test_a_tail_is_given_up_midway(work: Callable[[Upload], object], name: str) -> None:
    upload = with_tail(name, MB)
    work(upload)
    assert upload.count < MB / 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", TAILS)
def test_the_sound_before_a_tail_is_heard_as_without_it(name: str) -> None:
    alone = decoded(Upload(plain(TAILS[name][0])))
    assert np.array_equal(decoded(with_tail(name, MB)), alone)


def test_a_tail_of_many_megabytes_is_given_up_midway() -> None:
    upload = with_tail("wav and zeros", 8 * MB)
    assert len(decoded(upload)) == 2 * SAMPLE_RATE
    assert upload.count < 6 * MB


@pytest.mark.parametrize("name", ["wav and zeros", "wav and chunks", "mp4 and boxes"])
@pytest.mark.parametrize("work", [checked, decoded])
def test_who_leaves_stops_the_way_through_a_tail(work: Callable[..., object], name: str) -> None:
    """Even with what is no Exception, as asyncio's cancellation, and FFmpeg has no name for."""
    calls = 0

    def leave() -> None:
        nonlocal calls
        calls += 1
        if calls >= 10:
            raise CancelledError

    upload = with_tail(name, MB)
    with pytest.raises(CancelledError):
        work(upload, leave)
    assert calls == 10
    assert upload.count < 10 * BLOCK


def test_what_goes_wrong_with_the_file_itself_is_told_as_such() -> None:
    class Broken(Upload):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    for work in (checked, decoded):
        with pytest.raises(OSError, match="the disk is gone"):
            work(Broken(plain("wav")))


def test_recordings_in_thousands_of_pieces_are_heard_to_the_end() -> None:
    """As cameras and browsers write them: FFmpeg looks at each of the pieces before it begins."""
    seconds = 2_400
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"movflags": "frag_every_frame+empty_moov+dash"}) as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for minute in range(seconds // 60):
            frame = av.AudioFrame.from_ndarray(silence(60)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, minute * 60 * 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    upload = Upload(buffer.getvalue())
    assert len(decoded(upload)) / SAMPLE_RATE == pytest.approx(seconds, abs=1)
