"""An upload as FFmpeg reads it, with an end to FFmpeg's patience.

Some of FFmpeg's readers go through all of a file before they begin, or after the last sound, and look at each few bytes
on their own: at zeros behind the sound of a WAV file (some recorders reserve room before they record), at a million
tiny boxes of an MP4 file. For 2 GB that takes many minutes, during which no sound appears, nobody asks whether anybody
still waits, and FFmpeg answers to nobody. So each step is counted here, and where there have been too many without any
sound, the file ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

_BYTES_PER_STEP = 8
_AT_LEAST = 300_000
_AT_MOST = 10_000_000
"""Steps without any sound: one for so many bytes of the file, within limits. A step takes 0.3 to 0.5 µs. Usual files
need a few dozen, but a live recording may come in fragments of a frame each, and FFmpeg looks at all of them before it
begins, with 12 to 16 steps for 100 bytes or more. The most is ten hours of these, or five seconds of work."""

_FOR_SOUND = 100
"""Steps that each frame of sound earns. Tracks far from each other in the file take a few. Less work than to listen."""
_FOR_NOISE = 10
"""Steps that a packet counts for that cannot be decoded: it takes 5 µs."""


class WaryReader:
    """What PyAV needs of a file. It is read from its beginning, wherever the upload was.

    checkpoint: called for each block that is read; raises to end the work. What it raises, and what the upload itself
    does, waits in `failure`, for FFmpeg would only know that there was some error, or overlook it: to FFmpeg, the file
    is empty from then on.
    """

    def __init__(self, upload: BinaryIO, checkpoint: Callable[[], None]) -> None:
        self.failure: BaseException | None = None
        self._upload = upload
        self._checkpoint = checkpoint
        self._at = 0
        self.size = self._end = upload.seek(0, 2)
        self._patience = min(_AT_LEAST + self.size // _BYTES_PER_STEP, _AT_MOST)
        self._left = self._patience

    def read(self, count: int) -> bytes:
        self._left -= 1
        if self.failure is not None:
            return b""
        if self._left < 0:  # the end is here, and what is before it may be read again: a WAV file's sound, for one
            self._end, self._left = min(self._at, self._end), self._patience
        try:
            self._checkpoint()
            self._upload.seek(self._at)
            piece = self._upload.read(max(0, min(count, self._end - self._at)))
        except BaseException as exc:
            self.failure = exc
            return b""
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new place. Below zero, and without effect, if there is none such: FFmpeg's way to hear of errors."""
        self._left -= 1
        at = offset + (0, self._at, self._end)[whence]
        if at >= 0:
            self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def noise(self) -> None:
        """A packet that could not be decoded."""
        self._left -= _FOR_NOISE

    def heard(self) -> None:
        """A frame of sound."""
        self._left += _FOR_SOUND
