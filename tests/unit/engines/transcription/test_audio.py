"""What comes in is turned into samples or refused with BadAudio; nothing else happens, whatever is uploaded."""

from __future__ import annotations

import io
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import av
import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from engines.transcription import audio
from engines.transcription.errors import BadAudio
from engines.transcription.tape import SAMPLE_RATE, Samples
from tests.unit.engines.recordings import AUDIO, CONTAINERS, encoded, silence, silent_film, tone, wav


def decode(content: bytes, limit: float = 60, checkpoint: Callable[[], None] = lambda: None) -> Samples:
    upload = io.BytesIO(content)
    audio.check(upload, checkpoint=checkpoint)
    return audio.decode(upload, limit=limit, checkpoint=checkpoint)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_usual_container_is_decoded_to_16_khz_mono(kind: str) -> None:
    samples = decode(encoded(kind, tone(2)))
    assert samples.dtype == np.float32
    assert len(samples) / SAMPLE_RATE == pytest.approx(2, abs=0.1)
    assert 0.2 < np.abs(samples).max() < 0.3
    crossings = np.count_nonzero(np.diff(np.signbit(samples[8_000:24_000])))
    assert crossings == pytest.approx(880, abs=20)


@pytest.mark.parametrize("name", ["en-thanks-goodbye.wav", "dialogue-en.wav"])
def test_samples_are_those_of_faster_whisper_itself(name: str) -> None:
    content = (AUDIO / name).read_bytes()
    assert np.array_equal(decode(content), decode_audio(io.BytesIO(content)))


def test_a_spooled_upload_is_read_from_its_beginning() -> None:
    with SpooledTemporaryFile() as upload:
        upload.write(wav(tone(1)))
        assert len(audio.decode(cast("BinaryIO", upload), limit=60, checkpoint=lambda: None)) == SAMPLE_RATE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100_000,
        b"Dear all, please find the recording attached.\n" * 1000,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        encoded("mp4", tone(1))[:300],
    ],
    ids=["zero bytes", "zeros", "text named .mp3", "picture", "wav cut in its header", "tag only", "mp4 without index"],
)
def test_rubbish_is_refused(content: bytes) -> None:
    with pytest.raises(BadAudio) as refusal:
        decode(content)
    assert refusal.value.param == "file"


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(BadAudio, match="empty"):
        decode(b"")


def test_a_video_without_sound_is_refused_as_such() -> None:
    with pytest.raises(BadAudio, match="no audio track"):
        decode(silent_film())


@pytest.mark.parametrize("kind", ["mp3", "ogg", "wav", "flac"])
def test_of_a_truncated_file_the_part_that_is_there_is_kept(kind: str) -> None:
    content = encoded(kind, tone(4))
    samples = decode(content[: len(content) // 2])
    assert 1 < len(samples) / SAMPLE_RATE < 3


def test_what_comes_after_a_damaged_spot_is_kept() -> None:
    content = bytearray(encoded("mp3", tone(10)))
    middle = len(content) // 2
    content[middle : middle + 1000] = random.Random(1).randbytes(1000)
    assert len(decode(bytes(content))) / SAMPLE_RATE > 8


def test_a_recording_without_any_sample_is_silence_not_an_error() -> None:
    assert len(decode(wav(silence(0)))) == 0


def test_rate_and_channels_may_change_on_the_way() -> None:
    """As when Ogg files are simply joined."""
    joined = encoded("ogg", tone(1)) + encoded("ogg", tone(2))
    assert len(decode(joined)) / SAMPLE_RATE == pytest.approx(3, abs=0.2)


def test_more_than_the_limit_is_refused_before_all_of_it_is_decoded() -> None:
    decoded = 0

    def count() -> None:
        nonlocal decoded
        decoded += 1

    with pytest.raises(BadAudio, match=r"longer than the 0\.0166667 hours"):
        decode(encoded("flac", silence(600)), limit=60, checkpoint=count)
    assert decoded < 10


def test_the_checkpoint_ends_the_work() -> None:
    class Enough(Exception):
        pass

    def enough() -> None:
        raise Enough

    with pytest.raises(Enough):
        decode(wav(tone(1)), checkpoint=enough)


DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period><AdaptationSet mimeType="audio/mp4">
<Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>"""


@pytest.mark.parametrize(
    "document",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {url}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        DASH,
    ],
    ids=["HLS", "concat", "SDP", "DASH"],
)
def test_an_upload_cannot_make_the_server_open_addresses(document: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        with pytest.raises(BadAudio):
            decode(document.format(url=f"http://127.0.0.1:{server.getsockname()[1]}/x.wav").encode())
        with pytest.raises(BlockingIOError):
            server.accept()


def test_ffmpeg_would_take_a_session_description_if_we_let_it() -> None:
    """Shows that the list of formats is what keeps it out, should that ever look superfluous."""
    assert "sdp" in av.formats_available
    assert "sdp" not in audio.FORMATS.split(",")


def test_an_absurd_sample_rate_is_refused_at_once() -> None:
    content = bytearray(wav(tone(1)))
    content[24:28] = (1_500_000_000).to_bytes(4, "little")
    with pytest.raises(BadAudio, match="damaged"):
        decode(bytes(content), limit=1e6)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_damaged_files_are_decoded_or_refused_and_nothing_else(kind: str) -> None:
    """A thousand broken files in all, the same ones each time."""
    chance = random.Random(kind)
    whole = encoded(kind, tone(1))
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 5, 50))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        end = chance.randrange(len(content)) if chance.random() < 0.3 else len(content)
        with suppress(BadAudio):
            decode(bytes(content[:end]))
