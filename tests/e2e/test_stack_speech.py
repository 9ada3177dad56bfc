"""Programs that want a transcript from the whole of compose.yaml: OpenAI's SDK, and the curl line that people copy."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.compose_stack import WHISPER
from tests.e2e.shipped import MEETINGS, Shipped
from tests.e2e.whisperx_container import settings
from tests.fixtures.sdk import sdk_nearby
from tests.fixtures.speech import DIALOGUE, EXACT, GOODBYE, THANKS, said, words
from tests.unit.engines.recordings import AUDIO, encoded, spoken

pytestmark = [pytest.mark.docker, pytest.mark.model]

MEETING = "dialogue-fr.wav"

CURL = (
    'curl -X POST https://whisper.example.org/v1/audio/transcriptions -H "Authorization: Bearer KEY" '
    "-F file=@a.mp3 -F model=Systran/faster-whisper-small -F language=fr"
)
CURL_FOR_A_MEETING = (
    "curl -X POST https://whisperx.example.org/transcribe -F file=@a.mp3 -F model=base -F language=fr -F diarize=true"
)
"""As guides to self-hosted Whisper print them. The models' names stand for the small ones here, by WHISPER_ALIASES."""


@pytest.fixture(scope="module")
def key(shipped: Shipped) -> Iterator[str]:
    with shipped.key("speech", "--hosts", WHISPER, "--rate", "60/m", "--expires", "90d") as key:
        yield key


def sdk(shipped: Shipped, key: str) -> Iterator[openai.OpenAI]:
    with sdk_nearby(WHISPER, shipped.https, shipped.tls(), key) as client:
        yield client


@pytest.fixture
def client(shipped: Shipped, key: str) -> Iterator[openai.OpenAI]:
    yield from sdk(shipped, key)


def test_the_sdks_first_call_wakes_the_engine_and_gets_the_words(shipped: Shipped, client: openai.OpenAI) -> None:
    shipped.sleep("whisper")
    answer = client.audio.transcriptions.create(model="whisper-1", file=AUDIO / GOODBYE)
    assert words(answer.text) == said(GOODBYE)
    assert shipped.statuses()["faster-whisper"] == "running"


def test_the_sdk_gets_right_words_for_every_exact_recording(client: openai.OpenAI) -> None:
    heard = {name: client.audio.transcriptions.create(model="whisper-1", file=AUDIO / name).text for name in EXACT}
    assert {name: words(text) for name, text in heard.items()} == {name: said(name) for name in EXACT}


def test_the_sdks_stream_arrives_event_by_event_and_ends_with_the_whole(client: openai.OpenAI) -> None:
    with client.audio.transcriptions.create(model="whisper-1", file=AUDIO / DIALOGUE, stream=True) as stream:
        events = list(stream)
    parts = [event.delta for event in events if event.type == "transcript.text.delta"]
    last = events[-1]
    assert last.type == "transcript.text.done"
    assert len(parts) > 1
    assert "".join(parts).strip() == last.text.strip()


def test_the_sdk_of_a_stranger_raises_authentication_error_and_wakes_nothing(shipped: Shipped, key: str) -> None:
    """And gets no challenge that a browser would ask for a password upon."""
    shipped.sleep("whisper")
    for wrong in ("sk-of-somebody-else", f"{key}x", key.swapcase(), "unused"):
        for stranger in sdk(shipped, wrong):
            with pytest.raises(openai.AuthenticationError) as refused:
                stranger.audio.transcriptions.create(model="whisper-1", file=AUDIO / GOODBYE)
        assert refused.value.code == "invalid_api_key"
        assert refused.value.response.headers["www-authenticate"].lower().startswith("bearer")
    assert shipped.engine("whisper")["phase"] == "asleep"


def test_without_a_key_a_program_is_told_in_openais_shape_and_wakes_nothing(shipped: Shipped) -> None:
    """With no Authorization at all it is nginx that refuses, and that asks for a password, in case it is a person."""
    shipped.sleep("whisper")
    with shipped.client(WHISPER) as client, (AUDIO / GOODBYE).open("rb") as audio:
        answer = client.post("/v1/audio/transcriptions", files={"file": audio}, data={"model": "whisper-1"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "login_required"
    assert shipped.engine("whisper")["phase"] == "asleep"


def test_a_key_over_its_rate_is_a_rate_limit_error_with_a_time_to_wait(shipped: Shipped) -> None:
    with shipped.key("slow", "--rate", "2/h") as key:
        for client in sdk(shipped, key):
            assert client.models.list().data
            assert client.models.list().data
            with pytest.raises(openai.RateLimitError) as refused:
                client.models.list()
    assert refused.value.code == "rate_limit_exceeded"
    assert 60 <= int(refused.value.response.headers["retry-after"]) <= 3600


def test_the_guides_curl_line_works_unchanged_but_for_host_and_key(shipped: Shipped, key: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(encoded("mp3", spoken(THANKS)))
    answer = typed(shipped, tmp_path, CURL.replace("whisper.example.org", WHISPER).replace("KEY", key))
    assert words(answer["text"]) == said(THANKS)


def test_the_guides_curl_line_for_a_meeting_tells_its_speakers_apart(
    shipped: Shipped, whisperx_image: str, tmp_path: Path
) -> None:
    """By WhisperX itself, asleep at first, in a container beside the project; with the key that the guide left out."""
    (tmp_path / "a.mp3").write_bytes(encoded("mp3", spoken(MEETING)))
    with (
        shipped.other_engine(whisperx_image, **settings(tmp_path)) as engine,
        shipped.key("meetings", "--hosts", MEETINGS) as key,
    ):
        line = CURL_FOR_A_MEETING.replace("whisperx.example.org", MEETINGS) + f' -H "Authorization: Bearer {key}"'
        answer = typed(shipped, tmp_path, line)
        assert {segment["speaker"] for segment in answer["segments"]} == {"SPEAKER_00", "SPEAKER_01"}
        assert (answer["language"], engine.status) == ("fr", "created")
        engine.reload()
        assert engine.status == "running"
        shipped.sleep("meetings")


def typed(shipped: Shipped, folder: Path, line: str) -> Any:
    """What curl answers to this line.

    What is special about this machine, its certificates and addresses, is in curl's settings and not in the line.
    """
    configuration = (
        f'cacert = "{shipped.certificate}"\nconnect-to = "::127.0.0.1:{shipped.https}"\nsilent\nshow-error\n'
    )
    (folder / ".curlrc").write_text(configuration)
    environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(folder)}
    done = subprocess.run(shlex.split(line), cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
