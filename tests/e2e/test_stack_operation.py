"""The operator of the whole of compose.yaml: keys, what is seen, and what happens when a part of it goes away."""

from __future__ import annotations

import concurrent.futures
import json
import re
import threading
from collections.abc import Iterator

import pytest

from tests.e2e.compose import DOMAIN
from tests.e2e.compose_stack import LOGIN, WHISPER, WHISPERX
from tests.e2e.conftest import ROOT
from tests.e2e.shipped import Shipped, until
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import GOODBYE, recording, said, words

pytestmark = [pytest.mark.docker, pytest.mark.model]

PORTAL = f"portal.{DOMAIN}"
BODY = 4 << 20


@pytest.fixture(scope="module")
def key(shipped: Shipped) -> Iterator[str]:
    with shipped.key("operation", "--admin") as key:
        yield key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_printed_once_listed_without_its_secret_and_dead_when_revoked(shipped: Shipped) -> None:
    words = ("--name", "ci", "--hosts", WHISPERX, "--rate", "60/m", "--expires", "90d")
    created = shipped("exec", "--no-TTY", "gateway", "whisper-gateway", "keys", "create", *words)
    key = created.stdout.removesuffix("\n")
    assert re.fullmatch(r"wg_[a-z2-7]{10}_[A-Za-z0-9]+", key), "KEY=$(…) holds the key and nothing else"
    with shipped.client(WHISPERX, headers=bearer(key)) as client:
        assert client.get("/hello").status_code == 200
    (listed,) = (one for one in json.loads(shipped.keys("list", "--json")) if one["name"] == "ci")
    assert (listed["state"], listed["hosts"], listed["rate"]) == ("active", [WHISPERX], "60/m")
    kept = shipped.run("gateway", "sh", "-c", "find /var/lib/whisper-gateway -type f -exec cat {} +")
    assert listed["id"] in kept
    for place in (shipped.keys("list"), shipped.keys("list", "--json"), kept, *shipped.logs("gateway")):
        assert key.rsplit("_", 1)[1] not in place
    shipped.keys("revoke", listed["id"])
    with shipped.client(WHISPERX, headers=bearer(key)) as client:
        assert client.get("/hello").status_code == 401


def test_an_admins_key_steers_engines_at_the_portal_and_no_other_key_does(shipped: Shipped, key: str) -> None:
    with shipped.client(PORTAL, headers=bearer(key)) as client:
        assert client.post("/api/engines/whisperx/wake", params={"wait": "true"}).json()["phase"] == "ready"
        assert client.get("/api/engines/whisperx/logs").status_code == 200
    with shipped.key("plain") as plain, shipped.client(PORTAL, headers=bearer(plain)) as client:
        assert client.post("/api/engines/whisperx/sleep").status_code == 403
        assert client.get("/api/engines/whisperx/logs").status_code == 403
    with shipped.client(PORTAL, auth=LOGIN) as client:
        assert client.post("/api/engines/whisperx/sleep").status_code == 403


def test_one_id_finds_a_request_in_all_three_logs_and_what_is_private_is_in_none(shipped: Shipped, key: str) -> None:
    shipped.sleep("whisper")
    with shipped.client(WHISPER, headers={**bearer(key), "X-Request-ID": "forged"}) as client:
        answer = client.post(
            "/v1/audio/transcriptions",
            params={"token": "private"},
            files={"file": ("secret-name.wav", recording(GOODBYE))},
            data={"model": "whisper-1", "prompt": "confidential"},
        )
    identity = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", identity), "nginx's own, whatever the client sends"
    nginx, gateway = (
        json.loads(shipped.until_logged(service, identity, wanted))
        for service, wanted in (("nginx", "path"), ("gateway", "request.done"))
    )
    engine = shipped.until_logged("faster-whisper", f"request_id={identity}", "request.answered")
    assert (nginx["path"], nginx["status"], nginx["host"]) == ("/v1/audio/transcriptions", 200, WHISPER)
    assert gateway["engine"] == "whisper"
    assert "path=/v1/audio/transcriptions status=200" in engine
    secrets = [key.rsplit("_", 1)[1], "private", "secret-name", "confidential", *said(GOODBYE).split(), LOGIN[1]]
    logs = [line for service in ("nginx", "gateway", "faster-whisper") for line in shipped.logs(service)]
    assert len(logs) > 20
    assert [secret for secret in secrets if any(secret in line for line in logs)] == []


