"""The image of the WhisperX engine, hardened as we recommend it: what it can, may and brings, its start and its end."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from tests.e2e.conftest import HOST, Engine
from tests.e2e.engine_container import HARDENED, PORT, address, inspect_image, run_inside, start, until_logged
from tests.e2e.whisperx_container import PATIENCE_S, settings, transcribe
from tests.fixtures.process_gateway import GatewayProcess
from tests.fixtures.raw_client import RawClient
from tests.fixtures.speech import DIALOGUE, GOODBYE, MANIFEST, recording, said, words
from tests.unit.engines.recordings import AUDIO

pytestmark = [pytest.mark.docker, pytest.mark.model]

MakeEngine = Callable[..., Engine]


@pytest.fixture
def engine(make_engine: MakeEngine, whisperx_image: str, tmp_path: Path) -> Engine:
    return make_engine(whisperx_image, **settings(tmp_path))


def speakers_of(transcript: dict[str, Any]) -> list[tuple[str, str]]:
    """Each word with its speaker, who is called as in the manifest: A speaks first."""
    found = [(word["word"], word["speaker"]) for segment in transcript["segments"] for word in segment["words"]]
    names = {speaker: letter for letter, speaker in zip("AB", dict.fromkeys(who for _, who in found), strict=True)}
    return [(words(word), names[who]) for word, who in found]


def test_a_cold_request_through_the_gateway_is_answered_with_both_speakers(
    engine: Engine, make_gateway: Callable[..., GatewayProcess]
) -> None:
    """With the call that clients of such services make, which indexes `speaker` in every segment."""
    gateway = make_gateway(engine, {"idle_after": "2s"})
    assert engine.status == "created"

    with (AUDIO / DIALOGUE).open("rb") as audio:
        answer = requests.post(
            f"{gateway.url}/transcribe",
            headers={"Host": HOST},
            files={"file": audio},
            data={"model": "base", "language": "en", "diarize": "true"},
            timeout=PATIENCE_S,
        )

    assert answer.status_code == 200, answer.text
    transcript = answer.json()
    assert transcript["language"] == "en"
    assert {segment["speaker"] for segment in transcript["segments"]} == {"SPEAKER_00", "SPEAKER_01"}
    assert speakers_of(transcript) == [(word["word"], word["speaker"]) for word in MANIFEST[DIALOGUE]["words"]]
    assert len(gateway.events("engine.waking")) == 1
    gateway.until("engine", phase="asleep")
    assert engine.status == "exited"


def test_health_is_answered_long_before_the_libraries_are_imported(engine: Engine) -> None:
    """The gateway then lets requests in, which wait for the rest."""
    engine.container.start()
    health, deadline = f"http://{address(engine.container)}:{PORT}/health", time.monotonic() + PATIENCE_S
    while True:  # the outside world gives no event
        try:
            answer = httpx.get(health, timeout=PATIENCE_S)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert (answer.status_code, answer.json()["status"]) == (200, "loading")
    assert said(GOODBYE) in words(transcribe(engine.container, GOODBYE).json()["segments"][0]["text"])


def test_it_works_without_network_nor_any_right_but_to_its_volumes_and_leaves_nothing_there(
    make_engine: MakeEngine, whisperx_image: str, tmp_path: Path
) -> None:
    """Sentences are cut with what is in the image; no library asks for something or reports to its maker."""
    made = settings(tmp_path)
    made["volumes"][str(AUDIO)] = {"bind": "/audio", "mode": "ro"}
    container = start(make_engine(whisperx_image, network_mode="none", **made))
    transcript = json.loads(run_inside(container, "python", "-c", ASK_INSIDE, f"/audio/{DIALOGUE}"))
    assert [word for word, _ in speakers_of(transcript)] == said(DIALOGUE).split()
    left = run_inside(container, "find", "/cache", "/tmp", "-type", "f", "-not", "-path", "/cache/matplotlib/*")
    assert left == ""

    assert run_inside(container, "id", "-u").strip() == "10001"
    status = run_inside(container, "cat", "/proc/1/status")
    assert re.search(r"CapEff:\s+0+\n", status)
    assert re.search(r"CapBnd:\s+0+\n", status)
    assert re.search(r"NoNewPrivs:\s+1\n", status)
    for place in ("/app", "/venv", "/home", "/var/tmp", "/usr/share/nltk_data"):
        assert container.exec_run(["touch", f"{place}/file"]).exit_code != 0, f"{place} can be written"
    run_inside(container, "touch", "/cache/file")


ASK_INSIDE = """
import http.client, sys
form = b'--b\\r\\ncontent-disposition: form-data; name="diarize"\\r\\n\\r\\ntrue\\r\\n'
form += b'--b\\r\\ncontent-disposition: form-data; name="file"; filename="a.wav"\\r\\n\\r\\n'
form += open(sys.argv[1], "rb").read() + b"\\r\\n--b--\\r\\n"
engine = http.client.HTTPConnection("127.0.0.1", 8000)
engine.request("POST", "/transcribe", form, {"content-type": "multipart/form-data; boundary=b"})
print(engine.getresponse().read().decode())
"""


def test_a_stop_waits_for_the_answer_and_ends_with_status_0(
    make_engine: MakeEngine, whisperx_image: str, tmp_path: Path
) -> None:
    """The signal comes in the middle of the upload, while libraries are imported: all the work is done after it."""
    container = start(make_engine(whisperx_image, init=True, **settings(tmp_path)))
    form = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    form += recording(GOODBYE) + b"\r\n--b--\r\n"
    head = ["POST /transcribe HTTP/1.1", "host: engine", "content-type: multipart/form-data; boundary=b"]
    head += [f"content-length: {len(form)}", "expect: 100-continue", "", ""]

    with RawClient(PORT, host=address(container)) as client:
        client.socket.settimeout(PATIENCE_S)
        client.send("\r\n".join(head))
        assert client.head().status == 100, "the engine reads"
        client.send(form[:1000])
        container.kill("SIGTERM")
        until_logged(container, "Shutting down")
        client.send(form[1000:])
        answer = client.answer()

    assert answer.status == 200
    assert words(json.loads(answer.body)["segments"][0]["text"]) == said(GOODBYE)
    assert container.wait()["StatusCode"] == 0
    assert "Traceback" not in container.logs().decode()


def test_an_idle_engine_stops_at_once_and_also_while_it_imports(engine: Engine) -> None:
    container = start(engine)
    begun = time.monotonic()
    container.stop(timeout=int(PATIENCE_S))
    assert time.monotonic() - begun < PATIENCE_S / 4
    container.reload()
    state = container.attrs["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_the_health_check_tells_an_engine_that_answers_from_one_that_does_not(
    engine: Engine, make_engine: MakeEngine, whisperx_image: str
) -> None:
    check = inspect_image(whisperx_image, "{{json .Config.Healthcheck.Test}}")
    command = [word for word in json.loads(check) if word != "CMD"]
    run_inside(start(engine), *command)
    idle = make_engine(whisperx_image, command=["sleep", "600"], init=True).container
    idle.start()
    assert idle.exec_run(command).exit_code == 1


LOOK_AROUND = """
import importlib.metadata, importlib.util, json, pathlib, sys
import engines.whisperx.app, engines.whisperx.libraries, uvicorn.protocols.http.httptools_impl
from engines.transcription import audio
light = sorted({name.partition(".")[0] for name in sys.modules})
engines.whisperx.libraries.load()
files = [str(getattr(module, "__file__", None)) for module in list(sys.modules.values())]
sources = [file for file in files if file.startswith("/") and file.endswith(".py")]  # torch has modules without files
print(json.dumps({
    "count": len(sources),
    "light": light,
    "never compiled": [file for file in sources if not pathlib.Path(importlib.util.cache_from_source(file)).exists()],
    "installed": sorted(found.metadata["Name"].lower() for found in importlib.metadata.distributions()),
}))
"""


def test_it_brings_what_it_needs_compiled_and_nothing_else(make_engine: MakeEngine, whisperx_image: str) -> None:
    """Base images come without bytecode, and the engine may not write it: each start would take twice as long.

    And what the port waits for includes nothing heavy.
    """
    container = make_engine(whisperx_image, command=["python", "-c", LOOK_AROUND], **HARDENED).container
    container.start()
    assert container.wait()["StatusCode"] == 0, container.logs().decode()
    found = json.loads(container.logs(stderr=False).decode().splitlines()[-1])
    assert found["count"] > 3000
    assert found["never compiled"] == []
    assert not {"torch", "whisperx", "pyannote", "transformers", "nltk"} & set(found["light"])
    assert not {"torchcodec", "torchvision", "pip", "setuptools", "pytest"} & set(found["installed"])


def test_no_token_is_in_the_image(whisperx_image: str) -> None:
    command = ["docker", "history", "--no-trunc", whisperx_image]
    history = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "HF_TOKEN" not in history
    assert "HF_TOKEN" not in inspect_image(whisperx_image, "{{json .Config}}")
