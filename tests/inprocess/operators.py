"""A gateway with a portal, and the two ways in that operators have; what tests of the control API share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.standin import StandIn

PORTAL = "portal.test"


@pytest.fixture(scope="module")
def shared(standin: StandIn) -> Iterator[Gateway]:
    engines = {"whisper": Engine(standin.port), "other": Engine(0, start_timeout="2s")}
    with running_gateway(engines, portal=PORTAL) as one:
        yield one


@pytest.fixture
def own(shared: Gateway) -> Iterator[Gateway]:
    """A gateway whose engines sleep, and which a test may wake and break as it likes."""
    yield shared
    runtime = shared.runtimes["whisper"]
    for gate in (runtime.start_gate, runtime.stop_gate):
        shared.on_loop(gate.set)
    shared.on_loop(shared.engine("other").looked.set)
    if shared.engine().phase is Phase.FAILED:  # an operator need not wait for the end of its rest
        shared.on_loop(lambda: shared.engine().tell(WakeAsked()))
    shared.until(lambda: shared.engine().phase in (Phase.READY, Phase.ASLEEP))
    shared.on_loop(lambda: shared.engine().tell(SleepAsked(force=True)))
    shared.reaches(Phase.ASLEEP)
    shared.until(shared.is_free)
    runtime.starts = runtime.stops = 0
    runtime.lines.clear()


@pytest.fixture(params=["admin", "portal"])
def control(own: Gateway, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Talks to the control API, by either way in."""
    if request.param == "admin":
        client = httpx.Client(base_url=own.admin_url, timeout=PATIENCE)
    else:
        client = httpx.Client(base_url=own.url, headers={"host": PORTAL}, timeout=PATIENCE)
    with client:
        yield client


@pytest.fixture
def admin(own: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own.admin_url, timeout=PATIENCE) as client:
        yield client


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]
