"""A large upload comes slowly, through nginx as shipped, while its engine wakes: both take no longer than one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.chaos.bodies import Body
from tests.chaos.line import Line
from tests.chaos.report import Trial
from tests.chaos.scale import scaled
from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.nginx import HOST, Front, Nearby, running_front
from tests.fixtures.standin import STANDIN

BOOT = scaled(1.5, 20.0)
RATE = scaled(2e6, 10e6)
"""Bytes per second."""
THINKS = 300
"""Milliseconds that the engine takes for its answer, once it has everything."""


@pytest.fixture
def front(tmp_path: Path, authority: Authority, wildcard: Certificate) -> Iterator[Front]:
    command = [sys.executable, str(STANDIN), "PORT={port}", "HOST=127.0.0.1", f"START_DELAY_MS={BOOT * 1000:.0f}"]
    engine = {"process": {"command": command}}
    with running_front(tmp_path, authority, wildcard, engine=engine) as front:
        yield front


def timed(client: httpx.Client, body: Body, before_the_last: Callable[[], object] = lambda: None) -> float:
    """Seconds until the right answer was there. before_the_last: done when only its last part is not sent yet."""

    def pieces() -> Iterator[bytes]:
        left = body.size
        for piece in body.pieces():
            left -= len(piece)
            if not left:
                before_the_last()
            yield bytes(piece)

    began = time.monotonic()
    answer = client.post(f"/sum?ms={THINKS}", content=pieces())
    took = time.monotonic() - began
    assert answer.status_code == 200, answer.text
    assert (answer.json()["bytes"], answer.json()["sha256"]) == (body.size, body.sha256)
    return took


def fall_asleep(front: Front) -> None:
    front.gateway.until("engine", serving=0)
    front.gateway.post("/api/engines/engine/sleep")
    front.gateway.until("engine", phase="asleep")


@pytest.mark.nginx
def test_a_cold_upload_over_a_slow_line(trial: Trial, front: Front) -> None:
    trial.must("total ≤ 1.1 x max(upload, boot) + answer")
    with Line(front.nginx.https, rate=1e12) as line:
        transport = Nearby(line.port, verify=front.nginx.authority.context())
        headers = {"Authorization": f"Bearer {front.key}"}
        with httpx.Client(base_url=f"https://{HOST}", transport=transport, headers=headers, timeout=120) as client:
            boot = timed(client, Body(1)) - THINKS / 1000
            for share in (0.5, 1.0, 2.0):
                body = Body(int(share * boot * RATE), int(share * 10))
                line.rate = 1e12
                answer = timed(client, body)
                fall_asleep(front)
                line.rate = RATE
                upload = body.size / RATE
                total = timed(client, body, lambda: front.gateway.until_left("engine", "asleep"))
                trial.measured(f"upload {upload:.1f} s, boot {boot:.2f} s, answer {answer:.2f} s: {total:.2f} s")
                trial.in_time(total, 1.1 * max(upload, boot) + answer)
