"""An answer that begins before the transcript is complete, with a transcriber and a client that we hold in our hand."""

from __future__ import annotations

import gc
import json
import logging
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.types import Message

from engines.faster.streaming import streamed
from engines.transcription import event_stream
from engines.transcription.disconnect import ClientLeft
from engines.transcription.errors import EngineError, ModelUnavailable
from engines.transcription.event_stream import EventStream
from engines.transcription.formats import Wanted
from engines.transcription.transcript import Segment, Transcript
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio

ONE, TWO = (Segment(0, 1, text, 0, (), 0.0, 0.0, 1.0, 0.0) for text in (" one", " two"))


class Client:
    """Reads what is sent; leaves, or breaks, when it is told to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.leaving = anyio.Event()
        self.broken = False
        self._news = anyio.Event()

    async def ask(self, stream: EventStream) -> None:
        await stream({"type": "http"}, self._receive, self._send)

    async def until_sent(self, count: int) -> None:
        with anyio.fail_after(PATIENCE):
            while len(self.sent) < count:
                self._news = anyio.Event()
                await self._news.wait()

    @property
    def events(self) -> list[dict[str, Any]]:
        body = b"".join(message.get("body", b"") for message in self.sent).decode()
        return [json.loads(event.removeprefix("data: ")) for event in body.split("\n\n") if event]

    async def _receive(self) -> Message:
        await self.leaving.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self.broken:
            raise BrokenPipeError
        self.sent.append(message)
        self._news.set()


class Work:
    """Hears " one", then " two" when `go` is set. A `failure` comes where " two" would."""

    def __init__(self, failure: Exception | None = None, begin: bool = True) -> None:  # noqa: FBT001, FBT002
        self.go = anyio.Event()
        self.begun = anyio.Event()
        self.ended = False
        self._failure = failure
        self._begin = begin

    async def __call__(self, on_segment: Callable[[Segment], None]) -> Transcript:
        try:
            if self._begin:
                on_segment(ONE)
            self.begun.set()
            await self.go.wait()
            if self._failure is not None:
                raise self._failure
            on_segment(TWO)
            return Transcript("en", 2.0, (ONE, TWO))
        finally:
            self.ended = True


@pytest.fixture
def client() -> Client:
    return Client()


async def test_each_segment_is_sent_as_soon_as_it_is_there(client: Client) -> None:
    work = Work()
    async with anyio.create_task_group() as group:
        group.start_soon(client.ask, streamed(work, Wanted(usage=None)))
        await client.until_sent(2)
        assert client.events == [{"type": "transcript.text.delta", "delta": "one"}]
        work.go.set()
    assert client.events[1:] == [
        {"type": "transcript.text.delta", "delta": " two"},
        {"type": "transcript.text.done", "text": "one two"},
    ]
    assert [message.get("more_body") for message in client.sent] == [None, True, True, False]


async def test_the_answer_is_an_event_stream_that_no_proxy_holds_back(client: Client) -> None:
    work = Work()
    work.go.set()
    await client.ask(streamed(work, Wanted()))
    assert client.sent[0]["status"] == 200
    headers = dict(client.sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert (headers[b"cache-control"], headers[b"x-accel-buffering"]) == (b"no-cache", b"no")
    assert b"content-length" not in headers


async def test_in_a_long_silence_clients_and_proxies_hear_that_it_goes_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By comments, which readers of events pass over. Not before the answer has begun: it may become a refusal."""
    monkeypatch.setattr(event_stream, "SILENCE_S", 0.01)
    work, silent_work, silent_client = Work(), Work(begin=False), Client()
    async with anyio.create_task_group() as group:
        group.start_soon(silent_client.ask, streamed(silent_work, Wanted(usage=None)))
        await silent_work.begun.wait()
        group.start_soon(client.ask, streamed(work, Wanted(usage=None)))
        await client.until_sent(5)
        assert [message["body"][:1] for message in client.sent[2:5]] == [b":", b":", b":"]
        assert not silent_client.sent
        work.go.set()
        silent_work.go.set()


