"""What Prometheus is shown, to whom, and what it never is."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.lifecycle.events import SleepAsked
from gateway.lifecycle.phases import NEXT, Phase
from gateway.metrics import instruments
from gateway.metrics.recorder import OUTCOMES, REFUSALS, UPSTREAM_CODES
from gateway.supervision.usage import Measured
from tests.fixtures.api_keys import make_key
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import Incomplete
from tests.fixtures.standin import StandIn

PORTAL = "portal.test"
Samples = dict[tuple[str, ...], float]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def own(standin: StandIn, folder: Path) -> Iterator[Gateway]:
    """Who comes to the portal has to prove who they are; so has who comes to an engine."""
    engines = {"whisper": Engine(standin.port, needs={"memory": "1g"}), "other": Engine(0, queue={"limit": 7})}
    with running_gateway(engines, access="known", state_dir=str(folder), portal=PORTAL) as gateway:
        yield gateway


@pytest.fixture
def open_to_all(standin: StandIn) -> Iterator[Gateway]:
    with running_gateway({"whisper": Engine(standin.port)}, access="everybody", portal=PORTAL) as gateway:
        yield gateway


def page(gateway: Gateway) -> httpx.Response:
    return httpx.get(f"{gateway.admin_url}/metrics", timeout=PATIENCE)


def samples(gateway: Gateway) -> Samples:
    """By name without its beginning, and the labels' values, in the order of their names."""
    return {
        (sample.name.removeprefix("whisper_gateway_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page(gateway).text)
        for sample in family.samples
    }


def through_portal(gateway: Gateway, token: str | None = None, method: str = "GET") -> httpx.Response:
    headers = {"host": PORTAL} | ({"authorization": f"Bearer {token}"} if token else {})
    return httpx.request(method, f"{gateway.url}/metrics", headers=headers, timeout=PATIENCE)


def test_everything_declared_is_shown_as_it_is_declared(own: Gateway) -> None:
    answer = page(own)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    shown = {family.name: family for family in text_string_to_metric_families(answer.text)}
    for metric in instruments.ALL:
        family = shown.pop(metric.name.removesuffix("_total"))
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)
    assert {name.partition("_")[0] for name in shown} == {"process"}


def test_a_look_wakes_nobody_and_shows_how_the_engines_are(own: Gateway) -> None:
    shown = samples(own)
    assert [runtime.starts for runtime in own.runtimes.values()] == [0, 0]
    assert {labels[2]: value for labels, value in shown.items() if labels[:2] == ("engine_phase", "whisper")}[
        "asleep"
    ] == 1
    assert sum(value for labels, value in shown.items() if labels[:2] == ("engine_phase", "whisper")) == 1
    assert shown["queue_limit_requests", "other"] == 7
    assert shown["engine_needs_bytes", "whisper", "memory"] == 2**30
    assert ("engine_needs_bytes", "other", "memory") not in shown
    assert shown["config_last_reload_successful",] == 1
    assert 1.7e9 < shown["config_last_reload_success_timestamp_seconds",] < 1e11
    assert shown["process_open_fds",] > 0


def test_leases_and_waiting_requests_are_shown_while_they_last(open_to_all: Gateway) -> None:
    own = open_to_all
    with own.client() as client, client.stream("GET", "/sse?n=0"):
        shown = samples(own)
        assert (shown["leases", "whisper"], shown["queue_requests", "whisper"]) == (1, 0)
        assert shown["engine_phase", "whisper", "ready"] == 1
    own.until(lambda: samples(own).get(("requests_total", "whisper", "none")) == 1)  # the client left
    shown = samples(own)
    assert shown["leases", "whisper"] == 0
    assert shown["queue_wait_seconds_count", "whisper"] == 1


def test_what_an_engine_takes_is_shown_while_it_runs_and_its_peak_after_that(open_to_all: Gateway) -> None:
    own = open_to_all
    assert ("engine_memory_bytes", "whisper") not in samples(own), "it was never measured"
    with own.client() as client:
        client.get("/hello")
    engine = own.engine()
    own.on_loop(lambda: setattr(engine, "measured", Measured(engine.instance or "", 0.0, now=5, peak=7)))
    assert (samples(own)["engine_memory_bytes", "whisper"], samples(own)["engine_memory_peak_bytes", "whisper"]) == (
        5,
        7,
    )
    own.on_loop(lambda: engine.tell(SleepAsked()))
    own.reaches(Phase.ASLEEP)
    assert (samples(own)["engine_memory_bytes", "whisper"], samples(own)["engine_memory_peak_bytes", "whisper"]) == (
        0,
        7,
    )


# who is shown it


def test_strangers_are_asked_for_a_key_and_counted(own: Gateway) -> None:
    assert through_portal(own).status_code == 401
    assert through_portal(own, "wg_wrong").status_code == 401
    own.until(lambda: samples(own).get(("refusals_total", "invalid_api_key", "")) == 1)  # after the answer
    assert samples(own)["refusals_total", "key_missing", ""] == 1


@pytest.mark.parametrize("facts", [{}, {"admin": True}, {"hosts": (PORTAL,)}, {"hosts": (PORTAL, "other.test")}])
def test_a_key_for_the_portal_reads_it_and_need_be_for_no_engine(
    own: Gateway, folder: Path, facts: dict[str, Any]
) -> None:
    answer = through_portal(own, make_key(folder, **facts))
    assert answer.status_code == 200
    assert 'engine="whisper"' in answer.text


def test_a_key_for_one_engine_does_not_learn_of_the_others(own: Gateway, folder: Path) -> None:
    answer = through_portal(own, make_key(folder, hosts=("whisper.test",)))
    assert (answer.status_code, answer.headers["x-gateway-error"]) == (403, "host_not_allowed")


def test_a_key_for_the_portal_opens_no_engine(own: Gateway, folder: Path) -> None:
    token = make_key(folder, hosts=(PORTAL,))
    with own.client() as client:
        assert client.get("/hello", headers={"authorization": f"Bearer {token}"}).status_code == 403
    assert own.runtimes["whisper"].starts == 0


def test_it_can_only_be_read(own: Gateway, folder: Path) -> None:
    token = make_key(folder)
    assert through_portal(own, token, "POST").status_code == 405
    head = through_portal(own, token, "HEAD")
    assert (head.status_code, head.content) == (200, b"")


def test_an_engines_own_page_is_the_engines(open_to_all: Gateway) -> None:
    """Of an engine's hostname the gateway shows nothing of its own."""
    with open_to_all.client() as client:
        assert "whisper_gateway" not in client.get("/metrics").text


# what is never in it

HOSTILE = [
    b'GET /"}evil{x="1 HTTP/1.1\r\nHost: whisper.test\r\n\r\n',
    b"GET /evil\\n HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    b'GET / HTTP/1.1\r\nHost: "evil"\r\n\r\n',
    b"GET / HTTP/1.1\r\nHost: evil\\\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: whisper.test\r\nX-Request-ID: evil\r\nUser-Agent: evil\r\n\r\n",
    b"EVIL / HTTP/1.1\r\nHost: whisper.test\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: whisper.test\r\nAuthorization: Bearer evil\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: whisper.test\r\nX-Remote-User: evil\r\n\r\n",
    b"GET http://evil.test/evil HTTP/1.1\r\nHost: whisper.test\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: whisper.test\r\n\r\n",
    b"POST /evil HTTP/1.1\r\nHost: whisper.test\r\nTransfer-Encoding: evil\r\n\r\n",
    b"\x00\x01evil\r\n\r\n",
    b"GET /" + b"evil" * 100_000 + b" HTTP/1.1\r\nHost: whisper.test\r\n\r\n",
    *(
        b"GET /status?code=%d HTTP/1.1\r\nHost: whisper.test\r\n\r\n" % code
        for code in (204, 299, 418, 499, 599, 777, 999)
    ),
    *(
        b"GET /%s HTTP/1.1\r\nHost: whisper.test\r\n\r\n" % way
        for way in (b"reset", b"garbage", b"huge-head", b"cut", b"both-lengths")
    ),
]


KNOWN = {
    "engine": "|whisper",
    "status": r"none|[1-9](xx|\d\d)",
    "phase": "|".join(phase.value for phase in Phase),
    "cause": "|".join(event.__name__ for _, event in NEXT),
    "outcome": "|".join(OUTCOMES),
    "stage": "queue|start|ready|first_byte",
    "error": "|".join(UPSTREAM_CODES),
    "code": "|".join(REFUSALS),
    "ok": "true|false",
    "le": r"[0-9.]+|\+Inf",
    "version": r"[0-9.]+",
    "python": r"[0-9.]+",
}
"""What a label's value may be."""


def test_no_label_holds_what_a_stranger_chose(open_to_all: Gateway) -> None:
    own = open_to_all
    for request in HOSTILE:
        for connection in range(2):  # the second one for what comes of a kept connection
            with contextlib.suppress(OSError, Incomplete), own.raw() as raw:
                raw.send(request)
                if connection:
                    raw.answer()
    own.until(own.is_free)
    assert page(own).text.isascii()
    assert "evil" not in page(own).text.lower()
    for family in text_string_to_metric_families(page(own).text):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert re.fullmatch(KNOWN[label], value), (sample.name, label, value)
    statuses = {labels[2] for labels in samples(own) if labels[0] == "requests_total"}
    assert {"404", "2xx", "418", "7xx", "9xx"} <= statuses
