"""The faster engine as programs written for OpenAI meet it: a real server process, the real SDK, the shipped model."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from anyio import to_thread
from openai import AsyncOpenAI, OpenAI

from tests.unit.engines.recordings import AUDIO, CONTAINERS, MODEL, encoded, silence, silent_film, spoken, tone, wav

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

MANIFEST = {entry["file"]: entry for entry in json.loads((AUDIO / "manifest.json").read_text())}
EXACT = sorted(name for name, entry in MANIFEST.items() if entry["exact"] and (AUDIO / name).exists())
GOODBYE = "en-thanks-goodbye.wav"
DIALOGUE = "dialogue-en.wav"


class Engine:
    """`python -m engines.faster` on a free port of the loopback interface. What it logs can be waited for."""

    def __init__(self, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        self._news = threading.Condition()
        settings = {"WHISPER_MODEL": str(MODEL), "WHISPER_DEVICE": "cpu", "LOG_LEVEL": "debug", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engines.faster"],
            cwd=ROOT,
            env={**os.environ, **settings, "PORT": str(port), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def until_logged(self, pattern: str, times: int = 1) -> str:
        """Wait until that many lines match; the last of them."""
        matching: list[str] = []

        def enough() -> bool:
            matching[:] = [line for line in self.lines if re.search(pattern, line)]
            return len(matching) >= times

        with self._news:
            assert self._news.wait_for(enough, PATIENCE_S), f"{pattern!r} is not in:\n{self.log}"
        return matching[times - 1]

    def health(self) -> dict[str, str]:
        answer = httpx.get(f"{self.url}/health")
        assert answer.status_code == 200
        report: dict[str, str] = answer.json()
        return report

    def post(self, recording: bytes, **fields: Any) -> httpx.Response:
        """A form that no SDK has touched."""
        return httpx.post(
            f"{self.url}/v1/audio/transcriptions",
            data=fields,
            files={"file": ("secret-name.wav", recording)},
            timeout=PATIENCE_S,
        )

    def sdk(self) -> dict[str, Any]:
        return {"base_url": f"{self.url}/v1", "api_key": "unused", "max_retries": 0, "timeout": PATIENCE_S}

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        self.process.send_signal(signal_number)
        status = self.process.wait(PATIENCE_S)
        self.close()
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine for all tests that leave it as it was. Afterwards, nothing that it was told may be left anywhere."""
    folder = tmp_path_factory.mktemp("uploads")
    engine = Engine(TMPDIR=str(folder), MAX_UPLOAD="40m")
    try:
        engine.until_logged("model.ready")
        yield engine
        assert engine.stop() == 0
    finally:
        engine.close()
    assert not list(folder.iterdir()), "uploads were left on the disk"
    for secret in ("thanks", "goodbye", "window", "merci", "secret", ".wav", "Traceback"):
        assert secret not in engine.log


@pytest.fixture
def start() -> Iterator[Callable[..., Engine]]:
    """Starts engines of one's own."""
    engines: list[Engine] = []

    def start(**environment: str) -> Engine:
        engines.append(Engine(**environment))
        engines[-1].until_logged("Uvicorn running")
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[OpenAI]:
    with OpenAI(**engine.sdk()) as client:
        yield client


def words(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").strip()


def recording(name: str) -> bytes:
    return (AUDIO / name).read_bytes()


# What the SDK gets


@pytest.mark.parametrize("name", EXACT)
def test_every_word_of_the_exact_recordings_is_right(client: OpenAI, name: str) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name)
    assert words(answer.text) == MANIFEST[name]["text"]


@pytest.mark.anyio
async def test_the_asynchronous_client_gets_the_same(engine: Engine) -> None:
    async with AsyncOpenAI(**engine.sdk()) as client:
        answer = await client.audio.transcriptions.create(model="micro-whisper", file=AUDIO / GOODBYE, language="en")
    assert words(answer.text) == "thanks goodbye"
    assert answer.usage is not None
    assert answer.usage.to_dict() == {"type": "duration", "seconds": 3}


def test_text_is_plain_text(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / GOODBYE, response_format="text")
    assert words(str(answer)) == "thanks goodbye"


def test_srt_has_a_numbered_cue_for_each_segment(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE, response_format="srt")
    cues = [cue.split("\n") for cue in str(answer).strip().split("\n\n")]
    assert [int(number) for number, _, _ in cues] == list(range(1, len(cues) + 1))
    assert all(re.fullmatch(r"00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}", times) for _, times, _ in cues)
    assert words(" ".join(text for _, _, text in cues)) == MANIFEST[DIALOGUE]["text"]


