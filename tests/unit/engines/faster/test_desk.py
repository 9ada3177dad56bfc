"""From an upload to a transcript, with a model that we hold in our hand."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from anyio import to_thread

from engines.faster.company import Visit
from engines.faster.desk import LONG_PLACES, SHORT, SHORT_PLACES, Desk
from engines.faster.options import ListeningOptions
from engines.transcription.errors import BadAudio, ModelUnavailable, OutOfMemory, RecordingTooLong
from engines.transcription.model_slot import ModelSlot
from engines.transcription.tape import Samples
from engines.transcription.transcript import LanguageGuess, Segment, Transcript
from tests.fixtures.patience import PATIENCE
from tests.unit.engines.recordings import encoded, silence, wav

pytestmark = pytest.mark.anyio


class Model:
    """Says "one two three"; before each word but the first it waits for `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.listening = threading.Semaphore(0)
        self.said: list[str] = []
        self.heard: list[Samples] = []
        self.visits: list[Visit] = []
        self.most_present = 0

    def listen(
        self, samples: Samples, options: ListeningOptions, visit: Visit, heard: Callable[[Segment], None]
    ) -> Transcript:
        self.heard.append(samples)
        self.visits.append(visit)
        self.most_present = max(self.most_present, visit.company.present)
        segments = []
        for number, word in enumerate((" one", " two", " three")):
            if number:
                self.listening.release()
                assert self.go.wait(PATIENCE)
                visit.checkpoint()
            self.said.append(word)
            segments.append(Segment(number, number + 1, word, 0, (), 0.0, 0.0, 1.0, 0.0))
            heard(segments[-1])
        return Transcript(options.language or "en", len(samples) / 16_000, tuple(segments))

    def detect(self, samples: Samples, visit: Visit) -> LanguageGuess:
        self.heard.append(samples)
        self.visits.append(visit)
        return LanguageGuess("fr", 0.9, (("fr", 0.9), ("en", 0.1)))

    async def until_listening(self, count: int = 1) -> None:
        for _ in range(count):
            assert await to_thread.run_sync(partial(self.listening.acquire, timeout=PATIENCE))


class Models:
    """Lends one model under every name."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self.slot = ModelSlot(load)
        self.wanted: list[str] = []

    def begin_loading(self, model: str) -> None:
        self.wanted.append(model)
        self.slot.begin_loading()

    @asynccontextmanager
    async def borrowed(self, model: str) -> AsyncIterator[Any]:
        assert model in self.wanted
        async with self.slot.borrowed() as one:
            yield one


@pytest.fixture
def model() -> Model:
    return Model()


def desk(load: Callable[[], Model], longest: float = 3600) -> Desk:
    return Desk(Models(load), longest)


def upload(seconds: float = 1) -> io.BytesIO:
    return io.BytesIO(wav(silence(seconds)))


async def test_an_upload_becomes_a_transcript(model: Model) -> None:
    model.go.set()
    transcript = await desk(lambda: model).transcribe(upload(), "m", ListeningOptions(language="fr"))
    assert (transcript.text, transcript.language, transcript.duration) == ("one two three", "fr", 1.0)
    assert len(model.heard[0]) == 16_000


async def test_segments_are_told_on_the_event_loop_as_they_are_found(model: Model) -> None:
    loop_thread, told = threading.get_ident(), []

    def on_segment(segment: Segment) -> None:
        assert threading.get_ident() == loop_thread
        told.append(segment.text)
        model.go.set()  # the model goes on when the first has been told, so none is kept back

    await desk(lambda: model).transcribe(upload(), "m", ListeningOptions(), on_segment)
    assert told == [" one", " two", " three"]


async def test_the_language_can_be_asked_for_and_needs_only_the_beginning(model: Model) -> None:
    guess = await desk(lambda: model).detect(upload(200), "m")
    assert guess.language == "fr"
    assert 30 <= len(model.heard[0]) / 16_000 < 60


async def test_leaving_stops_the_computation_between_two_segments(model: Model) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(desk(lambda: model).transcribe, upload(), "m", ListeningOptions())
        await model.until_listening()
        group.cancel_scope.cancel()
        model.go.set()
    assert model.said in ([" one"], [" one", " two"]), "the third segment was computed for nobody"


async def test_a_thread_that_waits_for_its_turn_is_told_at_once_that_the_client_left(model: Model) -> None:
    told = threading.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(desk(lambda: model).transcribe, upload(), "m", ListeningOptions())
        await model.until_listening()
        model.visits[0].when_gone = told.set
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            assert await to_thread.run_sync(told.wait, PATIENCE)
        assert model.visits[0].gone
        model.go.set()


async def test_requests_are_at_the_model_together_and_know_it(model: Model) -> None:
    one_desk = desk(lambda: model)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one_desk.transcribe, upload(), "m", ListeningOptions())
        await model.until_listening(5)
        model.go.set()
    assert model.most_present == 5
    assert model.visits[0].company.present == 0


async def test_models_have_companies_of_their_own(model: Model) -> None:
    one_desk = desk(lambda: model)
    model.go.set()
    for name in ("a", "b"):
        await one_desk.transcribe(upload(), name, ListeningOptions())
    assert model.visits[0].company is not model.visits[1].company


async def test_few_long_recordings_are_in_memory_and_short_ones_pass_them_by(model: Model) -> None:
    one_desk = desk(lambda: model)
    async with anyio.create_task_group() as group:
        for _ in range(LONG_PLACES + 1):
            group.start_soon(one_desk.transcribe, upload(SHORT + 1), "m", ListeningOptions())
        await model.until_listening(LONG_PLACES)
        group.start_soon(one_desk.transcribe, upload(), "m", ListeningOptions())
        await model.until_listening()
        assert [len(samples) > SHORT * 16_000 for samples in model.heard] == [True] * LONG_PLACES + [False]
        model.go.set()
    assert len(model.heard) == LONG_PLACES + 2


async def test_a_recording_that_says_it_is_short_and_is_not_is_heard_all_the_same(model: Model) -> None:
    model.go.set()
    data = bytearray(encoded("flac", silence(SHORT + 5)))
    assert data[:4] == b"fLaC"
    data[18 + 3] &= 0xF0  # STREAMINFO: 36 bits that say how many samples there are; 0 is "unknown"
    data[18 + 4 : 18 + 8] = b"\0\0\x3e\x80"  # one second
    transcript = await desk(lambda: model).transcribe(io.BytesIO(bytes(data)), "m", ListeningOptions())
    assert transcript.duration == pytest.approx(SHORT + 5, abs=0.1)


async def test_rubbish_is_refused_while_the_model_is_busy_and_all_places_are_taken(model: Model) -> None:
    one_desk = desk(lambda: model)
    async with anyio.create_task_group() as group:
        for _ in range(SHORT_PLACES + 3):
            group.start_soon(one_desk.transcribe, upload(), "m", ListeningOptions())
        await model.until_listening(SHORT_PLACES)
        with pytest.raises(BadAudio):
            await one_desk.transcribe(io.BytesIO(b"rubbish"), "m", ListeningOptions())
        model.go.set()
    assert len(model.heard) == SHORT_PLACES + 3


async def test_rubbish_is_refused_while_the_model_loads() -> None:
    go = threading.Event()

    def load() -> Model:
        assert go.wait(PATIENCE)
        return Model()

    with pytest.raises(BadAudio):
        await desk(load).transcribe(io.BytesIO(b"rubbish"), "m", ListeningOptions())
    go.set()


async def test_a_model_that_cannot_be_had_is_said(model: Model) -> None:
    def load() -> Model:
        raise OSError("the disk is full")

    with pytest.raises(ModelUnavailable, match="disk is full"):
        await desk(load).transcribe(upload(), "m", ListeningOptions())


async def test_what_the_model_refuses_arrives_as_it_is(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Transcript:
        raise BadAudio("no")

    monkeypatch.setattr(model, "listen", refuse)
    with pytest.raises(BadAudio, match="no"):
        await desk(lambda: model).transcribe(upload(), "m", ListeningOptions())


async def test_want_of_memory_anywhere_is_said_as_such(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Transcript:
        raise MemoryError

    monkeypatch.setattr(model, "listen", refuse)
    with pytest.raises(OutOfMemory):
        await desk(lambda: model).transcribe(upload(), "m", ListeningOptions())


@pytest.mark.parametrize("longest", [0.5, SHORT + 0.5])
async def test_a_recording_that_is_too_long_is_refused(model: Model, longest: float) -> None:
    with pytest.raises(RecordingTooLong, match="longer than"):
        await desk(lambda: model, longest).transcribe(upload(longest + 1), "m", ListeningOptions())
    assert not model.heard
