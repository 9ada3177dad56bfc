"""Who is computed together with whom, and what each gets. The model is one that remembers its batches."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import ctranslate2
import numpy as np
import pytest

from engines.faster.batching import MOST_PATIENCE, Encoded, SharedModel
from engines.faster.company import Company, Visit
from engines.transcription.errors import OutOfMemory
from tests.fixtures.patience import PATIENCE

PROMPT = [1, 2, 3]


class Whisper:
    """Encodes a window as its own first number; writes that number, and the prompt's last."""

    is_multilingual = True

    def __init__(self) -> None:
        self.batches: list[tuple[str, int]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()
        self.memory = 100  # rows that fit
        self.want: Exception = RuntimeError("CUDA failed with error out of memory")
        self.device = "cuda"

    def _compute(self, what: str, rows: int) -> None:
        self.batches.append((what, rows))
        self.begun.release()
        assert self.go.wait(PATIENCE)
        if rows > self.memory:
            raise type(self.want)(*self.want.args)  # a new one: each keeps the frames that it passed through

    def encode(self, features: ctranslate2.StorageView) -> ctranslate2.StorageView:
        windows = np.asarray(features)
        self._compute("encode", len(windows))
        return ctranslate2.StorageView.from_array(np.ascontiguousarray(windows[:, :1, :1]))

    def generate(self, encoded: ctranslate2.StorageView, prompts: list[list[int]], **options: Any) -> list[Any]:
        if [0] in prompts:
            raise ValueError("a prompt that cannot be")
        self._compute("generate", len(prompts))
        return [(float(row[0, 0]), prompt[-1]) for row, prompt in zip(np.asarray(encoded), prompts, strict=True)]

    def detect_language(self, encoded: ctranslate2.StorageView) -> list[Any]:
        rows = np.asarray(encoded)
        self._compute("detect", len(rows))
        return [[(f"<|{row[0, 0]:.0f}|>", 1.0)] for row in rows]

    def align(
        self, encoded: ctranslate2.StorageView, start: list[int], texts: list[list[int]], frames: list[int], **_: Any
    ) -> list[Any]:
        rows = np.asarray(encoded)
        self._compute("align", len(rows))
        return [(float(row[0, 0]), text, count, start) for row, text, count in zip(rows, texts, frames, strict=True)]


def window(number: float) -> Any:
    return np.full((1, 2, 3), number, dtype=np.float32)


class Room:
    """A shared model, and visitors in threads of their own."""

    def __init__(self, executor: ThreadPoolExecutor, **options: Any) -> None:
        self.whisper = Whisper()
        whisper: Any = self.whisper
        self.model = SharedModel(whisper, **{"most": 8, **options})
        self.company = Company()
        self._executor = executor

    def visit(self, work: Any, visit: Visit | None = None) -> Future[Any]:
        """Calls work(model) in a thread, for a visit that is counted from now on until it is done."""
        one = visit or Visit(self.company, checkpoint=lambda: None)
        self.company.__enter__()

        def do() -> Any:
            try:
                with self.model.visited_by(one):
                    return work(self.model)
            finally:
                self.company.__exit__(None, None, None)

        return self._executor.submit(do)

    def until_waiting(self, count: int) -> None:
        """Until so many calls wait for their turn; they announce it by the model's own condition."""
        with self.model._changed:
            assert self.model._changed.wait_for(lambda: len(self.model._waiting) == count, PATIENCE)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The device computes something for somebody else inside the block."""
        self.whisper.go.clear()
        one = self.visit(lambda model: model.encode(window(0)))
        assert self.whisper.begun.acquire(timeout=PATIENCE)
        try:
            yield
        finally:
            self.whisper.go.set()
        one.result(PATIENCE)
        self.whisper.batches.pop(0)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as one:
        yield one


@pytest.fixture
def room(executor: ThreadPoolExecutor) -> Room:
    return Room(executor)


def listening(number: float, prompt: list[int] | None = None, **options: Any) -> Any:
    def work(model: SharedModel) -> Any:
        return model.generate(model.encode(window(number)), [[*(prompt or PROMPT), round(number)]], **options)[0]

    return work


def test_who_is_alone_is_computed_alone(room: Room) -> None:
    assert room.visit(listening(7)).result(PATIENCE) == (7.0, 7)
    assert room.whisper.batches == [("encode", 1), ("generate", 1)]


def test_who_comes_while_the_device_computes_goes_together_next(room: Room) -> None:
    with room.busy():
        visits = [room.visit(listening(number)) for number in range(5)]
        room.until_waiting(5)
    assert [visit.result(PATIENCE) for visit in visits] == [(float(number), number) for number in range(5)]
    assert room.whisper.batches == [("encode", 5), ("generate", 5)]


def test_company_that_is_on_its_way_is_waited_for_but_not_long(room: Room) -> None:
    with room.company:  # somebody who never comes
        assert room.visit(listening(1)).result(PATIENCE) == (1.0, 1)
        both = [room.visit(listening(number)) for number in (2, 3)]
        assert [visit.result(PATIENCE) for visit in both] == [(2.0, 2), (3.0, 3)]
    assert sum(rows for what, rows in room.whisper.batches if what == "encode") == 3
    assert MOST_PATIENCE < 0.1


def test_a_batch_has_no_more_rows_than_it_may(room: Room) -> None:
    with room.busy():
        visits = [room.visit(lambda model, n=number: model.encode(window(n))) for number in range(11)]
        room.until_waiting(11)
    for visit in visits:
        visit.result(PATIENCE)
    assert room.whisper.batches == [("encode", 8), ("encode", 3)]


def test_a_call_that_brings_more_rows_than_that_is_computed_by_itself(room: Room) -> None:
    encoded = room.visit(lambda model: model.encode(np.concatenate([window(n) for n in range(9)]))).result(PATIENCE)
    assert encoded.count == 9
    assert room.whisper.batches == [("encode", 9)]


def test_different_options_and_prompts_of_different_length_do_not_mix(room: Room) -> None:
    encoded = room.model.encode(window(5))
    room.whisper.batches.clear()
    asked: list[tuple[list[int], dict[str, Any]]] = [
        ([1, 2], {}), ([3, 4], {}), ([1, 2, 3], {}), ([1, 2], {"beam_size": 2}), ([1, 2], {"suppress_tokens": [1]}),
        ([1, 2], {"suppress_tokens": [1]}),
    ]  # fmt: skip
    with room.busy():
        visits = [room.visit(lambda m, p=p, o=o: m.generate(encoded, [p], **o)[0]) for p, o in asked]
        room.until_waiting(len(asked))
    assert [visit.result(PATIENCE)[1] for visit in visits] == [prompt[-1] for prompt, _ in asked]
    assert sorted(room.whisper.batches) == [("generate", 1), ("generate", 1), ("generate", 2), ("generate", 2)]


def test_the_oldest_call_comes_first_whatever_it_asks_for(room: Room) -> None:
    encoded = room.model.encode(window(5))
    room.whisper.batches.clear()
    with room.busy():
        first = room.visit(lambda model: model.detect_language(encoded))
        room.until_waiting(1)
        second = room.visit(lambda model: model.encode(window(6)))
        room.until_waiting(2)
        third = room.visit(lambda model: model.detect_language(encoded))
        room.until_waiting(3)
    assert first.result(PATIENCE) == third.result(PATIENCE) == [[("<|5|>", 1.0)]]
    second.result(PATIENCE)
    assert room.whisper.batches == [("detect", 2), ("encode", 1)]


def test_rows_of_different_batches_find_together_in_any_order(room: Room) -> None:
    one, two, three = (room.model.encode(np.concatenate([window(n), window(n + 1)])) for n in (10, 20, 30))
    parts = [Encoded(three.rows[1:]), Encoded(one.rows[:1]), Encoded(two.rows[1:]), one]
    with room.busy():
        visits = []
        for number, part in enumerate(parts, start=1):
            visits.append(room.visit(lambda model, p=part: [g[0] for g in model.generate(p, [PROMPT] * p.count)]))
            room.until_waiting(number)
    assert [visit.result(PATIENCE) for visit in visits] == [[31.0], [10.0], [21.0], [10.0, 11.0]]


def test_only_texts_of_the_same_length_are_aligned_together(room: Room) -> None:
    encoded = room.model.encode(window(5))
    room.whisper.batches.clear()
    with room.busy():
        visits = [room.visit(lambda m, t=text: m.align(encoded, (9,), [t], 100)) for text in ([1, 2], [3], [4, 5])]
        room.until_waiting(3)
    assert [visit.result(PATIENCE)[0] for visit in visits] == [
        (5.0, [1, 2], 100, [9]), (5.0, [3], 100, [9]), (5.0, [4, 5], 100, [9]),
    ]  # fmt: skip
    assert sorted(room.whisper.batches) == [("align", 1), ("align", 2)]


def test_only_the_guilty_hears_of_an_error(room: Room) -> None:
    encoded = room.model.encode(window(5))
    with room.busy():
        visits = [room.visit(lambda m, p=prompt: m.generate(encoded, [[p]])) for prompt in (1, 0, 2)]
        room.until_waiting(3)
    assert visits[0].result(PATIENCE) == [(5.0, 1)]
    assert visits[2].result(PATIENCE) == [(5.0, 2)]
    with pytest.raises(ValueError, match="cannot be"):
        visits[1].result(PATIENCE)


def test_a_batch_for_which_there_is_no_memory_is_halved_once(room: Room) -> None:
    room.whisper.memory = 4
    with room.busy():
        visits = [room.visit(lambda m, n=number: m.encode(window(n))) for number in range(8)]
        room.until_waiting(8)
    for visit in visits:
        visit.result(PATIENCE)
    assert room.whisper.batches == [("encode", 8), ("encode", 4), ("encode", 4)]


def test_windows_that_were_halved_are_written_about_as_if_they_were_not(room: Room) -> None:
    room.whisper.memory = 5
    encoded = room.model.encode(np.concatenate([window(number) for number in range(9)]))
    assert room.model.generate(encoded, [PROMPT] * 9) == [(float(number), 3) for number in range(9)]
    assert [rows for _, rows in room.whisper.batches] == [9, 4, 5, 9, 4, 5]


@pytest.mark.parametrize(
    "want",
    [
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"),
        MemoryError("std::bad_alloc"),
    ],
    ids=["cuda", "cublas", "host"],
)
def test_what_has_no_room_by_itself_is_refused(room: Room, want: Exception) -> None:
    room.whisper.memory = 0
    room.whisper.want = want
    with pytest.raises(OutOfMemory) as refused:
        room.visit(lambda model: model.encode(window(1))).result(PATIENCE)
    assert (refused.value.status, refused.value.code) == (503, "out_of_memory")
    room.whisper.memory = 1
    room.visit(lambda model: model.encode(window(1))).result(PATIENCE)


@pytest.mark.parametrize("memory", [0, 100])
def test_an_error_keeps_nothing_alive(room: Room, memory: int) -> None:
    """Its traceback refers to the frames in which recordings are held: no cycle may keep it."""

    class Recording:
        pass

    held: list[weakref.ref[Recording]] = []
    room.whisper.memory = memory

    def listen() -> None:
        recording = Recording()
        held.append(weakref.ref(recording))
        room.model.generate(room.model.encode(window(1)), [[0]])

    gc.disable()
    try:
        with pytest.raises((OutOfMemory, ValueError)) as failure:
            listen()
        del failure
        assert held[0]() is None
    finally:
        gc.enable()


def test_who_leaves_the_queue_is_not_computed(room: Room) -> None:
    class Gone(Exception):
        pass

    def gone() -> None:
        if leaver.gone:
            raise Gone

    leaver = Visit(room.company, checkpoint=gone)
    with room.busy():
        leaving = room.visit(lambda model: model.encode(window(1)), leaver)
        room.until_waiting(1)
        staying = room.visit(lambda model: model.encode(window(2)))
        room.until_waiting(2)
        leaver.leave()
        with pytest.raises(Gone):
            leaving.result(PATIENCE)
    staying.result(PATIENCE)
    assert room.whisper.batches == [("encode", 1)]


def test_on_a_cpu_windows_are_encoded_one_by_one_and_written_about_together(room: Room) -> None:
    room.whisper.device = "cpu"
    with room.busy():
        visits = [room.visit(listening(number)) for number in range(3)]
        room.until_waiting(3)
    assert [visit.result(PATIENCE) for visit in visits] == [(float(number), number) for number in range(3)]
    assert room.whisper.batches == [("encode", 1)] * 3 + [("generate", 3)]


def test_on_a_cpu_who_leaves_is_computed_no_further_than_to_the_next_window(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not in a batch that has begun; others in it get what is theirs."""

    class Gone(Exception):
        pass

    def gone() -> None:
        if leaver.gone:
            raise Gone

    def leave_and_encode(features: Any) -> Any:
        leaver.leave()
        return encode(features)

    encode = room.whisper.encode
    room.whisper.device = "cpu"
    leaver = Visit(room.company, checkpoint=gone)
    long = np.concatenate([window(number) for number in range(4)])
    with room.busy():
        leaving = room.visit(lambda model: model.encode(long), leaver)
        room.until_waiting(1)
        staying = room.visit(listening(9))
        room.until_waiting(2)
        monkeypatch.setattr(room.whisper, "encode", leave_and_encode)
    with pytest.raises(Gone):
        leaving.result(PATIENCE)
    assert staying.result(PATIENCE) == (9.0, 9)
    assert room.whisper.batches == [("encode", 1), ("encode", 1), ("generate", 1)]


def test_workers_compute_side_by_side(executor: ThreadPoolExecutor) -> None:
    room = Room(executor, workers=2, most=1)
    room.whisper.go.clear()
    visits = [room.visit(lambda m, n=number: m.encode(window(n))) for number in range(3)]
    assert room.whisper.begun.acquire(timeout=PATIENCE)
    assert room.whisper.begun.acquire(timeout=PATIENCE)
    room.until_waiting(1)
    room.whisper.go.set()
    for visit in visits:
        visit.result(PATIENCE)


def test_everything_else_is_the_models(room: Room) -> None:
    assert room.model.is_multilingual
    with pytest.raises(AttributeError):
        _ = room.model.what_no_model_has


def test_two_hundred_visits_each_get_their_own(room: Room) -> None:
    visits = [room.visit(listening(number)) for number in range(200)]
    assert [visit.result(PATIENCE) for visit in visits] == [(float(number), number) for number in range(200)]
    assert room.company.present == 0