def test_vtt_has_its_header_and_a_cue_for_each_segment(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE, response_format="vtt")
    header, *cues = str(answer).strip().split("\n\n")
    assert header == "WEBVTT"
    assert all(re.fullmatch(r"00:00:\d\d\.\d{3} --> 00:00:\d\d\.\d{3}", cue.split("\n")[0]) for cue in cues)
    assert words(" ".join(cue.split("\n")[1] for cue in cues)) == MANIFEST[DIALOGUE]["text"]


@pytest.mark.parametrize(("name", "language"), [(DIALOGUE, "english"), ("fr-merci-et-salut.wav", "french")])
def test_verbose_json_has_language_duration_and_segments(client: OpenAI, name: str, language: str) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name, response_format="verbose_json")
    assert answer.language == language
    assert float(answer.duration) == pytest.approx(MANIFEST[name]["duration"], abs=0.01)
    assert answer.words is None
    assert answer.segments
    assert [segment.id for segment in answer.segments] == list(range(len(answer.segments)))
    assert words("".join(segment.text for segment in answer.segments)) == MANIFEST[name]["text"]
    for segment, expected in zip(answer.segments, MANIFEST[name]["segments"], strict=True):
        assert segment.start == pytest.approx(expected["start"], abs=0.7)
        assert segment.end == pytest.approx(expected["end"], abs=0.7)
        numbers = (segment.avg_logprob, segment.compression_ratio, segment.no_speech_prob, segment.temperature)
        assert all(isinstance(number, float) for number in numbers)
        assert segment.tokens
        assert segment.seek == 0


def test_words_come_when_asked_for_and_segments_beside_them_when_both_are(client: OpenAI) -> None:
    def ask(*granularities: Any) -> Any:
        return client.audio.transcriptions.create(
            model="whisper-1",
            file=AUDIO / GOODBYE,
            response_format="verbose_json",
            timestamp_granularities=list(granularities),
        )

    both = ask("word", "segment")
    assert [words(word.word) for word in both.words] == ["thanks", "goodbye"]
    assert all(0 <= word.start < word.end <= 2.3 for word in both.words)
    assert both.segments
    assert ask("word").segments is None
    assert ask("segment").words is None


def test_prompt_and_temperature_are_taken(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=AUDIO / GOODBYE, prompt="Thanks.", temperature=0.1, language="en"
    )
    assert answer.text


@pytest.mark.parametrize("kind", sorted(CONTAINERS.keys() - {"amr"}))  # at 8 kHz, the small model mishears
def test_every_usual_container_is_heard(client: OpenAI, kind: str) -> None:
    content = encoded(kind, spoken("en-one-two-three-four-five.wav"))
    answer = client.audio.transcriptions.create(model="whisper-1", file=(f"numbers.{kind}", content), language="en")
    assert words(answer.text) == "one two three four five"


# What has tripped other servers


def test_an_empty_language_means_detect(engine: Engine) -> None:
    answer = engine.post(recording("fr-merci-et-salut.wav"), language="", response_format="verbose_json")
    assert (answer.status_code, answer.json()["language"]) == (200, "french")


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
def test_granularities_are_understood_with_and_without_brackets(engine: Engine, name: str) -> None:
    answer = engine.post(recording(GOODBYE), response_format="verbose_json", **{name: ["word", "segment"]}).json()
    assert [words(word["word"]) for word in answer["words"]] == ["thanks", "goodbye"]
    assert answer["segments"]


@pytest.mark.parametrize("sound", [silence(0), silence(0.01), silence(3), silence(40)], ids=["0", "0.01", "3", "40"])
@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt", "verbose_json"])
def test_without_speech_the_answer_is_200_and_empty(engine: Engine, response_format: str, sound: Any) -> None:
    answer = engine.post(wav(sound), response_format=response_format)
    assert answer.status_code == 200
    text = answer.json()["text"] if "json" in response_format else answer.text
    assert text.removeprefix("WEBVTT\n\n") == ""


def test_a_model_id_with_a_slash_is_found_and_its_failure_to_load_is_told(start: Callable[..., Engine]) -> None:
    """Nothing can be downloaded here: the engine lives on, says why it cannot work, and tries again."""
    engine = start(WHISPER_MODEL="Systran/faster-whisper-small", HF_HOME="/nonexistent")
    with OpenAI(**engine.sdk()) as client:
        assert client.models.retrieve("Systran/faster-whisper-small").id == "Systran/faster-whisper-small"
        assert [model.id for model in client.models.list()] == ["Systran/faster-whisper-small"]
        for attempt in (1, 2):
            with pytest.raises(openai.InternalServerError) as refusal:
                client.audio.transcriptions.create(model="Systran/faster-whisper-small", file=AUDIO / GOODBYE)
            assert (refusal.value.status_code, refusal.value.code) == (503, "model_unavailable")
            assert refusal.value.response.headers["retry-after"]
            engine.until_logged("model.broken", times=attempt)
    report = engine.health()
    assert report["status"] == "broken"
    assert report["reason"]
    assert httpx.get(f"{engine.url}/v1/models/Systran/faster-whisper-small").status_code == 200
    assert "Traceback" not in engine.log


