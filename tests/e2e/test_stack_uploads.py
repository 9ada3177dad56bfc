"""Large uploads through the whole of compose.yaml: streamed, in bounded memory, and refused at once where too large."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.compose_stack import WHISPER, WHISPERX
from tests.e2e.shipped import Shipped, until
from tests.fixtures.speech import GOODBYE, recording, said, words

pytestmark = [pytest.mark.docker, pytest.mark.model]

MIB = 1024 * 1024
LARGE = 600 * MIB
TOO_LARGE = 3 * 1024 * MIB
BLOCK = bytes(MIB)
ADDED = 32 * MIB
"""The most memory that a large upload may add to what a process needs anyway."""


@pytest.fixture(scope="module")
def key(shipped: Shipped) -> Iterator[str]:
    with shipped.key("uploads") as key:
        yield key


class Form:
    """A form of `LARGE` bytes with one WAV file: a sentence, and then a chunk of another kind, which readers skip.

    It is held back half-way until the engine is ready. woken: whether that came before the last byte was sent.
    """

    def __init__(self, shipped: Shipped) -> None:
        self._shipped = shipped
        self.woken = False
        self.headers = {"Content-Type": "multipart/form-data; boundary=edge", "Content-Length": str(LARGE)}

    def __iter__(self) -> Iterator[bytes]:
        head = (
            b'--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
            b'--edge\r\nContent-Disposition: form-data; name="file"; filename="meeting.wav"\r\n\r\n'
        )
        tail = b"\r\n--edge--\r\n"
        sentence = recording(GOODBYE)
        left = LARGE - len(head) - len(sentence) - 8 - len(tail)
        yield head + sentence + b"JUNK" + left.to_bytes(4, "little")
        while left:
            if not self.woken and left < LARGE // 2:
                self._shipped.until("whisper", "ready")
                self.woken = True
            block = BLOCK[:left]
            left -= len(block)
            yield block
        yield tail


def test_600_mb_stream_to_an_engine_that_wakes_meanwhile_and_fill_nobodys_memory(shipped: Shipped, key: str) -> None:
    front = ("nginx", "gateway")
    with shipped.client(WHISPER, headers={"Authorization": f"Bearer {key}"}) as client:
        assert client.get("/v1/models?of=yours").status_code == 200  # so that everything that is loaded once is loaded
        shipped.sleep("whisper")
        before = {service: shipped.peak(service) for service in front}
        form = Form(shipped)
        answer = client.post("/v1/audio/transcriptions", content=form, headers=form.headers)
    assert form.woken
    assert words(answer.json()["text"]) == said(GOODBYE), answer.text
    after = {service: shipped.peak(service) for service in front}
    assert all(after[service] - before[service] < ADDED for service in front), (before, after)
    until(lambda: all(shipped.temporary(service) < MIB for service in front), "end of all that is kept on the way")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_every_byte_of_a_large_upload_arrives(shipped: Shipped, key: str, version: str, tmp_path: Path) -> None:
    """Sent without asking first, to an engine that sleeps."""
    shipped.sleep("whisperx")
    file = tmp_path / "large"
    with file.open("wb") as large:
        for number in range(100):
            large.seek(number * MIB)
            large.write(b"%d" % number)
        large.truncate(100 * MIB)
    wanted = hashlib.sha256(file.read_bytes()).hexdigest()
    answer = curl(shipped, key, version, "-H", "Expect:", "-T", str(file), f"https://{WHISPERX}/sum")
    assert json.loads(answer.stdout) == {"bytes": 100 * MIB, "sha256": wanted, "trailers": []}


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_3_gb_are_refused_at_once_in_json_and_wake_nothing(
    shipped: Shipped, key: str, version: str, tmp_path: Path
) -> None:
    """And before a noticeable part of it has been sent, also by a client that does not ask first."""
    shipped.sleep("whisper")
    file = tmp_path / "too-large"
    with file.open("wb") as large:
        large.truncate(TOO_LARGE)
    words = (version, "-H", "Expect:", "-w", "\n%{http_code} %{size_upload}", "-T", str(file))
    done = curl(shipped, key, *words, f"https://{WHISPER}/v1/audio/transcriptions")
    body, told = done.stdout.rsplit("\n", 1)
    status, sent = told.split()
    error = json.loads(body)["error"]
    assert (status, error["code"]) == ("413", "payload_too_large")
    assert "UPLOAD_LIMIT" in error["message"]
    assert int(sent) < TOO_LARGE // 10
    assert shipped.engine("whisper")["phase"] == "asleep"


def curl(shipped: Shipped, key: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["curl", "-sS", "--max-time", "60", "--cacert", str(shipped.certificate)]
    command += ["--connect-to", f"::127.0.0.1:{shipped.https}", "-H", f"Authorization: Bearer {key}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)
