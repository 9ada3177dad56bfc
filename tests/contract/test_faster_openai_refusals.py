"""What is refused: as exceptions of OpenAI's SDK, and on the wire."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import GOODBYE, recording, said, words
from tests.unit.engines.recordings import AUDIO

pytestmark = pytest.mark.model


@pytest.mark.parametrize(
    ("param", "options"),
    [
        ("response_format", {"response_format": "xml"}),
        ("temperature", {"temperature": 1.5}),
        ("temperature", {"temperature": -1}),
        ("language", {"language": "klingon"}),
        ("language", {"language": "yue"}),
        ("languages[]", {"languages": ["en", "klingon"]}),
        ("timestamp_granularities[]", {"timestamp_granularities": ["word"]}),
        ("timestamp_granularities[]", {"timestamp_granularities": ["line"], "response_format": "verbose_json"}),
        ("include[]", {"include": ["logprobs"], "response_format": "verbose_json"}),
        ("include[]", {"include": ["everything"]}),
        ("chunking_strategy", {"chunking_strategy": "never"}),
        ("chunking_strategy[type]", {"chunking_strategy": {"type": "semantic_vad"}}),
        ("chunking_strategy[threshold]", {"chunking_strategy": {"type": "server_vad", "threshold": 2}}),
        ("vad_parameters", {"extra_body": {"vad_parameters": '{"volume": 11}'}}),
        ("beam_size", {"extra_body": {"beam_size": 0}}),
        ("max_line_width", {"extra_body": {"max_line_width": 42}}),
        ("task", {"extra_body": {"task": "summarize"}}),
        ("prompt", {"prompt": "long " * 13_200}),
        ("whatever", {"extra_body": {"whatever": "long " * 13_200}}),
        (None, {"keywords": ["word"] * 201}),
    ],
)
def test_unusable_values_raise_bad_request_with_the_field_s_name(
    client: OpenAI, param: str | None, options: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=AUDIO / GOODBYE, **options)
    assert (refusal.value.param, refusal.value.code) == (param, "invalid_value")
    assert refusal.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("param", "options"),
    [
        ("response_format", {"response_format": "diarized_json"}),
        ("known_speaker_names[]", {"known_speaker_names": ["Ada"]}),
        ("known_speaker_references[]", {"known_speaker_references": ["data:audio/wav;base64,UklGRg=="]}),
        ("model", {"model": "gpt-4o-transcribe-diarize"}),
    ],
)
def test_who_wants_speakers_told_apart_is_sent_to_the_other_engine(
    client: OpenAI, param: str, options: dict[str, Any]
) -> None:
    with pytest.raises(openai.APIStatusError, match="the whisperx engine") as refusal:
        client.audio.transcriptions.create(**{"model": "whisper-1", "file": AUDIO / GOODBYE, **options})
    assert refusal.value.param == param


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
    with socket.create_connection((address.host, address.port or 80), timeout=LONG_PATIENCE) as raw:
        head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n"
        raw.sendall(head.format(41 * 1024**2).encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["transcriptions", "translations", "language"])
def test_a_form_that_is_none_is_refused(engine: Engine, path: str) -> None:
    url = f"{engine.url}/v1/audio/{path}"
    torn = httpx.post(
        url, content=b"garbage", headers={"content-type": "multipart/form-data; boundary=B"}, timeout=LONG_PATIENCE
    )
    assert (torn.status_code, torn.json()["error"]["code"]) == (400, "malformed_body")
    other = httpx.post(url, json={"file": "talk.mp3"}, timeout=LONG_PATIENCE)
    assert (other.status_code, other.json()["error"]["param"]) == (400, "file")


def test_unknown_paths_and_methods_are_answered_in_the_envelope(engine: Engine) -> None:
    missing = httpx.get(f"{engine.url}/v1/audio/nothing", timeout=LONG_PATIENCE)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = httpx.get(f"{engine.url}/v1/audio/transcriptions", timeout=LONG_PATIENCE)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")


def test_the_sdk_s_headers_change_nothing(engine: Engine) -> None:
    """It accepts JSON also where it asks for text, and always has a key."""
    headers = {"accept": "application/json", "authorization": "Bearer secret-key", "x-stainless-retry-count": "0"}
    answer = httpx.post(
        f"{engine.url}/v1/audio/transcriptions",
        data={"response_format": "text"},
        files={"file": ("x", recording(GOODBYE))},
        headers=headers,
        timeout=LONG_PATIENCE,
    )
    assert (answer.status_code, words(answer.text)) == (200, said(GOODBYE))


@pytest.mark.parametrize("quoted", ["\ud800", "\x00", "'; --", "<script>"])
def test_a_refusal_may_quote_anything(engine: Engine, quoted: str) -> None:
    name = quoted.encode("utf-8", "surrogatepass")
    part = b'--B\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    body = part % (b"model", b"", name) + part % (b"file", b'; filename="x"', recording(GOODBYE)) + b"--B--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=B"}
    answer = httpx.post(f"{engine.url}/v1/audio/transcriptions", content=body, headers=headers, timeout=LONG_PATIENCE)
    assert (answer.status_code, json.loads(answer.content)["error"]["code"]) == (404, "model_not_found")