# What is refused


@pytest.mark.parametrize(
    ("param", "options"),
    [
        ("response_format", {"response_format": "xml"}),
        ("temperature", {"temperature": 1.5}),
        ("temperature", {"temperature": -1}),
        ("language", {"language": "klingon"}),
        ("language", {"language": "yue"}),
        ("timestamp_granularities[]", {"timestamp_granularities": ["word"]}),
        ("timestamp_granularities[]", {"timestamp_granularities": ["line"], "response_format": "verbose_json"}),
    ],
)
def test_unusable_values_raise_bad_request_with_the_field_s_name(
    client: OpenAI, param: str, options: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=AUDIO / GOODBYE, **options)
    assert (refusal.value.param, refusal.value.code) == (param, "invalid_value")
    assert refusal.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 3_000_000, b"just text\n" * 1000, encoded("mp4", tone(1))[:300], silent_film()],
    ids=["zero bytes", "zeros", "text named .mp3", "truncated mp4", "film without sound"],
)
def test_rubbish_raises_bad_request(client: OpenAI, content: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", content))
    assert (refusal.value.param, refusal.value.code) == ("file", "invalid_audio")


def test_an_unknown_model_raises_not_found_and_names_those_that_exist(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="micro-whisper") as refusal:
        client.audio.transcriptions.create(model="whisper-9", file=AUDIO / GOODBYE)
    assert refusal.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no/such/model")


def test_too_large_an_upload_raises_413(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=("talk.wav", bytes(41 * 1024**2)))
    assert (refusal.value.status_code, refusal.value.code) == (413, "upload_too_large")


def test_an_announced_upload_that_is_too_large_is_refused_before_it_is_sent(engine: Engine) -> None:
    address = httpx.URL(engine.url)
    with socket.create_connection((address.host, address.port or 80), timeout=PATIENCE_S) as raw:
        head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n"
        raw.sendall(head.format(41 * 1024**2).encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_form_that_is_none_is_refused(engine: Engine) -> None:
    url = f"{engine.url}/v1/audio/transcriptions"
    torn = httpx.post(url, content=b"garbage", headers={"content-type": "multipart/form-data; boundary=B"})
    assert (torn.status_code, torn.json()["error"]["code"]) == (400, "malformed_body")
    other = httpx.post(url, json={"file": "talk.mp3"})
    assert (other.status_code, other.json()["error"]["param"]) == (400, "file")


def test_unknown_paths_and_methods_are_answered_in_the_envelope(engine: Engine) -> None:
    missing = httpx.get(f"{engine.url}/v1/audio/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = httpx.get(f"{engine.url}/v1/audio/transcriptions")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")


def test_stream_is_ignored_as_openai_does_for_whisper_1(engine: Engine) -> None:
    answer = engine.post(recording(GOODBYE), stream="true")
    assert answer.headers["content-type"] == "application/json"
    assert words(answer.json()["text"]) == "thanks goodbye"


# Many at once, and those who leave


@pytest.mark.anyio
async def test_thirty_at_once_are_all_answered_right_and_health_meanwhile(engine: Engine) -> None:
    async def good(number: int) -> None:
        name = EXACT[number % len(EXACT)]
        answer = await client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name)
        assert words(answer.text) == MANIFEST[name]["text"]
        assert (await plain.get("/health")).json()["status"] == "ready"

    async def rubbish() -> None:
        with pytest.raises(openai.BadRequestError):
            await client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"rubbish" * 1000))

    async with (
        AsyncOpenAI(**{**engine.sdk(), "timeout": 10 * PATIENCE_S}) as client,
        httpx.AsyncClient(base_url=engine.url) as plain,
        asyncio.TaskGroup() as group,
    ):
        for number in range(24):
            group.create_task(good(number))
        for _ in range(6):
            group.create_task(rubbish())


def long_talk(minutes: int) -> bytes:
    """The dialogue, over and over."""
    once = spoken(DIALOGUE)
    return encoded("flac", np.resize(once, minutes * 60 * 16_000))