def test_an_edited_configuration_counts_and_no_request_is_refused_for_it(shipped: Shipped, key: str) -> None:
    """A hostname comes and goes, with an editor that puts another file in the place of the one that was mounted."""
    second, stop = f"second.{DOMAIN}", threading.Event()

    def ask_steadily() -> set[int]:
        statuses = set()
        with shipped.client(WHISPER, headers=bearer(key)) as client:
            while not stop.is_set():
                statuses.add(client.get("/v1/models?of=yours").status_code)
        return statuses

    def second_is(status: int) -> bool:
        with shipped.client(second, headers=bearer(key)) as client:
            return client.get("/v1/models?of=yours").status_code == status

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_steadily)
        try:
            assert second_is(404)
            shipped.edit(f's/hosts: \\["whisper\\./hosts: ["{second}", "whisper./')
            until(lambda: second_is(200), "the new hostname")
            shipped.edit(f's/"{second}", //')
            until(lambda: second_is(404), "the end of the new hostname")
        finally:
            stop.set()
        assert asked.result() == {200}


def test_an_idle_engine_falls_asleep_and_its_container_is_stopped(shipped: Shipped, key: str) -> None:
    with shipped.client(WHISPERX, headers=bearer(key)) as client, client.stream("GET", "/sse?n=0") as answer:
        assert answer.status_code == 200
        assert shipped.statuses()["whisperx"] == "running"
    shipped.until("whisperx", "asleep")
    assert shipped.statuses()["whisperx"] == "exited"


def test_a_gateway_that_is_killed_comes_back_and_adopts_the_engines_that_run(shipped: Shipped, key: str) -> None:
    """Meanwhile nginx says so, with a time to wait. Nothing is started again that runs, and its idle clock starts."""
    with shipped.client(WHISPER, headers=bearer(key)) as client, shipped.client(WHISPERX, headers=bearer(key)) as other:
        assert client.get("/v1/models?of=yours").status_code == 200  # with a query it is never told from memory
        assert other.get("/hello").status_code == 200
        started = {name: begun(shipped, name) for name in ("gateway", "faster-whisper", "whisperx")}
        kill(shipped)
        refusals = []

        def back() -> bool:
            answer = client.get("/v1/models")
            if answer.status_code != 200:
                refusals.append((answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]))
            return answer.status_code == 200

        until(back, "the gateway")
    assert {code for _, code, _ in refusals} <= {"gateway_unavailable"}
    assert {retry for _, _, retry in refusals} <= {"5"}
    assert begun(shipped, "gateway") != started["gateway"], "it was restarted"
    assert begun(shipped, "faster-whisper") == started["faster-whisper"], "it was not"
    shipped.until_healthy("gateway")
    assert shipped.engine("whisper")["phase"] == "ready"
    shipped.until("whisperx", "asleep")
    assert shipped.statuses()["whisperx"] == "exited"


def test_a_key_survives_the_gateway_and_so_does_when_it_was_last_used(shipped: Shipped, key: str) -> None:
    """A gateway that stops in order writes it down at once."""
    with shipped.client(WHISPER, headers=bearer(key)) as client:
        assert client.get("/v1/models").status_code == 200
        shipped("restart", "gateway")
        shipped.until_healthy("gateway")
        (listed,) = (one for one in json.loads(shipped.keys("list", "--json")) if one["name"] == "operation")
        assert listed["last_used"] is not None
        assert client.get("/v1/models").status_code == 200


def test_nginx_that_is_killed_comes_back_with_passwords_and_certificate(shipped: Shipped) -> None:
    before = begun(shipped, "nginx")
    shipped("exec", "--no-TTY", "nginx", "sh", "-c", "kill -TERM 1", check=False)
    until(lambda: begun(shipped, "nginx") != before, "nginx")
    shipped.until_healthy("nginx")
    with shipped.client(WHISPER, auth=LOGIN) as client:
        assert client.get("/v1/models").status_code == 200


