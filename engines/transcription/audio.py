"""An upload → what a Whisper model listens to: 16 kHz, mono, 32-bit floats between -1 and 1. Or a clear refusal.

PyAV brings FFmpeg's libraries with it, so no ffmpeg program is needed. The upload is never written anywhere, and its
name is not needed: FFmpeg looks at the content. Uploads come from strangers, so

- only formats on FORMATS are opened. FFmpeg also knows playlists and session descriptions (HLS, DASH, concat, SDP) that
  name other files and addresses, and would open them for the uploader; nothing but the upload itself may be opened;
- the decoded length is limited, because a small file can hold days of silence;
- what FFmpeg may allocate is limited, because a header of a kilobyte can claim millions of samples, in hundreds of
  tracks, and for each of them FFmpeg would make an entry in a table before it looks for the first;
- how long FFmpeg may look around without any sound is limited, because it may look at each few of two billion bytes.

What is damaged in the middle is skipped, what is missing at the end is missing: half an hour with a hole is worth more
to its owner than an error.

This module imports PyAV and numpy, which takes a while: import it in a worker thread.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import BinaryIO

import av
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from engines.transcription.errors import BadAudio, RecordingTooLong
from engines.transcription.tape import SAMPLE_RATE, Samples, Tape
from engines.transcription.wary_reader import WaryReader

FORMATS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,w64,wav,wv"
)
"""FFmpeg's names of the containers that we open: what OpenAI accepts (flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav, webm)
and what telephones and recorders write besides."""

_PLAUSIBLE_RATES = range(1_000, 1_000_000)
"""Samples per second. What a damaged header claims beyond them would keep the resampler busy for minutes."""

_BLOCK = 200_000
"""Samples of all channels that are resampled together: a few seconds."""

_LARGEST_BLOCK = 32 * 1024**2
"""Bytes that FFmpeg may allocate in one piece. Its tables take 24 for each packet, and packets last 20 ms or so: this
is more than seven hours. FFmpeg's own limit is 2 GB."""

_TRACKS = 8
_BYTES_PER_TRACK = 1_000_000
"""Tracks that a file may have, and how much larger it must be for each further one. Films with dozens are large."""

_OPEN_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}

ctypes.CDLL(av.buffer.__file__).av_max_alloc(ctypes.c_size_t(_LARGEST_BLOCK))  # PyAV has no name for it


def check(upload: BinaryIO, *, checkpoint: Callable[[], None]) -> float | None:
    """Look whether there is audio in it, without decoding it. Raises BadAudio.

    Returns how many seconds the file says that it holds, or None. It may be wrong about that.
    checkpoint: called now and then, raises to end the work.
    """
    with _opened(WaryReader(upload, checkpoint)) as (container, _):
        return None if container.duration is None else container.duration / av.time_base


def decode(upload: BinaryIO, *, limit: float, checkpoint: Callable[[], None], enough: float = math.inf) -> Samples:
    """All of the upload's main audio track. Silence, even none of it, is fine: the result may be empty.

    limit: seconds; more than that raises RecordingTooLong. enough: seconds after which the rest is not needed.
    checkpoint: called now and then, raises to end the work.
    """
    tape = Tape()
    reader = WaryReader(upload, checkpoint)
    with _opened(reader) as (container, track):
        for frame in _resampled(_frames(container, track, reader, checkpoint)):
            checkpoint()
            tape.append(frame.to_ndarray()[0])
            if tape.seconds > limit:
                raise RecordingTooLong(limit)
            if tape.seconds >= enough:
                break
    return tape.samples()


@contextmanager
def _opened(reader: WaryReader) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The upload and its main audio track; FFmpeg's complaints become BadAudio, all others stay what they were."""
    if not reader.size:
        raise BadAudio("The file is empty.")
    options = {**_OPEN_OPTIONS, "max_streams": str(min(_TRACKS + reader.size // _BYTES_PER_TRACK, 1000))}
    try:
        with av.open(reader, mode="r", metadata_errors="ignore", options=options) as container:
            track = container.streams.best("audio")
            if not isinstance(track, AudioStream):
                raise BadAudio("The file has no audio track that can be decoded.")
            yield container, track
    except av.FFmpegError as exc:
        raise BadAudio(
            "The file could not be decoded. Send audio or video as flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav or webm."
        ) from exc
    finally:
        if reader.failure is not None:
            raise reader.failure


def _frames(
    container: InputContainer, track: AudioStream, reader: WaryReader, checkpoint: Callable[[], None]
) -> Iterator[AudioFrame]:
    """What can be decoded. Raises FFmpeg's error if nothing at all could be.

    Packet by packet, because an error inside `container.decode` would end it, and with it the rest of the recording.
    """
    heard, problem = False, None
    packets = container.demux(track)
    while True:
        try:
            frames = next(packets).decode()
        except (StopIteration, IndexError):  # the latter: PyAV, at the end of a file in which tracks appeared midway
            break
        except av.FFmpegError as exc:
            problem = exc
            reader.noise()
            checkpoint()  # there may be millions of them, and no block
            continue
        for frame in frames:
            heard = True
            reader.heard()
            yield frame
    if problem is not None and not heard:
        raise problem


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """As 16 kHz mono, 16 bit. Rate and channels may change on the way, as in joined Ogg files."""
    for (_, _, rate), run in groupby(
        frames, key=lambda frame: (frame.format.name, frame.layout.name, frame.sample_rate)
    ):
        if rate not in _PLAUSIBLE_RATES:
            raise BadAudio("The file could not be decoded: its header is damaged.")
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        for block in _blocks(run):
            yield from resampler.resample(block)
        yield from resampler.resample(None)


def _blocks(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """The same sound in fewer pieces: resampling costs more per call than per sample."""
    fifo = AudioFifo()
    for frame in frames:
        frame.pts = None  # timestamps of damaged files run backwards; samples follow each other all the same
        fifo.write(frame)
        if fifo.samples * frame.layout.nb_channels >= _BLOCK and (block := fifo.read()):
            yield block
    if fifo.samples and (rest := fifo.read()):
        yield rest
