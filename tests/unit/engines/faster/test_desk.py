"""From an upload to a transcript, with a model that we hold in our hand."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator

import anyio
import pytest
from anyio import to_thread

from engines.faster.desk import PLACES, Desk
from engines.faster.options import ListeningOptions
from engines.transcription.audio import Samples
from engines.transcription.errors import BadAudio
from engines.transcription.model_slot import ModelSlot
from engines.transcription.transcript import Segment, Transcription
from tests.unit.engines.recordings import silence, wav

pytestmark = pytest.mark.anyio

PATIENCE_S = 20


class Model:
    """Says "one two three"; before each word but the first it waits for `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.listening = threading.Event()
        self.said: list[str] = []
        self.heard: list[Samples] = []

    def begin(self, samples: Samples, options: ListeningOptions) -> Transcription:
        self.heard.append(samples)
        return Transcription(options.language or "en", len(samples) / 16_000, self._words())

    def _words(self) -> Iterator[Segment]:
        for number, word in enumerate((" one", " two", " three")):
            if number:
                self.listening.set()
                assert self.go.wait(PATIENCE_S)
            self.said.append(word)
            yield Segment(number, number + 1, word, 0, (), 0.0, 0.0, 1.0, 0.0)


@pytest.fixture
def model() -> Model:
    return Model()


def desk(load: Callable[[], Model], longest: float = 60) -> Desk:
    return Desk(ModelSlot(load), longest)  # type: ignore[arg-type]


def upload() -> io.BytesIO:
    return io.BytesIO(wav(silence(1)))


async def test_an_upload_becomes_a_transcript(model: Model) -> None:
    model.go.set()
    transcript = await desk(lambda: model).transcribe(upload(), ListeningOptions(language="fr"))
    assert (transcript.text, transcript.language, transcript.duration) == ("one two three", "fr", 1.0)
    assert len(model.heard[0]) == 16_000


async def test_leaving_stops_the_computation_between_two_segments(model: Model) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(desk(lambda: model).transcribe, upload(), ListeningOptions())
        assert await to_thread.run_sync(model.listening.wait, PATIENCE_S)
        group.cancel_scope.cancel()
        model.go.set()
    assert model.said in ([" one"], [" one", " two"]), "the third segment was computed for nobody"


async def test_rubbish_is_refused_while_the_model_is_busy_and_all_places_are_taken(model: Model) -> None:
    one_desk = desk(lambda: model)
    async with anyio.create_task_group() as group:
        for _ in range(PLACES + 3):
            group.start_soon(one_desk.transcribe, upload(), ListeningOptions())
        assert await to_thread.run_sync(model.listening.wait, PATIENCE_S)
        with pytest.raises(BadAudio):
            await one_desk.transcribe(io.BytesIO(b"rubbish"), ListeningOptions())
        model.go.set()
    assert len(model.heard) == PLACES + 3


async def test_rubbish_is_refused_while_the_model_loads() -> None:
    go = threading.Event()

    def load() -> Model:
        assert go.wait(PATIENCE_S)
        return Model()

    with pytest.raises(BadAudio):
        await desk(load).transcribe(io.BytesIO(b"rubbish"), ListeningOptions())
    go.set()


async def test_a_recording_that_is_too_long_is_refused(model: Model) -> None:
    with pytest.raises(BadAudio, match="longer than"):
        await desk(lambda: model, longest=0.5).transcribe(upload(), ListeningOptions())
    assert not model.heard
