"""What a runtime or a probe may do wrong, and that it stays with the engine it happened to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import (
    EngineMissing,
    EngineStartFailed,
    EngineStartTimeout,
    RuntimeTrouble,
    RuntimeUnavailable,
    StartRefused,
)
from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import ASLEEP, FAILED, READY, STOPPING, WAKING
from gateway.supervision import performer
from tests.unit.supervision.stage import Stage, Visitor, calm, staged, supervised, until

pytestmark = pytest.mark.anyio

TROUBLES = [EngineMissing, RuntimeUnavailable, StartRefused, RuntimeTrouble]
Lines = list[MutableMapping[str, Any]]


@pytest.fixture
async def other() -> AsyncIterator[Stage]:
    """Another engine of the same gateway, which must not notice anything."""
    async with staged("other") as stage:
        yield stage
        await stage.is_ready()


@pytest.fixture
def lines() -> Iterator[Lines]:
    with capture_logs() as captured:
        yield captured


def events(lines: Lines) -> list[str]:
    return [line["event"] for line in lines]


@pytest.fixture(autouse=True)
def watch_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performer, "WATCH_PAUSE", 0)


# start


@pytest.mark.parametrize("trouble", [EngineMissing, StartRefused, RuntimeTrouble])
async def test_a_start_in_trouble_is_refused_with_its_public_words_and_tried_again_later(
    trouble: type[RuntimeTrouble], other: Stage
) -> None:
    async with staged() as stage:
        stage.runtime.breaks["start"] = [trouble("has a problem")]
        with pytest.raises(EngineStartFailed, match=trouble.public):
            await stage.is_ready()
        assert (stage.phase, stage.engine.failure) == (FAILED, "has a problem")
        await until(lambda: stage.clock.pending == [1.0])
        stage.clock.advance(1)
        await stage.is_ready()


async def test_a_mistake_of_ours_in_a_start_is_logged_and_fails_this_engine_alone(lines: Lines, other: Stage) -> None:
    async with staged() as stage:
        stage.runtime.breaks["start"] = [KeyError("State")]
        with pytest.raises(EngineStartFailed, match=RuntimeTrouble.public) as refusal:
            await stage.is_ready()
        assert "State" not in str(refusal.value)
        await until(lambda: stage.clock.pending == [1.0])
        stage.clock.advance(1)
        await stage.is_ready()
    (broke,) = [line for line in lines if line["event"] == "engine.start_broke"]
    assert (broke["engine"], broke["log_level"], broke["exc_info"]) == ("whisper", "error", True)


async def test_a_start_that_is_cancelled_by_something_else_ends_with_the_start_timeout() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.breaks["start"] = [asyncio.CancelledError()]
        visitor = Visitor(stage, group)
        await calm()
        stage.clock.advance(60)
        assert type(await visitor.decided()) is EngineStartTimeout
        await until(lambda: stage.clock.pending == [1.0])
        stage.clock.advance(1)
        await stage.is_ready()


async def test_a_start_that_succeeds_after_it_was_given_up_is_stopped_and_no_news(lines: Lines) -> None:
    async with staged() as stage:
        stage.runtime.hold("start")
        stage.engine.tell(WakeAsked())
        await until(lambda: stage.runtime.running)
        stage.engine.tell(SleepAsked())
        await stage.reaches(ASLEEP)
        assert not stage.runtime.running
    assert "engine.supervision_broke" not in events(lines)


# stop


@pytest.mark.parametrize("error", [*(trouble("has a problem") for trouble in TROUBLES), OSError("surprise")])
async def test_a_stop_that_fails_leaves_an_engine_that_serves_and_is_stopped_later(
    error: Exception, lines: Lines, other: Stage
) -> None:
    async with staged(running=True) as stage:
        stage.runtime.breaks["stop"] = [error]
        stage.clock.advance(900)
        await until(lambda: stage.phase is READY)
        assert (stage.runtime.running, stage.engine.idle_in) == (True, 900)
        await stage.is_ready()
        stage.clock.advance(900)
        await stage.reaches(ASLEEP)
        assert (stage.runtime.running, stage.runtime.starts) == (False, 0)
    expected = "engine.stop_failed" if isinstance(error, RuntimeTrouble) else "engine.stop_broke"
    assert expected in events(lines)


async def test_a_request_during_a_stop_that_fails_is_served_by_the_engine_that_still_runs() -> None:
    async with staged(running=True) as stage, asyncio.TaskGroup() as group:
        stage.runtime.breaks["stop"] = [RuntimeUnavailable("is run by a runtime that does not answer")]
        stage.clock.advance(900)
        assert stage.phase is STOPPING
        visitor = Visitor(stage, group)
        assert (await visitor.decided()) is visitor.lease
        await visitor.leaves()
        assert (stage.runtime.starts, stage.runtime.stops) == (0, 0)


async def test_remains_that_cannot_be_cleared_away_do_not_keep_the_cool_down_from_beginning(lines: Lines) -> None:
    async with staged() as stage:
        stage.runtime.breaks["start"] = [StartRefused("has a problem")]
        stage.runtime.breaks["stop"] = [OSError("surprise")]
        with pytest.raises(EngineStartFailed):
            await stage.is_ready()
        await until(lambda: stage.clock.pending == [1.0])
        stage.clock.advance(1)
        await stage.is_ready()
    assert "engine.stop_broke" in events(lines)


async def test_remains_that_could_not_be_stopped_do_not_run_for_ever() -> None:
    async with staged() as stage:
        stage.probe.answering.clear()
        stage.engine.tell(WakeAsked())
        await until(lambda: stage.probe.asking == 1)
        stage.runtime.breaks["stop"] = [RuntimeTrouble("does not end")]
        stage.clock.advance(60)
        await until(lambda: stage.phase is WAKING)
        assert stage.runtime.running, "it is seen to run still, and has as long again to answer"
        stage.clock.advance(60)
        await until(lambda: not stage.runtime.running)


async def test_after_a_stop_that_fails_who_waits_is_served_by_a_start_if_nothing_runs() -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.runtime.start_gate.clear()
        stage.engine.tell(WakeAsked())
        await until(lambda: "start" in stage.runtime.calls)
        stage.runtime.breaks["stop"] = [RuntimeTrouble("does not end")]
        stage.engine.tell(SleepAsked())
        visitor = Visitor(stage, group)
        stage.runtime.start_gate.set()
        assert (await visitor.decided()) is visitor.lease
        await visitor.leaves()
        assert (stage.runtime.starts, stage.runtime.stops) == (1, 0)


# inspect


@pytest.mark.parametrize("error", [*(trouble("has a problem") for trouble in TROUBLES), OSError("surprise")])
async def test_an_engine_that_cannot_be_looked_at_is_served_all_the_same(
    error: Exception, lines: Lines, other: Stage
) -> None:
    async with staged() as stage:
        stage.runtime.breaks["inspect"] = [error]
        stage.runtime.hint()
        await until(lambda: not stage.runtime.breaks["inspect"])
        await stage.is_ready()
        stage.clock.advance(900)
        await stage.reaches(ASLEEP)
    expected = "engine.not_inspected" if isinstance(error, RuntimeTrouble) else "engine.inspect_broke"
    assert expected in events(lines)


@pytest.mark.parametrize("error", [RuntimeUnavailable("does not answer"), OSError("surprise")])
async def test_a_gateway_whose_runtime_does_not_answer_is_ready_to_serve_what_does(error: Exception) -> None:
    stage = Stage()
    stage.runtime.breaks["inspect"] = [error]
    async with supervised(stage):
        await stage.engine.looked.wait()


@pytest.mark.parametrize("error", [RuntimeUnavailable("does not answer"), OSError("surprise")])
async def test_a_look_that_fails_is_repeated_so_that_no_engine_runs_unseen(error: Exception) -> None:
    """No event will tell of an engine that has been running all the time."""
    stage = Stage()
    stage.runtime.start_by_hand()
    stage.runtime.breaks["inspect"] = [error, error]
    async with supervised(stage):
        for left in (1, 0):
            await calm()
            assert len(stage.runtime.breaks["inspect"]) == left
            assert (stage.phase, stage.clock.pending) == (ASLEEP, [performer.LOOK_PAUSE])
            stage.clock.advance(performer.LOOK_PAUSE)
        await stage.reaches(READY)
        assert stage.runtime.starts == 0
        assert stage.clock.pending == [900]


async def test_a_runtime_that_does_not_answer_is_not_asked_more_often_the_more_happens() -> None:
    async with staged() as stage:
        stage.runtime.available = False
        for _ in range(5):
            stage.runtime.hint()
            await calm()
        assert stage.clock.pending == [performer.LOOK_PAUSE]


# watch


async def test_a_watch_that_breaks_is_begun_again_and_misses_nothing(lines: Lines, other: Stage) -> None:
    async with staged() as stage:
        stage.runtime.breaks["watch"] = [OSError("surprise"), OSError("again")]
        stage.runtime.start_by_hand()
        await stage.reaches(READY)
        stage.runtime.crash()
        await stage.reaches(ASLEEP)
    assert events(lines).count("engine.watch_broke") == 2


async def test_a_watch_that_ends_is_begun_again() -> None:
    async with staged() as stage:
        stage.runtime.ends_watch = True
        stage.runtime.start_by_hand()
        await stage.reaches(READY)
        stage.runtime.ends_watch = False
        stage.runtime.crash()
        await stage.reaches(ASLEEP)


# logs


@pytest.mark.parametrize("error", [RuntimeUnavailable("does not answer"), OSError("surprise")])
async def test_last_words_that_cannot_be_had_change_nothing_else(error: Exception, lines: Lines, other: Stage) -> None:
    async with staged() as stage:
        stage.runtime.breaks["start"] = [StartRefused("has a problem")]
        stage.runtime.breaks["logs"] = [error]
        with pytest.raises(EngineStartFailed, match=StartRefused.public):
            await stage.is_ready()
        await until(lambda: stage.clock.pending == [1.0])
        assert stage.runtime.calls[-1] == "stop"
    expected = "engine.log_unavailable" if isinstance(error, RuntimeTrouble) else "engine.log_broke"
    assert expected in events(lines)


# probe


async def test_a_probe_that_breaks_ends_with_the_start_timeout(lines: Lines, other: Stage) -> None:
    async with staged() as stage, asyncio.TaskGroup() as group:
        stage.probe.fail_next = ValueError("surprise")
        visitor = Visitor(stage, group)
        await until(lambda: "engine.probe_broke" in events(lines))
        assert stage.phase is WAKING
        stage.clock.advance(60)
        assert type(await visitor.decided()) is EngineStartTimeout
        await until(lambda: stage.clock.pending == [1.0])
        stage.clock.advance(1)
        await stage.is_ready()


# the supervisor itself


async def test_a_mistake_in_the_supervisor_itself_does_not_end_it(
    lines: Lines, other: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged() as stage:
        monkeypatch.setattr(stage.engine._performer, "_begin_probe", lambda *_: 1 / 0)
        stage.engine.tell(WakeAsked())
        await until(lambda: "engine.supervision_broke" in events(lines))
        monkeypatch.undo()
        stage.clock.advance(60)
        await until(lambda: stage.clock.pending == [1.0])
        stage.clock.advance(1)
        await stage.is_ready()


async def test_an_order_that_broke_in_the_supervisor_does_not_keep_it_from_looking(
    lines: Lines, other: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged() as stage:
        monkeypatch.setattr(stage.engine._performer, "_start", lambda *_: 1 / 0)
        stage.engine.tell(WakeAsked())
        await until(lambda: "engine.supervision_broke" in events(lines))
        monkeypatch.undo()
        stage.runtime.hint()
        await stage.reaches(FAILED)


async def test_a_runtime_that_does_not_answer_for_a_while_leaves_no_traces() -> None:
    async with staged(running=True) as stage:
        stage.runtime.available = False
        stage.runtime.hint()
        await calm()
        await stage.is_ready()
        stage.clock.advance(900)
        await until(lambda: stage.phase is READY)
        stage.runtime.available = True
        stage.runtime.hint()
        await calm()
        stage.clock.advance(900)
        await stage.reaches(ASLEEP)
        assert (stage.runtime.starts, stage.runtime.stops) == (0, 1)


class DeadLog:
    """A log whose reader has gone, and that tells so."""

    def info(self, event: str, **_: Any) -> None:
        raise BrokenPipeError(event)

    warning = error = exception = info


async def test_a_log_that_raises_takes_no_command_with_it() -> None:
    async with staged() as stage:
        stage.engine._log = DeadLog()
        with pytest.raises(BrokenPipeError):
            stage.engine.tell(WakeAsked())
        await until(lambda: stage.runtime.starts == 1)


async def test_an_engine_that_dies_by_itself_says_why(lines: Lines) -> None:
    async with staged(running=True) as stage:
        await stage.is_ready()
        stage.runtime.lines = ["about to die"]
        stage.runtime.crash(137)
        await stage.reaches(ASLEEP)
        await until(lambda: "engine.said" in events(lines))
    (asleep,) = [line for line in lines if line["event"] == "engine.asleep"]
    assert (asleep["log_level"], asleep["cause"]) == ("warning", "SeenStopped")
    assert "137" in asleep["reason"]
    assert next(line["line"] for line in lines if line["event"] == "engine.said") == "about to die"
