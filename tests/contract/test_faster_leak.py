"""What is left of requests: nothing. The figure for 2,000 of them is `engine-leak` in bench/."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from bench.engine.leak import Held, burden
from tests.fixtures.faster_engine import Engine

pytestmark = pytest.mark.model


def test_requests_of_all_kinds_leave_neither_memory_nor_files_nor_threads_behind(start: Callable[..., Engine]) -> None:
    engine = start()
    engine.until_logged("model.ready")
    port = httpx.URL(engine.url).port or 80
    burden(port, 0, 40)
    before = Held.by(engine.process.pid)
    burden(port, 40, 200)
    after = Held.by(engine.process.pid)
    assert after.megabytes < 1.15 * before.megabytes, f"{before} became {after}"
    assert after.files <= before.files + 5
    assert after.threads <= before.threads + 5
    assert engine.stop() == 0
    assert "Traceback" not in engine.log
