"""The image of the faster engine, hardened as we recommend it: what it may do, its start, its pages and its end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx
import pytest
from docker.models.containers import Container

from tests.e2e.conftest import Engine
from tests.e2e.engine_container import (
    HARDENED,
    MODEL,
    PORT,
    RECORDING,
    SAID,
    WITH_MODEL,
    address,
    host_address,
    inspect_image,
    run_inside,
    start,
    transcribe,
    until_logged,
    url,
)
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.raw_client import RawClient
from tests.unit.engines.models import hub

pytestmark = [pytest.mark.docker, pytest.mark.model]

MakeEngine = Callable[..., Engine]


@pytest.fixture
def container(make_engine: MakeEngine, faster_image: str) -> Container:
    return start(make_engine(faster_image, **HARDENED, **WITH_MODEL))


def test_it_transcribes_without_any_right_but_to_its_volumes(container: Container) -> None:
    answer = transcribe(container)
    assert (answer.status_code, answer.json()["text"].strip()) == (200, SAID)
    assert run_inside(container, "id", "-u").strip() == "10001"
    status = run_inside(container, "cat", "/proc/1/status")
    assert re.search(r"CapEff:\s+0+\n", status)
    assert re.search(r"CapBnd:\s+0+\n", status)
    assert re.search(r"NoNewPrivs:\s+1\n", status)
    for place in ("/app", "/venv", "/home", "/var/tmp", "/models/micro-whisper"):
        assert container.exec_run(["touch", f"{place}/file"]).exit_code != 0, f"{place} can be written"
    run_inside(container, "touch", "/cache/file")


def test_uploads_wait_in_the_cache_volume_and_not_in_the_memory_that_a_tmpfs_is(
    make_engine: MakeEngine, faster_image: str
) -> None:
    small = {**HARDENED, "tmpfs": {"/tmp": "size=1m"}}
    container = start(make_engine(faster_image, **small, **WITH_MODEL))
    padded = RECORDING.read_bytes() + bytes(8 << 20)  # what follows the sound in a WAV file is ignored
    answer = httpx.post(f"{url(container)}/v1/audio/transcriptions", files={"file": padded}, timeout=LONG_PATIENCE)
    assert (answer.status_code, answer.json()["text"].strip()) == (200, SAID)
    assert run_inside(container, "ls", "-A", "/cache", "/tmp").split() == ["/cache:", "/tmp:"]


def test_a_full_disk_refuses_large_uploads_and_no_others(make_engine: MakeEngine, faster_image: str) -> None:
    full = {**HARDENED, "tmpfs": {"/tmp": "size=1m", "/cache": "size=1m,mode=1777"}}
    container = start(make_engine(faster_image, **full, **WITH_MODEL))
    large = RECORDING.read_bytes() + bytes(8 << 20)
    answer = httpx.post(f"{url(container)}/v1/audio/transcriptions", files={"file": large}, timeout=LONG_PATIENCE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_room_for_upload")
    assert transcribe(container).json()["text"].strip() == SAID


def test_a_model_is_fetched_into_the_volume_once_and_found_there_when_the_hub_is_gone(
    make_engine: MakeEngine, faster_image: str
) -> None:
    with hub.running(MODEL, host=host_address()) as model_hub:
        environment = {"WHISPER_MODEL": model_hub.repository, "HF_ENDPOINT": model_hub.address}
        engine = make_engine(faster_image, environment=environment, **HARDENED)
        assert transcribe(start(engine)).json()["text"].strip() == SAID
        engine.container.stop(timeout=int(LONG_PATIENCE))
    assert transcribe(start(engine)).json()["text"].strip() == SAID


def test_the_docs_page_and_all_that_it_names_come_from_the_engine(container: Container) -> None:
    page = httpx.get(f"{url(container)}/docs", timeout=LONG_PATIENCE).text
    named = re.findall(r"(?:src|href)=\"(.*?)\"|url: '(.*?)'", page)
    paths = [first or second for first, second in named]
    assert len(paths) == 4, "style, icon, script, and the API's description"
    for path in paths:
        assert path.startswith("/")
        answer = httpx.get(url(container) + path, timeout=LONG_PATIENCE)
        assert (answer.status_code, bool(answer.content)) == (200, True), path
    assert not re.search(r"//\w", page), "no other server is named"


def test_the_health_check_tells_an_engine_that_answers_from_one_that_does_not(
    container: Container, make_engine: MakeEngine, faster_image: str
) -> None:
    check = inspect_image(faster_image, "{{json .Config.Healthcheck.Test}}")
    command = [word for word in json.loads(check) if word != "CMD"]
    run_inside(container, *command)
    idle = make_engine(faster_image, command=["sleep", "600"], init=True).container
    idle.start()
    assert idle.exec_run(command).exit_code == 1


NEVER_COMPILED = """
import importlib.util, pathlib, sys
import engines.faster.app, engines.faster.transcriber, uvicorn.protocols.http.httptools_impl
files = [str(getattr(module, "__file__", None)) for module in sys.modules.values()]
sources = [file for file in files if file.endswith(".py")]
print(len(sources), *[file for file in sources if not pathlib.Path(importlib.util.cache_from_source(file)).exists()])
"""


def test_nothing_is_compiled_at_start(make_engine: MakeEngine, faster_image: str) -> None:
    """Base images come without bytecode, and the engine may not write it: each start would take twice as long."""
    container = make_engine(faster_image, command=["python", "-c", NEVER_COMPILED], **HARDENED).container
    container.start()
    assert container.wait()["StatusCode"] == 0, container.logs().decode()
    count, *missing = container.logs().decode().split()
    assert int(count) > 500
    assert missing == []


@pytest.mark.parametrize("init", [True, False], ids=["under an init process", "as process 1"])
def test_a_stop_waits_for_the_answer_and_ends_with_status_0(
    *,
    init: bool,
    make_engine: MakeEngine,
    faster_image: str,
) -> None:
    """The signal comes in the middle of the upload, so that all the work is done after it."""
    container = start(make_engine(faster_image, init=init, **HARDENED, **WITH_MODEL))
    form = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    form += RECORDING.read_bytes() + b"\r\n--b--\r\n"
    head = ["POST /v1/audio/transcriptions HTTP/1.1", "host: engine", "content-type: multipart/form-data; boundary=b"]
    head += [f"content-length: {len(form)}", "expect: 100-continue", "", ""]

    with RawClient(PORT, host=address(container)) as client:
        client.socket.settimeout(LONG_PATIENCE)
        client.send("\r\n".join(head))
        assert client.head().status == 100, "the engine reads"
        client.send(form[:1000])
        container.kill("SIGTERM")
        until_logged(container, "Shutting down")
        client.send(form[1000:])
        answer = client.answer()

    assert (answer.status, SAID.encode() in answer.body) == (200, True)
    assert container.wait()["StatusCode"] == 0
    assert "Traceback" not in container.logs().decode()


def test_an_idle_engine_stops_at_once(container: Container) -> None:
    transcribe(container)
    container.stop(timeout=int(LONG_PATIENCE))
    container.reload()
    state = container.attrs["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
