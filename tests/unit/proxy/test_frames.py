"""Where WebSocket frames begin and end, however the stream is cut."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.frames import FrameTracker, close_frame

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes, mask: bytes = b"", *, wide: int = 0) -> bytes:
    """wide: 2 or 8 for a length that takes more bytes than it needs."""
    bit = 0x80 if mask else 0
    if len(payload) < 126 and not wide:
        head = bytes([0x80 | opcode, bit | len(payload)])
    elif len(payload) < 65536 and wide < 8:
        head = struct.pack("!BBH", 0x80 | opcode, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, bit | 127, len(payload))
    return head + mask + payload


def tracked(data: bytes, cuts: list[int] | None = None) -> FrameTracker:
    frames = FrameTracker()
    edges = sorted({min(cut, len(data)) for cut in cuts or []} | {0, len(data)})
    for start, end in itertools.pairwise(edges):
        frames.feed(data[start:end])
    return frames


def test_before_the_first_frame_is_a_boundary() -> None:
    frames = FrameTracker()
    assert (frames.at_boundary, frames.closing) == (True, False)
    frames.feed(b"")
    assert frames.at_boundary


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
@pytest.mark.parametrize("mask", [b"", b"mask"])
def test_every_size_ends_where_it_should(size: int, mask: bytes) -> None:
    data = frame(BINARY, b"x" * size, mask)
    assert tracked(data).at_boundary
    assert not tracked(data[:-1]).at_boundary
    assert not tracked(data + b"\x81").at_boundary


@pytest.mark.parametrize("wide", [2, 8])
def test_a_length_in_more_bytes_than_it_needs_is_understood(wide: int) -> None:
    assert tracked(frame(TEXT, b"hello", wide=wide)).at_boundary


def test_every_byte_by_itself() -> None:
    data = frame(TEXT, b"x" * 300) + frame(PING, b"") + frame(BINARY, b"y" * 70_000, b"mask")
    frames = FrameTracker()
    boundaries = 0
    for number in range(len(data)):
        frames.feed(data[number : number + 1])
        boundaries += frames.at_boundary
    assert boundaries == 3


def test_a_close_frame_is_noticed_when_its_head_is_there() -> None:
    data = frame(CLOSE, struct.pack("!H", 1000) + b"bye")
    assert not tracked(data[:1]).closing
    assert tracked(data[:2]).closing
    assert tracked(data).closing
    assert tracked(frame(TEXT, b"\x88\x00") + data).closing


def test_what_looks_like_a_close_frame_within_a_payload_is_none() -> None:
    assert not tracked(frame(BINARY, frame(CLOSE, b"") * 50)).closing


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([CONTINUATION, TEXT, BINARY, PING, PONG]),
        st.binary(max_size=300),
        st.sampled_from([b"", b"mask"]),
        st.sampled_from([0, 2, 8]),
    ),
    max_size=8,
)


@given(FRAMES, st.lists(st.integers(0, 4000), max_size=12), st.booleans())
def test_any_split_of_any_sequence_ends_at_a_boundary(
    sequence: list[tuple[int, bytes, bytes, int]],
    cuts: list[int],
    closes: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    data = b"".join(frame(opcode, payload, mask, wide=wide) for opcode, payload, mask, wide in sequence)
    frames = tracked(data + (frame(CLOSE, b"\x03\xe8") if closes else b""), cuts)
    assert frames.at_boundary
    assert frames.closing is closes


@given(FRAMES.filter(bool), st.integers(1), st.lists(st.integers(0, 4000), max_size=12))
def test_boundaries_are_only_between_frames(
    sequence: list[tuple[int, bytes, bytes, int]], where: int, cuts: list[int]
) -> None:
    pieces = [frame(opcode, payload, mask, wide=wide) for opcode, payload, mask, wide in sequence]
    ends = {0}
    for piece in pieces:
        ends.add(max(ends) + len(piece))
    data = b"".join(pieces)
    cut = where % (len(data) + 1)
    assert tracked(data[:cut], cuts).at_boundary is (cut in ends)


@given(st.binary(max_size=500))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    tracked(data)


@pytest.mark.parametrize(("code", "reason"), [(1011, ""), (1012, "restart"), (1011, "x" * 200), (1011, "é" * 100)])
def test_our_close_frame_is_a_valid_one(code: int, reason: str) -> None:
    data = close_frame(code, reason)
    assert tracked(data).at_boundary
    assert tracked(data).closing
    assert data[0] == 0x88
    assert len(data) - 2 == data[1] <= 125
    assert struct.unpack_from("!H", data, 2) == (code,)
    assert reason.startswith(data[4:].decode())