async def test_before_there_is_something_to_send_nothing_begins(client: Client) -> None:
    work = Work(begin=False)
    async with anyio.create_task_group() as group:
        group.start_soon(client.ask, streamed(work, Wanted()))
        await work.begun.wait()
        await anyio.wait_all_tasks_blocked()
        assert not client.sent
        work.go.set()
    assert [event["type"] for event in client.events] == ["transcript.text.delta", "transcript.text.done"]


@pytest.mark.parametrize("failure", [ModelUnavailable("Not now.", retry_after=5), ZeroDivisionError()])
async def test_a_failure_before_that_is_raised_as_it_is(client: Client, failure: Exception) -> None:
    work = Work(failure, begin=False)
    work.go.set()
    with pytest.raises(type(failure)) as raised:
        await client.ask(streamed(work, Wanted()))
    assert raised.value is failure
    assert not client.sent


async def failed_midway(client: Client, failure: Exception) -> dict[str, Any]:
    work = Work(failure)
    async with anyio.create_task_group() as group:
        group.start_soon(client.ask, streamed(work, Wanted()))
        await client.until_sent(2)
        work.go.set()
    assert client.sent[-1]["more_body"] is False
    assert [event.get("type") for event in client.events] == ["transcript.text.delta", None]
    error: dict[str, Any] = client.events[-1]["error"]
    return error


async def test_a_later_failure_is_the_last_event(client: Client) -> None:
    error = await failed_midway(client, ModelUnavailable("Out of memory."))
    assert (error["message"], error["code"]) == ("Out of memory.", "model_unavailable")


async def test_of_our_own_mistakes_the_log_has_the_details_and_the_client_has_not(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        error = await failed_midway(client, ZeroDivisionError("the secret transcript"))
    assert error["code"] == EngineError.code
    assert "secret" not in json.dumps(client.events)
    assert "ZeroDivisionError" in caplog.text


async def test_who_leaves_midway_ends_the_work(client: Client) -> None:
    work = Work()
    async with anyio.create_task_group() as group:
        group.start_soon(client.ask, streamed(work, Wanted()))
        await client.until_sent(2)
        client.leaving.set()
    assert work.ended
    assert len(client.sent) == 2


async def test_who_leaves_before_the_answer_begins_ends_the_work_too(client: Client) -> None:
    work = Work(begin=False)
    client.leaving.set()
    with pytest.raises(ClientLeft):
        await client.ask(streamed(work, Wanted()))
    assert work.ended
    assert not client.sent


async def test_a_connection_that_breaks_ends_the_work(client: Client) -> None:
    work = Work()
    client.broken = True
    await client.ask(streamed(work, Wanted()))
    assert work.ended


async def test_cancelling_from_outside_is_not_taken_for_a_client_who_left(client: Client) -> None:
    work = Work()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(client.ask, streamed(work, Wanted()))
            await client.until_sent(2)
            scope.cancel()
    assert scope.cancelled_caught
    assert work.ended


@pytest.mark.parametrize("begin", [True, False])
async def test_a_failure_keeps_nothing_alive(client: Client, begin: bool) -> None:  # noqa: FBT001
    """Its traceback refers to the frames in which recordings are held: no cycle may keep it."""

    class Recording:
        pass

    held: list[weakref.ref[Recording]] = []

    async def work(on_segment: Callable[[Segment], None]) -> Transcript:
        recording = Recording()
        held.append(weakref.ref(recording))
        if begin:
            on_segment(ONE)
            await client.until_sent(2)
        raise ModelUnavailable("Out of memory.")

    gc.disable()
    try:
        try:
            await client.ask(streamed(work, Wanted()))
        except ModelUnavailable as exc:
            exc.__traceback__ = None  # as the caller, Starlette, does
        assert held[0]() is None
    finally:
        gc.enable()
