"""How far requests are, for those who ask."""

from __future__ import annotations

from typing import Any

import pytest

from engines.whisperx import progress
from engines.whisperx.progress import KEPT_S, Stage, Watch, Watches
from engines.whisperx.progress_events import telling


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watches(clock: Clock) -> Watches:
    return Watches(clock)


def test_a_request_is_queued_until_its_first_stage_begins(watches: Watches) -> None:
    with watches.begin("r") as watch:
        watch.expect(Stage.DECODE, Stage.TRANSCRIBE)
        assert watches.report("r") == {
            "request_id": "r", "state": "queued", "stage": None, "fraction": 0.0,
            "stages": {"decode": 0.0, "transcribe": 0.0},
        }  # fmt: skip
        watch.reach(Stage.DECODE, 0.0)
        report = watches.report("r")
        assert report is not None
        assert (report["state"], report["stage"]) == ("working", "decode")


def test_the_whole_is_as_far_as_its_stages_together(watches: Watches) -> None:
    with watches.begin("r") as watch:
        watch.expect(Stage.DECODE, Stage.TRANSCRIBE, Stage.ALIGN, Stage.DIARIZE)
        watch.reach(Stage.DECODE, 1.0)
        watch.reach(Stage.DIARIZE, 0.5)
        watch.reach(Stage.TRANSCRIBE, 0.25)
        report = watch.report()
    assert report["stages"] == {"decode": 1.0, "transcribe": 0.25, "align": 0.0, "diarize": 0.5}
    assert (report["fraction"], report["stage"]) == (0.4375, "transcribe")


def test_progress_never_goes_back_and_never_beyond_the_end() -> None:
    watch = Watch("r")
    for fraction, expected in ((0.5, 0.5), (0.25, 0.5), (7.0, 1.0), (-1.0, 1.0)):
        watch.reach(Stage.ALIGN, fraction)
        assert watch.report()["stages"] == {"align": expected}


def test_who_listens_hears_of_each_whole_percent_once() -> None:
    heard: list[dict[str, Any]] = []
    watch = Watch("r", heard.append)
    watch.expect(Stage.TRANSCRIBE)
    for number in range(1001):
        watch.reach(Stage.TRANSCRIBE, number / 1000)
    assert [round(report["fraction"], 2) for report in heard] == [number / 100 for number in range(101)]


def test_how_it_ended_can_be_asked_for_a_while(watches: Watches, clock: Clock) -> None:
    with watches.begin("good") as watch:
        watch.expect(Stage.DECODE)
    with pytest.raises(ValueError, match="rubbish"), watches.begin("bad"):
        raise ValueError("rubbish")
    good, bad = watches.report("good"), watches.report("bad")
    assert good is not None
    assert bad is not None
    assert (good["state"], good["fraction"], bad["state"]) == ("done", 1.0, "failed")
    clock.now += KEPT_S + 1
    assert watches.report("good") is watches.report("bad") is None


def test_nobody_is_known_who_never_asked(watches: Watches) -> None:
    assert watches.report("r") is None


def test_the_later_of_two_with_the_same_name_is_reported(watches: Watches) -> None:
    with watches.begin("r") as one, watches.begin("r") as two:
        one.reach(Stage.DECODE, 1.0)
        two.reach(Stage.ALIGN, 0.5)
        assert watches.report("r") == two.report()
    assert watches.report("r") == two.report()


def test_only_so_many_that_have_ended_are_remembered(watches: Watches, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those under way are, however many."""
    monkeypatch.setattr(progress, "MOST", 2)
    with watches.begin("working"):
        for name in "abcd":
            with watches.begin(name):
                pass
        assert [name for name in ("working", *"abcd") if watches.report(name)] == ["working", "d"]


def test_a_stream_begins_when_the_recording_is_decoded_or_others_come_first() -> None:
    """Before, it may still be refused with a status of its own."""
    told: list[bytes] = []
    watch = Watch("r", telling(told.append))
    watch.expect(Stage.DECODE, Stage.TRANSCRIBE)
    watch.reach(Stage.DECODE, 0.0)
    assert not told
    watch.wait()
    assert len(told) == 1
    assert b'"state": "queued"' in told[0]
    watch.reach(Stage.DECODE, 0.5)
    assert len(told) == 1
    watch.reach(Stage.DECODE, 1.0)
    watch.reach(Stage.TRANSCRIBE, 0.5)
    assert len(told) == 3