def test_for_a_container_that_is_gone_the_log_names_the_command_that_makes_it(shipped: Shipped, key: str) -> None:
    """As does `status`; and that command is all it takes."""
    shipped.sleep("whisperx")
    shipped.container("whisperx").remove(force=True)
    with shipped.client(WHISPERX, headers=bearer(key)) as client:
        answer = client.get("/hello")
        assert answer.status_code == 503
        assert answer.json()["code"] == "engine_start_failed"
        assert int(answer.headers["retry-after"]) > 0
        line = json.loads(shipped.until_logged("gateway", "engine.failed", "create it with"))
        assert line["reason"] in shipped.run("gateway", "whisper-gateway", "status")
        _, *command = line["reason"].split("`")[1].removeprefix("docker compose -p ").split()
        assert command == ["create", "whisperx"]
        shipped(*command)
        shipped.run("gateway", "whisper-gateway", "wake", "whisperx")
        assert client.get("/hello").status_code == 200


def test_what_people_say_and_hear_is_on_no_disk_afterwards(shipped: Shipped, key: str) -> None:
    with shipped.client(WHISPER, headers=bearer(key)) as client:
        files = {"file": ("secret-name.wav", recording(GOODBYE) + bytes(4 << 20))}
        answer = client.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files=files)
    assert words(answer.json()["text"]) == said(GOODBYE)
    for service, place in (("faster-whisper", "/cache /tmp"), ("gateway", "/tmp"), ("nginx", "/tmp/nginx/temporary")):
        until_empty(shipped, service, place)


def until_empty(shipped: Shipped, service: str, place: str) -> None:
    """Of files that a recording may be in."""
    find = ("sh", "-c", f"cd /; find {place} -type f -size +100k")
    until(lambda: shipped.run(service, *find, user="root") == "", f"empty places of {service}")


def test_bodies_wait_in_memory_where_the_page_on_security_says_how(shipped: Shipped) -> None:
    """What is held for an engine that sleeps is in /tmp, which is memory, and is gone with the request."""
    (lines,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "SECURITY.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    before, answered = shipped.config.read_text(), threading.Event()
    assert lines.startswith("gateway:\n")
    assert before.count("\ngateway:\n") == 1

    def body() -> Iterator[bytes]:
        yield bytes(BODY)
        answered.wait(LONG_PATIENCE)
        yield b"the end"

    try:
        shipped.config.write_text(before.replace("\ngateway:\n", f"\n{lines}"))
        shipped("restart", "gateway")
        shipped.until_healthy("gateway")
        with shipped.client(WHISPERX, auth=LOGIN) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
            posted = pool.submit(client.post, "/sum", content=body())
            try:
                until(lambda: kept_in_memory(shipped) >= BODY, "the body in /tmp")
            finally:
                answered.set()
            assert posted.result().json()["bytes"] == BODY + len("the end")
        until(lambda: kept_in_memory(shipped) == 0, "the end of the file")
    finally:
        shipped.config.write_text(before)
        shipped("restart", "gateway")
        shipped.until_healthy("gateway")


def kept_in_memory(shipped: Shipped) -> int:
    """Bytes that the gateway's /tmp has in use, in files with and without a name."""
    return int(shipped.run("gateway", "df", "--block-size=1", "--output=used", "/tmp").split()[-1])


def begun(shipped: Shipped, service: str) -> str:
    state: str = shipped.container(service).attrs["State"]["StartedAt"]
    return state


def kill(shipped: Shipped) -> None:
    """SIGKILL to the gateway's process, as the kernel does it when memory is short. The container ends with it."""
    program = (
        "import os, pathlib\n"
        "for line in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "    words = line.read_bytes().split(b'\\0')\n"
        "    if b'serve' in words and int(line.parent.name) > 1: os.kill(int(line.parent.name), 9)"
    )
    shipped("exec", "--no-TTY", "gateway", "python", "-c", program, check=False)
