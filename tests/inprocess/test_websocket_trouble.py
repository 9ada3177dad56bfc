"""Whether an engine has failed a WebSocket depends on who ended it, and how; what it counts as follows from that."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from gateway.announcements import RequestEnded
from gateway.proxy.frames import close_frame
from tests.fixtures.raw_client import RawClient
from tests.fixtures.scripted_engine import Visit
from tests.inprocess.mortals import reset
from tests.inprocess.staging import Stage, staged
from tests.inprocess.websockets_client import UPGRADE, text_frame

AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
CLOSE, MASKED_CLOSE = b"\x88\x02\x03\xe8", b"\x88\x82\0\0\0\0\x03\xe8"
CUT = ("answer_cut", 101)
WELL = (None, 101)
BROKEN_OFF = close_frame(1011, "the engine ended without saying why")

Script = Callable[[Visit], None]
Client = Callable[[RawClient], object]


def nothing(_: object) -> None:
    pass


def ends_orderly(visit: Visit) -> None:
    visit.connection.shutdown(socket.SHUT_RDWR)


def ends_its_half(visit: Visit) -> None:
    visit.connection.shutdown(socket.SHUT_WR)
    assert visit.until_closed()


def closes(visit: Visit) -> None:
    visit.say(CLOSE)


def closes_and_waits(visit: Visit) -> None:
    visit.say(CLOSE)
    assert visit.body(len(MASKED_CLOSE)) == MASKED_CLOSE


def hears(frames: bytes, then: Script) -> Script:
    def script(visit: Visit) -> None:
        assert visit.body(len(frames)) == frames
        then(visit)

    return script


def says(data: bytes) -> Script:
    return lambda visit: visit.say(data)


def until_the_gateway_leaves(visit: Visit) -> None:
    assert visit.until_closed()


def sends(*pieces: bytes) -> Client:
    def act(client: RawClient) -> None:
        for piece in pieces:
            client.send(piece)

    return act


def answers_the_close(client: RawClient) -> None:
    assert client.take(4) == CLOSE
    client.send(MASKED_CLOSE)


def vanishes(client: RawClient) -> None:
    client.finish_sending()


def end_of(stage: Stage, engine: Callable[[], None], client: Client) -> tuple[bytes, RequestEnded]:
    """What the client was sent to the end, and what was told of the request."""
    told: list[RequestEnded] = []
    stage.gateway.on_loop(lambda: stage.gateway.app.announce.listen(RequestEnded, told.append))
    stage.raw.send(UPGRADE.format("/ws"))
    assert stage.raw.head().status == 101
    engine()
    client(stage.raw)
    try:
        seen = stage.raw.rest()
    except (ConnectionResetError, OSError):
        seen = b"reset"
    stage.gateway.until(lambda: bool(told))
    stage.gateway.until(stage.gateway.is_free)
    (fact,) = told
    return seen, fact


LOOKALIKE = b"\x82\x88" + bytes(4) + MASKED_CLOSE
ENDS: dict[str, tuple[Script, Client, tuple[str | None, int], bytes]] = {
    "the engine ends": (ends_orderly, nothing, CUT, BROKEN_OFF),
    "the engine resets": (reset, nothing, CUT, BROKEN_OFF),
    "the engine ends its half": (ends_its_half, nothing, CUT, BROKEN_OFF),
    "after a message": (says(b"\x81\x02hi"), nothing, CUT, b"\x81\x02hi" + BROKEN_OFF),
    "within a message": (says(b"\x81\x05he"), nothing, CUT, b"\x81\x05he"),
    "while the client speaks": (hears(text_frame(b"hi"), nothing), sends(text_frame(b"hi")), CUT, BROKEN_OFF),
    "what the client says looks like a close": (hears(LOOKALIKE, nothing), sends(LOOKALIKE), CUT, BROKEN_OFF),
    "the engine closes": (closes, nothing, WELL, CLOSE),
    "the engine closes, and waits": (closes_and_waits, answers_the_close, WELL, b""),
    "the client closes": (hears(MASKED_CLOSE, closes), sends(MASKED_CLOSE), WELL, CLOSE),
    "the client closes byte by byte": (
        hears(MASKED_CLOSE, nothing), sends(*[bytes([byte]) for byte in MASKED_CLOSE]), WELL, BROKEN_OFF,
    ),
    "the client closes, and the engine only ends": (
        hears(text_frame(b"x") + MASKED_CLOSE, nothing), sends(text_frame(b"x") + MASKED_CLOSE), WELL, BROKEN_OFF,
    ),
    "the client closes, and the engine resets": (hears(MASKED_CLOSE, reset), sends(MASKED_CLOSE), WELL, BROKEN_OFF),
    "the client vanishes": (until_the_gateway_leaves, vanishes, WELL, b""),
    "the client vanishes within a frame": (
        hears(b"\x81\x85", until_the_gateway_leaves), lambda raw: vanishes(raw.send(b"\x81\x85")), WELL, b"",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "client", "expected", "seen"), ENDS.values(), ids=ENDS)
def test_who_ends_a_websocket_and_how_decides_what_it_was(
    script: Script, client: Client, expected: tuple[str | None, int], seen: bytes
) -> None:
    go = threading.Event()

    def play(visit: Visit) -> None:
        if visit.head():
            visit.say(AGREED)
            go.wait(10)
            script(visit)

    with staged(play) as stage:
        got, fact = end_of(stage, go.set, client)
        assert (fact.error, fact.status) == expected
        assert got == seen
        failed = stage.gateway.events("request.failed")
        assert [entry["error"] for entry in failed] == [error for error in expected[:1] if error]
        assert all(entry["reason"] == "the engine ended the WebSocket without a close frame" for entry in failed)


def test_an_engine_that_ends_with_its_agreement_has_failed_it() -> None:
    with staged(lambda visit: visit.say(AGREED) if visit.head() else None) as stage:
        got, fact = end_of(stage, lambda: None, nothing)
        assert (got, fact.error) == (BROKEN_OFF, "answer_cut")


@pytest.mark.parametrize(("last", "failures"), [(b"", 3), (CLOSE, 0)])
def test_a_websocket_that_broke_is_no_success_of_its_engine(last: bytes, failures: int) -> None:
    """It does not shorten the rest after the next failure."""
    with staged(lambda visit: visit.say(AGREED + last) if visit.head() else None) as stage:
        machine = stage.gateway.engine()._machine

        def failed_before() -> None:
            machine.failures.count = 3

        stage.raw.get("/elsewhere", "nobody.test").answer()
        stage.gateway.on_loop(failed_before)
        end_of(stage, lambda: None, nothing)
        assert stage.gateway.engine().failures == failures
