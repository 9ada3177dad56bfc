"""An engine that dies before it answers is asked once more, and its caller sees only a longer wait."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from typing import Any

import pytest

from gateway.announcements import Replayed
from gateway.lifecycle.events import SleepAsked
from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import Incomplete, RawAnswer, RawClient
from tests.fixtures.scripted_engine import Visit
from tests.inprocess.mortals import Death, Mortal, after_a_hint, answer, body_of, in_its_head, reset, silently
from tests.inprocess.staging import Stage, staged

BODY = os.urandom(3_000_000)
DEATHS = {"silently": silently, "by a reset": reset, "in its head": in_its_head, "after a hint": after_a_hint}


def post(client: RawClient, body: bytes = BODY) -> RawAnswer:
    client.send(f"POST /x HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: {len(body)}\r\n\r\n").send(body)
    return final(client)


def final(client: RawClient) -> RawAnswer:
    while (said := client.answer()).status < 200:
        pass
    return said


def right(body: bytes = BODY) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def logged(stage: Stage, event: str) -> dict[str, Any]:
    stage.gateway.until(lambda: bool(stage.gateway.events(event)))
    (line,) = stage.gateway.events(event)
    return dict(line)


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize("size", [5, len(BODY)])
@pytest.mark.parametrize("reads", ["nothing of it", "a part of it", "all of it"])
def test_an_upload_is_sent_again(how: str, size: int, reads: str) -> None:
    body = BODY[:size]
    mortal = Mortal(DEATHS[how], reads={"nothing of it": 0, "a part of it": 3}.get(reads))
    with staged(mortal) as stage:
        said = post(stage.raw, body)
        assert (said.status, said.body) == (200, right(body))
        assert mortal.seen == [body]
        line = logged(stage, "request.replayed")
        assert line["engine"] == "whisper"
        assert line["reason"] in ("closed the connection", "reset the connection")
        done = logged(stage, "request.done")
        assert (done["replays"], done["request_id"]) == (1, line["request_id"])
        stage.gateway.until(stage.gateway.is_free)
        stage.gateway.until(lambda: stage.gateway.app.spools.quota.used == 0)


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_request_without_a_body_is_sent_again(how: str, method: str) -> None:
    with staged(Mortal(DEATHS[how])) as stage:
        stage.raw.send(f"{method} /x HTTP/1.1\r\nHost: whisper.test\r\n\r\n")
        assert final(stage.raw).body == right(b"")


def test_it_is_told_inside_the_process() -> None:
    told: list[Replayed] = []
    with staged(Mortal()) as stage:
        stage.gateway.on_loop(lambda: stage.gateway.app.announce.listen(Replayed, told.append))
        assert post(stage.raw).status == 200
    assert told == [Replayed("whisper", "closed the connection")]


def test_an_engine_that_crashed_is_started_again_for_it() -> None:
    mortal = Mortal()
    with staged(mortal) as stage:
        runtime = stage.gateway.runtimes["whisper"]
        mortal.on_death = lambda: stage.gateway.on_loop(lambda: runtime.crash(137, oom=True))
        assert post(stage.raw).body == right()
        assert runtime.starts == 2


def test_an_engine_that_was_stopped_by_hand_is_started_again_for_it() -> None:
    mortal = Mortal()
    with staged(mortal) as stage:
        runtime = stage.gateway.runtimes["whisper"]
        mortal.on_death = lambda: stage.gateway.on_loop(runtime.stop_by_hand)
        assert post(stage.raw).body == right()
        assert runtime.starts == 2


def test_it_goes_on_uploading_meanwhile() -> None:
    """The engine dies in the middle of the upload; the client need not send anything again."""
    mortal = Mortal(reads=1000)
    with staged(mortal) as stage:
        died = threading.Event()
        mortal.on_death = died.set
        half = len(BODY) // 2
        stage.raw.send(f"POST /x HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: {len(BODY)}\r\n\r\n")
        stage.raw.send(BODY[:half])
        assert died.wait(PATIENCE)
        logged(stage, "request.replayed")
        stage.raw.send(BODY[half:])
        assert final(stage.raw).body == right()


def test_chunks_and_trailers_are_sent_again() -> None:
    heard: list[bytes] = []

    def script(visit: Visit) -> None:
        while visit.head():
            heard.append(visit.head())  # of a chunked body, its end looks like that of a head
            if len(heard) == 1:
                return
            visit.say(answer(b"ok"))

    with staged(script) as stage:
        stage.raw.send(
            "POST /x HTTP/1.1\r\nHost: whisper.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check\r\n\r\n"
        )
        stage.raw.send("5\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n")
        assert final(stage.raw).body == b"ok"
    assert b"x-check: 1" in heard[1].lower()


# Not again


def test_twice_dead_is_502_and_says_so() -> None:
    with staged(Mortal(deaths=2)) as stage:
        said = post(stage.raw)
        assert (said.status, said.get("x-gateway-error")) == (502, "engine_broke")
        assert b"closed the connection before it answered. It was sent the request twice." in said.body
        assert logged(stage, "request.failed")["replays"] == 1
        assert post(stage.raw).status == 200


def test_an_engine_whose_requests_must_not_be_repeated_is_502_at_once() -> None:
    mortal = Mortal()
    with staged(mortal, replay=False) as stage:
        said = post(stage.raw)
        assert (said.status, said.get("x-gateway-error"), mortal.seen) == (502, "engine_broke", [])
        assert stage.gateway.events("request.replayed") == []


@pytest.mark.parametrize("said", [b"\0\1 no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000])
def test_an_engine_that_answers_wrongly_is_not_asked_again(said: bytes) -> None:
    mortal = Mortal(lambda visit: visit.say(said), deaths=9)
    with staged(mortal) as stage:
        assert post(stage.raw, b"hello").status == 502
        assert mortal.died == 1


def test_an_engine_that_is_late_is_not_asked_again() -> None:
    gone = threading.Event()
    mortal = Mortal(lambda visit: gone.set() if visit.until_closed() else None, deaths=9)
    with staged(mortal, answer_timeout="200ms") as stage:
        assert post(stage.raw, b"hello").status == 504
        assert gone.wait(PATIENCE)
        assert mortal.died == 1


def test_nothing_is_sent_again_after_the_first_byte_of_an_answer() -> None:
    mortal = Mortal(lambda visit: visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"), deaths=9)
    with staged(mortal) as stage:
        with pytest.raises(Incomplete):
            post(stage.raw)
        assert logged(stage, "request.failed")["error"] == "answer_cut"
        assert mortal.died == 1


def test_an_upload_that_was_too_large_to_keep_is_502_and_says_so() -> None:
    mortal = Mortal(reads=2_500_000, deaths=9)
    with staged(mortal, gateway={"spool": {"per_request": "1m"}}) as stage:
        said = post(stage.raw)
        assert (said.status, mortal.died) == (502, 1)
        assert b"The request was too large to be kept for a second try (gateway.spool.per_request)." in said.body


def waits_for(stage: Stage, size: int) -> RawClient:
    """An upload of this size to another engine, which does not wake; as much of it as the gateway takes is there."""
    stage.gateway.on_loop(stage.gateway.runtimes["other"].start_gate.clear)
    client = stage.gateway.raw()
    client.send(f"POST /x HTTP/1.1\r\nHost: other.test\r\nContent-Length: {size}\r\n\r\n")
    client.send_what_fits(os.urandom(size))
    return client


def test_uploads_that_wait_for_one_engine_leave_others_room_to_be_kept() -> None:
    mortal, small = Mortal(), BODY[:300_000]
    spool = {"per_request": "2m", "total": "2m"}
    with staged(mortal, gateway={"spool": spool}, others={"other": Engine(0)}) as stage, waits_for(stage, 8_000_000):
        assert stage.gateway.app.spools.quota.used > 1_000_000
        assert post(stage.raw, small).body == right(small)
        assert mortal.died == 1


def test_an_upload_that_there_was_no_room_to_keep_is_502_and_says_so() -> None:
    mortal = Mortal(deaths=9)
    spool = {"per_request": "2m", "total": "2m"}
    with staged(mortal, gateway={"spool": spool}, others={"other": Engine(0)}) as stage, waits_for(stage, 8_000_000):
        stage.gateway.on_loop(stage.gateway.runtimes["whisper"].start_by_hand)
        stage.gateway.reaches(Phase.READY)
        said = post(stage.raw, BODY[:2_000_000])
        assert (said.status, mortal.died) == (502, 1)
        assert b"There was no room to keep the request for a second try (gateway.spool.total)." in said.body


def test_what_an_operator_puts_to_sleep_by_force_stays_asleep() -> None:
    mortal = Mortal(deaths=9)
    with staged(mortal) as stage:
        runtime = stage.gateway.runtimes["whisper"]
        asleep = SleepAsked(force=True)
        mortal.on_death = lambda: stage.gateway.on_loop(lambda: stage.gateway.engine().tell(asleep))
        said = post(stage.raw)
        assert (said.status, said.get("x-gateway-error")) == (503, "engine_put_to_sleep")
        stage.gateway.reaches(Phase.ASLEEP)
        assert (runtime.starts, mortal.died) == (1, 1)


def test_a_client_that_leaves_during_the_second_try_takes_it_along() -> None:
    again, left = threading.Event(), threading.Event()

    def script(visit: Visit) -> None:
        head = visit.head()
        if not head:
            return
        body_of(visit, head)
        if len(stage.engine.heads) > 1:
            again.set()
            left.set() if visit.until_closed() else None

    with staged(script) as stage:
        stage.raw.send(f"POST /x HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: {len(BODY)}\r\n\r\n").send(BODY)
        assert again.wait(PATIENCE)
        stage.raw.close()
        assert left.wait(PATIENCE)
        stage.gateway.until(stage.gateway.is_free)
        stage.gateway.until(lambda: stage.gateway.app.spools.quota.used == 0)


# WebSockets

UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: whisper.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(b'x' * 16).decode()}\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("how", DEATHS)
def test_a_websocket_that_was_not_accepted_yet_is_asked_for_again(how: str) -> None:
    def script(visit: Visit) -> None:
        if not visit.head():
            return
        death: Death = DEATHS[how]
        if len(stage.engine.heads) == 1:
            death(visit)
            return
        visit.say(SWITCHED + b"\x81\x02hi")
        visit.until_closed()

    with staged(script) as stage:
        stage.raw.send(UPGRADE)
        assert stage.raw.head().status == 101
        assert stage.raw.take(4) == b"\x81\x02hi"
        stage.raw.close()
        stage.gateway.until(stage.gateway.is_free)


def test_a_websocket_that_was_accepted_is_closed_with_1011() -> None:
    def script(visit: Visit) -> None:
        if visit.head():
            visit.say(SWITCHED + b"\x81\x02hi")

    with staged(script) as stage:
        stage.raw.send(UPGRADE)
        assert stage.raw.head().status == 101
        assert stage.raw.take(4) == b"\x81\x02hi"
        assert stage.raw.take(4)[2:4] == (1011).to_bytes(2, "big")
        assert len(stage.engine.heads) == 1
