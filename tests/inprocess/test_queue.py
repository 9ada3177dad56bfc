"""An engine that serves one request at a time: who waits, for how long, in which order, and who is sent away."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fixtures.api_keys import make_key
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.ports import free_port
from tests.fixtures.raw_client import RawAnswer, RawClient
from tests.fixtures.standin import StandIn, running_standin

UPLOAD = b"0123456789"
POST = "POST {path} HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: 10\r\n{more}\r\n"


@contextmanager
def one_at_a_time(
    standin: StandIn, access: str = "auto", folder: Path | None = None, **queue: object
) -> Iterator[Gateway]:
    """The engine is awake."""
    settings = {} if folder is None else {"access": access, "state_dir": str(folder)}
    with running_gateway({"whisper": Engine(standin.port, concurrency=1, queue=queue)}, **settings) as gateway:
        gateway.on_loop(gateway.runtimes["whisper"].start_by_hand)
        gateway.until(lambda: gateway.engine().phase.value == "ready")
        yield gateway


class Holder:
    """A request that is served, and stays until it is let go."""

    def __init__(self, gateway: Gateway, more: str = "") -> None:
        self._raw = gateway.raw()
        self._raw.send(POST.format(path="/sum", more=more))
        gateway.until(lambda: gateway.engine().serving == 1)

    def goes(self) -> None:
        self._raw.send(UPLOAD)
        assert self._raw.answer().status == 200
        self._raw.socket.close()


class Line:
    """Requests that wait, each on a connection of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._clients: list[RawClient] = []

    def join(self, path: str, more: str = "") -> RawClient:
        """One more, at the end."""
        before = self._gateway.engine().waiting
        client = self._gateway.raw()
        self._clients.append(client)
        client.send(f"GET {path} HTTP/1.1\r\nHost: whisper.test\r\n{more}\r\n")
        self._gateway.until(lambda: self._gateway.engine().waiting == before + 1)
        return client

    def order(self) -> list[str]:
        """The paths of those that waited, in the order in which they were served; all have their answers."""
        for client in self._clients:
            client.answer()
            client.socket.close()
        self._gateway.until(lambda: len(self._done()) == len(self._clients))
        return self._done()

    def _done(self) -> list[str]:
        return [entry["path"] for entry in self._gateway.events("request.done") if entry["path"] != "/sum"]


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n"


def envelope(answer: RawAnswer) -> dict[str, object]:
    error: dict[str, object] = json.loads(answer.body)["error"]
    return error


def test_who_is_one_too_many_is_told_so_at_once_and_is_not_asked_for_his_body(standin: StandIn) -> None:
    with one_at_a_time(standin, limit=1) as gateway, gateway.raw() as late:
        holder, line = Holder(gateway), Line(gateway)
        line.join("/1")
        late.send(POST.format(path="/v1/audio/transcriptions", more="Expect: 100-continue\r\n"))
        answer = late.answer()
        assert answer.status == 429
        assert 1 <= int(answer.get("retry-after") or 0) <= 600
        assert answer.get("x-gateway-error") == "queue_full"
        error = envelope(answer)
        assert (error["code"], error["type"], error["param"]) == ("queue_full", "server_error", None)
        assert "whisper" in str(error["message"])
        holder.goes()
        assert line.order() == ["/1"]


def test_who_waits_too_long_is_told_so(standin: StandIn) -> None:
    with one_at_a_time(standin, max_wait="100ms") as gateway, gateway.raw() as late:
        holder = Holder(gateway)
        late.get("/v1/models/none")
        answer = late.answer()
        assert (answer.status, envelope(answer)["code"]) == (503, "queue_timeout")
        assert 1 <= int(answer.get("retry-after") or 0) <= 600
        gateway.until(lambda: gateway.engine().waiting == 0)
        holder.goes()
        gateway.until(lambda: gateway.engine().serving == 0)
        assert late.get("/hello").answer().status == 200


def test_requests_are_served_in_the_order_in_which_they_came(standin: StandIn) -> None:
    with one_at_a_time(standin) as gateway:
        holder, line = Holder(gateway), Line(gateway)
        paths = [f"/{number}" for number in range(10)]
        for path in paths:
            line.join(path)
        holder.goes()
        assert line.order() == paths


def test_keys_take_turns(standin: StandIn, tmp_path: Path) -> None:
    greedy, modest = (bearer(make_key(tmp_path, name)) for name in ("greedy", "modest"))
    with one_at_a_time(standin, "known", tmp_path) as gateway:
        holder, line = Holder(gateway, greedy), Line(gateway)
        for path in ("/g1", "/g2", "/g3", "/g4"):
            line.join(path, greedy)
        for path in ("/m1", "/m2"):
            line.join(path, modest)
        holder.goes()
        assert line.order() == ["/g1", "/m1", "/g2", "/m2", "/g3", "/g4"]


