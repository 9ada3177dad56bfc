"""Mistakes of ours while engines come and go: the others do not notice, and a change is made whole or not at all."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from gateway.config.schema import EngineSpec
from gateway.lifecycle.phases import ASLEEP, READY
from gateway.supervision.fleet import Changes
from gateway.supervision.readiness import Probe
from gateway.supervision.supervisor import Supervisor
from tests.unit.supervision.stage import calm, until
from tests.unit.supervision.town_hall import TownHall, contained, town

pytestmark = pytest.mark.anyio


def fails_at(hall: TownHall, monkeypatch: pytest.MonkeyPatch, what: str, number: int) -> None:
    """The hall fails the so-manieth time that it is asked for this."""
    make, left = getattr(hall, what), [number]

    def made(*arguments: object) -> Supervisor | Probe:
        left[0] -= 1
        if not left[0]:
            raise ValueError(f"a mistake of ours in {what}")
        made: Supervisor | Probe = make(*arguments)
        return made

    monkeypatch.setattr(hall, what, made)


@pytest.mark.parametrize(
    ("what", "number", "made"),
    [("supervisor", 1, 0), ("supervisor", 2, 1), ("supervisor", 3, 2), ("budgeted", 2, 0), ("probe", 2, 0)],
)
async def test_an_engine_that_cannot_be_made_leaves_everything_as_it_is_and_nothing_open(
    monkeypatch: pytest.MonkeyPatch, what: str, number: int, made: int
) -> None:
    before = {"a": contained("a"), "b": contained("b"), "c": contained("c", idle_after=1)}
    after = {
        "a": contained("other"), "b": contained("b", idle_after=7), "c": contained("c", idle_after=2),
        "d": contained("d"), "e": contained("e"),
    }  # fmt: skip
    async with town(**before) as hall:
        engines, specs = hall.fleet.all, [engine.spec for engine in hall.fleet.all]
        with monkeypatch.context() as patch:
            fails_at(hall, patch, what, number)
            with pytest.raises(ValueError, match="a mistake of ours"):
                hall.fleet.apply(after)
        assert (hall.fleet.all, hall.fleet.leaving) == (engines, [])
        assert [engine.spec for engine in engines] == specs
        await calm()
        assert [runtime.calls for runtime in hall.runtimes[3:]] == [["aclose"]] * made
        for engine in engines:
            async with engine.admitted():
                assert engine.phase is READY
        assert hall.fleet.apply(after) == Changes(["d", "e"], ["a", "b", "c"], []), "the next one is as good as ever"


async def test_of_those_that_are_not_wanted_after_all_one_that_cannot_be_closed_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with town(a=contained("a")) as hall:
        make = hall.supervisor

        def unclosable(name: str, spec: EngineSpec) -> Supervisor:
            if name == "c":
                raise ValueError("a mistake of ours")
            supervisor = make(name, spec)
            monkeypatch.setattr(supervisor.runtime, "aclose", lambda: 1 / 0)
            return supervisor

        monkeypatch.setattr(hall, "supervisor", unclosable)
        with capture_logs() as lines, pytest.raises(ValueError, match="a mistake of ours"):
            hall.fleet.apply({"a": contained("a"), "b": contained("b"), "c": contained("c")})
        with capture_logs() as lines:
            await until(lambda: bool(lines))
        assert [(line["event"], line["engine"]) for line in lines] == [("engine.closing_broke", "b")]
        async with hall.fleet.get("a").admitted():
            pass


@pytest.mark.parametrize("comes_back", [False, True])
async def test_an_engine_that_cannot_leave_in_order_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch, *, comes_back: bool
) -> None:
    """Neither the others, nor the one that waits for its container."""
    async with town(a=contained("a"), b=contained("b")) as hall:
        monkeypatch.setattr(hall.fleet.get("a"), "wind_up", lambda: 1 / 0)
        specs = {"b": contained("b")}
        if comes_back:
            specs["a"] = contained("a").model_copy(update={"port": 9000})
        with capture_logs() as lines:
            hall.fleet.apply(specs)
            await until(lambda: not hall.fleet.leaving)
        (line,) = [line for line in lines if "exc_info" in line]
        assert (line["event"], line["engine"]) == ("engine.supervision_broke", "a")
        assert hall.runtimes[0].calls[-1] == "aclose"
        for engine in hall.fleet.all:
            async with engine.admitted():
                assert engine.phase is READY


async def test_an_engine_whose_last_step_fails_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the gateway's own end would leave it: nobody knows any more what to do about it."""
    async with town(a=contained("a"), b=contained("b")) as hall:
        engine = hall.fleet.get("a")
        async with engine.admitted():
            monkeypatch.setattr(engine, "comes_to_rest", lambda: 1 / 0)
            hall.fleet.apply({"b": contained("b")})
            await until(lambda: not hall.fleet.leaving)
            assert hall.running == ["a"]
        assert hall.fleet.get("b").phase is ASLEEP
