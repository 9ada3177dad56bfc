"""Two real containers that do not fit into the budget together, behind a real gateway."""

from __future__ import annotations

import concurrent.futures
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.config.sizes import parse_size
from tests.e2e.conftest import Engine
from tests.e2e.docker_events import happenings
from tests.e2e.engine_container import url
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.process_gateway import GatewayProcess

pytestmark = pytest.mark.docker

TURN = 0.5
TURNS = 3
NAMES = ("one", "two")


class Pair:
    """A gateway with the engines `one` and `two`, of which one at a time fits."""

    def __init__(self, folder: Path, engines: dict[str, Engine], **settings: Any) -> None:
        self.engines = engines
        entries = {
            name: {
                "hosts": [f"{name}.test"],
                "docker": {"container": engine.name},
                "port": 8000,
                "needs": {"memory": "3m"},
                "stop_timeout": "5s",
                **settings,
            }
            for name, engine in engines.items()
        }
        self.gateway = GatewayProcess(folder, entries, budget={"memory": "4m", "turn": f"{TURN:g}s"})

    def get(self, name: str, path: str = "/hello") -> httpx.Response:
        return httpx.get(self.gateway.url + path, headers={"Host": f"{name}.test"}, timeout=120)


@pytest.fixture
def pair(tmp_path: Path, make_engine: Callable[..., Engine], standin_image: str) -> Iterator[Pair]:
    engines = {name: make_engine(standin_image, environment={"START_DELAY_MS": "100"}) for name in NAMES}
    pair = Pair(tmp_path, engines)
    pair.gateway.start()
    yield pair
    pair.gateway.close()


@contextmanager
def watched(engines: dict[str, Engine]) -> Iterator[list[tuple[str, str]]]:
    """What happens to the containers inside the block, in order: (action, engine). Filled when that is left."""
    seen: list[tuple[str, str]] = []
    by_container = {engine.name: name for name, engine in engines.items()}
    with happenings([*by_container], ["start", "die"]) as happened:
        yield seen
    seen.extend((one.action, by_container[one.container]) for one in happened)


def test_under_mixed_load_they_take_turns_and_every_request_is_answered(pair: Pair) -> None:
    """Never both at once, no start more than turns allow, one turn of the other between two, and all get a share.

    Three clients of each ask without end, until every one of them has been answered in `TURNS` runs of its engine.
    """
    begun = time.monotonic()
    statuses: list[int] = []
    runs: dict[str, dict[str, None]] = {name: {} for name in NAMES}
    answered_in: dict[tuple[str, int], set[str]] = {(name, number): set() for name in NAMES for number in range(1, 4)}

    def ask(name: str, number: int) -> None:
        while min(map(len, answered_in.values())) < TURNS and time.monotonic() - begun < TURNS * LONG_PATIENCE:
            statuses.append(pair.get(name, f"/slow?ms={50 * number}").status_code)
            run = pair.get(name, "/instance").json()["id"]
            runs[name][run] = None
            answered_in[name, number].add(run)

    with watched(pair.engines) as seen, concurrent.futures.ThreadPoolExecutor(6) as pool:
        for asking in [pool.submit(ask, name, number) for name, number in answered_in]:
            asking.result()
        took = time.monotonic() - begun
    assert set(statuses) == {200}
    running: set[str] = set()
    for action, name in seen:
        if action == "die":
            running.discard(name)
        else:
            assert not running, f"{name} is started beside {running}: {seen}"
            running.add(name)
    starts = [name for action, name in seen if action == "start"]
    assert len(starts) <= took / TURN + 2
    assert all(one != other for one, other in itertools.pairwise(starts)), f"no turn of the other between two: {starts}"
    for (name, number), got in answered_in.items():
        assert len(got) >= TURNS, f"client {number} of {name} starves: {len(got)} of {len(runs[name])} runs"
        missed = [run not in got for run in runs[name]]
        assert not any(map(all, itertools.pairwise(missed))), f"client {number} of {name} was left out twice: {missed}"
    assert {line["wanted_by"] for line in pair.gateway.events("engine.makes_room")} == set(NAMES)


def test_a_long_answer_is_not_cut_and_what_the_engine_takes_is_told(pair: Pair) -> None:
    """It takes six times its turn. The measured need of a stand-in, some 20 MB, is more than what is said of it."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        long = pool.submit(pair.get, "one", "/told?word=enough")
        pair.gateway.until("one", phase="ready", serving=1)
        other = pool.submit(pair.get, "two")
        pair.gateway.until("two", phase="queued", waiting=1)
        time.sleep(6 * TURN)  # what is shown is that nothing happens meanwhile
        assert pair.engines["two"].status == "created"
        httpx.get(f"{url(pair.engines['one'].container)}/tell?word=enough", timeout=LONG_PATIENCE)
        assert long.result().status_code == other.result().status_code == 200
    pair.gateway.until("one", phase="asleep", memory=None)
    told = pair.gateway.until_logged("engine.needs_more", engine="two", resource="memory", needs="3m")
    assert parse_size(told["peak"]) > 5 * 2**20
    shown = pair.gateway.engine("two")
    assert 5 * 2**20 < shown["memory"] <= shown["memory_peak"]


def test_after_a_crash_of_the_gateway_what_runs_is_counted(pair: Pair) -> None:
    assert pair.get("one").status_code == 200
    pair.gateway.kill()
    pair.gateway.start()
    with watched(pair.engines) as seen:
        assert pair.get("two").status_code == 200
    assert seen == [("die", "one"), ("start", "two")]