def test_a_client_that_leaves_the_line_is_forgotten_and_not_served(standin: StandIn) -> None:
    with one_at_a_time(standin) as gateway:
        holder, line = Holder(gateway), Line(gateway)
        line.join("/1")
        with gateway.raw() as leaver:
            leaver.get("/gone")
            gateway.until(lambda: gateway.engine().waiting == 2)
        gateway.until(lambda: gateway.engine().waiting == 1)
        line.join("/2")
        holder.goes()
        assert line.order() == ["/1", "/2"]
        assert [entry["path"] for entry in gateway.events("request.ended")] == ["/gone"]


def test_uploads_that_wait_are_in_line_too(standin: StandIn) -> None:
    with one_at_a_time(standin) as gateway, gateway.raw() as upload:
        holder, line = Holder(gateway), Line(gateway)
        upload.send(POST.format(path="/sum", more="")).send(UPLOAD)
        gateway.until(lambda: gateway.engine().waiting == 1)
        line.join("/1")
        assert gateway.engine().waiting_bytes == len(UPLOAD)
        holder.goes()
        assert json.loads(upload.answer().body)["bytes"] == len(UPLOAD)
        assert line.order() == ["/1"]


def test_the_line_can_be_seen_by_administrators(standin: StandIn, tmp_path: Path) -> None:
    token = make_key(tmp_path, "ci")
    with one_at_a_time(standin, "known", tmp_path) as gateway:
        holder, line = Holder(gateway, bearer(token)), Line(gateway)
        line.join("/1", bearer(token))
        line.join("/2", bearer(token))
        seen = httpx.get(f"{gateway.admin_url}/api/engines/whisper/queue", timeout=PATIENCE).json()["queue"]
        assert [(place["position"], place["party"], place["bytes"]) for place in seen] == [
            (1, "key:ci", 0),
            (2, "key:ci", 0),
        ]
        assert seen[0]["waited"] >= seen[1]["waited"] >= 0
        assert len({place["request_id"] for place in seen}) == 2
        holder.goes()
        line.order()
        assert httpx.get(f"{gateway.admin_url}/api/engines/whisper/queue", timeout=PATIENCE).json() == {"queue": []}


def test_an_ipv6_customer_is_one_party_whatever_address_is_used(standin: StandIn) -> None:
    engine = Engine(standin.port, concurrency=1)
    proxied = {"access": "everybody", "trusted_proxies": ["127.0.0.1"]}
    with running_gateway({"whisper": engine}, **proxied) as gateway:
        gateway.on_loop(gateway.runtimes["whisper"].start_by_hand)
        gateway.until(lambda: gateway.engine().phase.value == "ready")
        holder, line = Holder(gateway), Line(gateway)
        for number in (1, 2, 3):
            line.join(f"/a{number}", f"X-Forwarded-For: 2001:db8:1:2::{number}\r\n")
        line.join("/b", "X-Forwarded-For: 2001:db8:1:3::1\r\n")
        holder.goes()
        assert line.order() == ["/a1", "/b", "/a2", "/a3"]


def test_who_was_let_in_keeps_his_place_though_the_engine_refuses_the_connection() -> None:
    """He comes before all others, and there is room for as many of them as ever."""
    with running_standin(PORT=free_port()) as first, one_at_a_time(first, limit=1) as gateway:
        first.process.kill()
        first.process.wait()
        with gateway.raw() as upload, gateway.raw() as other:
            upload.send(POST.format(path="/sum", more="")).send(UPLOAD)
            gateway.until(lambda: gateway.engine().waiting == 1)
            other.get("/hello")
            gateway.until(lambda: gateway.engine().waiting == 2)
            with running_standin(PORT=first.port):
                assert upload.answer().status == 200
                assert other.answer().status == 200


@pytest.mark.parametrize("path", ["/hello", "/v1/audio/transcriptions"])
def test_a_flood_of_one_key_sends_nobody_else_away(standin: StandIn, tmp_path: Path, path: str) -> None:
    """Every request is answered or told when to come again, and who asks for little gets all of it."""
    flood, modest = (make_key(tmp_path, name) for name in ("flood", "modest"))
    statuses: Counter[int] = Counter()
    counting = threading.Lock()

    def pour(gateway: Gateway) -> None:
        with httpx.Client(
            headers={"host": "whisper.test", "authorization": f"Bearer {flood}"}, timeout=PATIENCE
        ) as client:
            for _ in range(20):
                answer = client.post(gateway.url + path, content=UPLOAD)
                with counting:
                    statuses[answer.status_code] += 1
                assert answer.status_code != 429 or answer.headers["retry-after"]

    with one_at_a_time(standin, "known", tmp_path, limit=4) as gateway, ThreadPoolExecutor(12) as pool:
        pouring = [pool.submit(pour, gateway) for _ in range(10)]
        with httpx.Client(
            headers={"host": "whisper.test", "authorization": f"Bearer {modest}"}, timeout=PATIENCE
        ) as client:
            for _ in range(20):
                assert client.post(gateway.url + path, content=UPLOAD).status_code in (200, 404)
        for done in pouring:
            done.result()
        assert sum(statuses.values()) == 200
        assert set(statuses) <= {200, 404, 429}
        assert statuses[429] > 0
        gateway.until(gateway.is_free)