@pytest.mark.anyio
async def test_a_client_who_leaves_stops_the_computation(start: Callable[..., Engine]) -> None:
    """An hour of speech would take minutes. The next in the queue is answered; who left it, too, is never begun."""
    engine = start()
    talk = long_talk(60)

    async def hear(content: bytes) -> httpx.Response:
        async with httpx.AsyncClient(base_url=engine.url, timeout=PATIENCE_S) as client:
            return await client.post(
                "/v1/audio/transcriptions", files={"file": ("x", content)}, data={"language": "en"}
            )

    async with asyncio.TaskGroup() as group:
        leaver = group.create_task(hear(talk))
        await to_thread.run_sync(engine.until_logged, "transcription.begun")
        impatient = group.create_task(hear(talk))
        patient = group.create_task(hear(recording(GOODBYE)))
        impatient.cancel()
        leaver.cancel()
        gone = await to_thread.run_sync(engine.until_logged, "transcription.abandoned")
        answer = await patient
    at, of = map(float, re.findall(r"=([\d.]+)s", gone))
    assert of == 3600
    assert at < of / 2
    assert words(answer.json()["text"]) == "thanks goodbye"
    assert engine.log.count("transcription.begun") <= 3
    assert engine.log.count("transcription.done") == 1
    assert engine.stop() == 0


def test_a_client_who_leaves_during_the_upload_leaves_nothing_behind(engine: Engine) -> None:
    """The fixture looks into the upload folder at the end."""
    address = httpx.URL(engine.url)
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="secret.wav"\r\n\r\n'
    for _ in range(5):
        with socket.create_connection((address.host, address.port or 80), timeout=PATIENCE_S) as raw:
            raw.sendall(head + b"Content-Length: 30000000\r\n\r\n" + part + bytes(3_000_000))
    assert words(engine.post(recording(GOODBYE)).json()["text"]) == "thanks goodbye"


# Beginning and end


class SlowModel:
    """A copy of the model one of whose files is a pipe: loading lasts until the test feeds it."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(MODEL, folder)
        self.folder = folder
        self._pipe = folder / "vocabulary.json"
        self._content = self._pipe.read_bytes()
        self._pipe.unlink()
        os.mkfifo(self._pipe)

    def feed(self) -> None:
        self._pipe.write_bytes(self._content)


@pytest.fixture
def slow_model(tmp_path: Path) -> SlowModel:
    return SlowModel(tmp_path / "slow-whisper")


@pytest.mark.anyio
async def test_while_the_model_loads_health_says_so_and_requests_wait(
    start: Callable[..., Engine], slow_model: SlowModel
) -> None:
    engine = start(WHISPER_MODEL=str(slow_model.folder))
    assert engine.health() == {"status": "loading", "model": "slow-whisper"}
    async with AsyncOpenAI(**engine.sdk()) as client, asyncio.TaskGroup() as group:
        early = [
            group.create_task(client.audio.transcriptions.create(model="slow-whisper", file=AUDIO / GOODBYE))
            for _ in range(3)
        ]
        with pytest.raises(openai.BadRequestError):
            await client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"rubbish"))
        assert engine.health()["status"] == "loading"
        await to_thread.run_sync(slow_model.feed)
    assert [words(task.result().text) for task in early] == ["thanks goodbye"] * 3
    assert engine.health()["status"] == "ready"
    assert engine.log.count("model.loading") == 1


def test_a_model_that_could_not_be_loaded_is_tried_again_by_the_next_request(
    start: Callable[..., Engine], tmp_path: Path
) -> None:
    folder = tmp_path / "late-whisper"
    engine = start(WHISPER_MODEL=str(folder))
    refused = engine.post(recording(GOODBYE))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unavailable")
    assert "there is no folder" in refused.json()["error"]["message"]
    assert engine.health()["status"] == "broken"
    shutil.copytree(MODEL, folder)
    assert words(engine.post(recording(GOODBYE)).json()["text"]) == "thanks goodbye"
    assert engine.health() == {"status": "ready", "model": "late-whisper"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_model_loads_does_not_wait_for_it(
    start: Callable[..., Engine], slow_model: SlowModel, number: int
) -> None:
    engine = start(WHISPER_MODEL=str(slow_model.folder))
    engine.until_logged("model.loading")
    assert engine.stop(number) == 0


@pytest.mark.anyio
async def test_a_stop_lets_running_requests_finish(start: Callable[..., Engine]) -> None:
    engine = start()
    engine.until_logged("model.ready")
    async with httpx.AsyncClient(base_url=engine.url, timeout=PATIENCE_S) as client, asyncio.TaskGroup() as group:
        files = {"file": ("x", long_talk(1))}
        answer = group.create_task(client.post("/v1/audio/transcriptions", files=files, data={"language": "en"}))
        await to_thread.run_sync(engine.until_logged, "transcription.begun")
        assert await to_thread.run_sync(engine.stop) == 0
    assert answer.result().status_code == 200
    assert "the meeting is open" in answer.result().json()["text"]


def test_wrong_settings_end_the_start_with_all_problems(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engines.faster"],
        cwd=ROOT,
        env={**os.environ, "PORT": "http", "WHISPER_DEVICE": "gpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    assert [line.partition("=")[0] for line in done.stderr.splitlines()] == ["PORT", "WHISPER_DEVICE"]
