"""What operators see and do: on the portal's hostname and on the admin address, and nowhere else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest

from gateway.errors import RuntimeTrouble
from gateway.lifecycle.events import SleepAsked, WakeAsked
from gateway.lifecycle.phases import Phase
from gateway.proxy.http import Message
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import RawClient
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


# looking


def test_healthz_and_readyz_answer(control: httpx.Client) -> None:
    assert (control.get("/healthz").status_code, control.get("/healthz").json()) == (200, {"status": "ok"})
    assert (control.get("/readyz").status_code, control.get("/readyz").json()) == (200, {"status": "ready"})


def test_looking_wakes_nobody(control: httpx.Client, own: Gateway) -> None:
    for path in ("/healthz", "/readyz", "/api/engines", "/api/engines/whisper", "/api/engines/whisper/logs", "/none"):
        control.get(path)
    assert [runtime.starts for runtime in own.runtimes.values()] == [0, 0]
    assert own.engine().phase is Phase.ASLEEP


def test_all_engines_are_shown(control: httpx.Client) -> None:
    shown = control.get("/api/engines").json()["engines"]
    assert [engine["name"] for engine in shown] == ["whisper", "other"]
    assert shown[0].pop("in_phase_for") >= 0
    assert shown[0] == {
        "name": "whisper", "hosts": ["whisper.test"], "phase": "asleep", "uptime": None, "serving": 0, "waiting": 0,
        "concurrency": None, "idle_in": None, "warm": False, "failure": None, "failures": 0, "retry_in": None,
        "wake_time": {"mean": None, "p90": None},
        "memory": None, "memory_peak": None,
    }  # fmt: skip


def test_one_engine_is_shown_as_it_lives(control: httpx.Client, own: Gateway) -> None:
    with own.client() as client, client.stream("GET", "/sse?n=0"):
        shown = control.get("/api/engines/whisper").json()
        assert (shown["phase"], shown["serving"], shown["idle_in"]) == ("ready", 1, None)
        assert shown["uptime"] >= 0
    own.until(own.is_free)
    shown = control.get("/api/engines/whisper").json()
    assert shown["serving"] == 0
    assert 890 < shown["idle_in"] <= 900


def test_readyz_is_503_until_every_runtime_has_been_looked_at(control: httpx.Client, own: Gateway) -> None:
    own.on_loop(own.engine("other").looked.clear)
    answer = control.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "starting"})
    assert control.get("/healthz").status_code == 200


def test_head_and_get_agree(control: httpx.Client) -> None:
    answer = control.head("/api/engines")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


# waking


def test_wake_answers_at_once(control: httpx.Client, own: Gateway) -> None:
    own.on_loop(own.runtimes["whisper"].start_gate.clear)
    answer = control.post("/api/engines/whisper/wake")
    assert (answer.status_code, answer.json()["phase"]) == (202, "waking")
    own.on_loop(own.runtimes["whisper"].start_gate.set)
    own.reaches(Phase.READY)
    assert own.runtimes["whisper"].starts == 1


def test_a_wake_waits_for_the_remains_of_a_failure(control: httpx.Client, own: Gateway) -> None:
    own.runtimes["whisper"].fail_next_start(RuntimeTrouble("is tired"))
    own.on_loop(own.runtimes["whisper"].stop_gate.clear)
    assert control.post("/api/engines/whisper/wake?wait=true").status_code == 503
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(control.post("/api/engines/whisper/wake?wait=true")))
    caller.start()
    own.until(lambda: bool(own.engine()._phase_waiters))
    own.on_loop(own.runtimes["whisper"].stop_gate.set)
    caller.join()
    assert (answers[0].status_code, answers[0].json()["phase"]) == (200, "ready")


def test_wake_can_wait_until_the_engine_is_ready(control: httpx.Client) -> None:
    answer = control.post("/api/engines/whisper/wake?wait=true")
    assert (answer.status_code, answer.json()["phase"]) == (200, "ready")
    assert control.post("/api/engines/whisper/wake").status_code == 200


def test_wake_can_wait_until_the_engine_has_failed(control: httpx.Client, own: Gateway) -> None:
    own.runtimes["whisper"].fail_next_start(RuntimeTrouble("has no disk space left"))
    answer = control.post("/api/engines/whisper/wake?wait=true")
    assert (answer.status_code, answer.json()["phase"]) == (503, "failed")
    assert answer.json()["failure"] == "has no disk space left"


def test_an_operator_need_not_wait_for_the_end_of_a_rest(control: httpx.Client, own: Gateway) -> None:
    own.runtimes["whisper"].fail_next_start(RuntimeTrouble("is tired"))
    assert control.post("/api/engines/whisper/wake?wait=true").status_code == 503
    answer = control.post("/api/engines/whisper/wake?wait=1")
    assert (answer.status_code, answer.json()["phase"]) == (200, "ready")


def test_a_wake_that_is_called_off_does_not_keep_its_caller_waiting(control: httpx.Client, own: Gateway) -> None:
    own.on_loop(own.runtimes["whisper"].start_gate.clear)
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(control.post("/api/engines/whisper/wake?wait=true")))
    caller.start()
    own.reaches(Phase.WAKING)
    with httpx.Client(base_url=own.admin_url, timeout=PATIENCE) as other:
        assert other.post("/api/engines/whisper/sleep?wait=true").status_code == 200
    caller.join(PATIENCE)
    assert (answers[0].status_code, answers[0].json()["phase"]) == (202, "asleep")


def test_who_leaves_while_waiting_for_a_wake_leaves_nothing_behind(own: Gateway) -> None:
    own.on_loop(own.runtimes["whisper"].start_gate.clear)
    with RawClient(own.admin_port) as leaver:
        leaver.send("POST /api/engines/whisper/wake?wait=true HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        own.until(lambda: bool(own.engine()._phase_waiters))
    own.until(lambda: not own.engine()._phase_waiters)
    own.on_loop(own.runtimes["whisper"].start_gate.set)
    own.reaches(Phase.READY)


# putting to sleep


def test_sleep_answers_at_once(control: httpx.Client, own: Gateway) -> None:
    control.post("/api/engines/whisper/wake?wait=true")
    own.on_loop(own.runtimes["whisper"].stop_gate.clear)
    answer = control.post("/api/engines/whisper/sleep")
    assert (answer.status_code, answer.json()["phase"]) == (202, "stopping")
    own.on_loop(own.runtimes["whisper"].stop_gate.set)
    own.reaches(Phase.ASLEEP)


def test_sleep_can_wait(control: httpx.Client, own: Gateway) -> None:
    control.post("/api/engines/whisper/wake?wait=true")
    answer = control.post("/api/engines/whisper/sleep?wait=true")
    assert (answer.status_code, answer.json()["phase"]) == (200, "asleep")
    assert own.runtimes["whisper"].stops == 1


def test_who_sleeps_already_sleeps(control: httpx.Client) -> None:
    assert control.post("/api/engines/whisper/sleep").status_code == 200
    assert control.post("/api/engines/whisper/sleep?wait=true&force=true").status_code == 200


def test_a_busy_engine_is_put_to_sleep_by_force_only(control: httpx.Client, own: Gateway) -> None:
    with own.raw() as client:
        client.get("/slow?ms=60000")
        own.until(lambda: own.engine().serving == 1)
        answer = control.post("/api/engines/whisper/sleep")
        assert problem(answer) == (409, "engine_busy")
        assert "1 requests in service" in answer.json()["detail"]
        assert own.engine().phase is Phase.READY
        assert control.post("/api/engines/whisper/sleep?force=true&wait=true").json()["phase"] == "asleep"


def test_who_waits_for_an_engine_that_is_forced_to_sleep_hears_so(control: httpx.Client, own: Gateway) -> None:
    own.on_loop(own.runtimes["whisper"].start_gate.clear)
    with own.raw() as client:
        client.get("/hello")
        own.until(lambda: own.engine().waiting == 1)
        assert problem(control.post("/api/engines/whisper/sleep")) == (409, "engine_busy")
        assert control.post("/api/engines/whisper/sleep?force=1&wait=1").status_code == 200
        answer = client.answer()
        assert (answer.status, answer.get("x-gateway-error")) == (503, "engine_put_to_sleep")


def test_a_sleep_that_a_request_overtakes_does_not_keep_its_caller_waiting(control: httpx.Client, own: Gateway) -> None:
    control.post("/api/engines/whisper/wake?wait=true")
    own.on_loop(own.runtimes["whisper"].stop_gate.clear)
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(control.post("/api/engines/whisper/sleep?wait=true")))
    caller.start()
    own.reaches(Phase.STOPPING)
    with own.raw() as client:
        client.get("/hello")
        own.until(lambda: own.engine().waiting == 1)
        own.on_loop(own.runtimes["whisper"].stop_gate.set)
        assert client.answer().status == 200
    caller.join(PATIENCE)
    assert answers[0].status_code == 202
    assert answers[0].json()["phase"] in ("waking", "ready")


def test_a_stop_that_fails_does_not_keep_its_caller_waiting(control: httpx.Client, own: Gateway) -> None:
    control.post("/api/engines/whisper/wake?wait=true")
    own.runtimes["whisper"].available = False
    answer = control.post("/api/engines/whisper/sleep?wait=true")
    own.runtimes["whisper"].available = True
    assert (answer.status_code, answer.json()["phase"]) == (202, "waking")


# logs


def test_logs_are_text_and_tail_limits_them(control: httpx.Client, own: Gateway) -> None:
    own.runtimes["whisper"].lines.extend(f"line {number}" for number in range(200))
    answer = control.get("/api/engines/whisper/logs?tail=2")
    assert (answer.text, answer.headers["content-type"]) == ("line 198\nline 199\n", "text/plain; charset=utf-8")
    assert len(control.get("/api/engines/whisper/logs").text.splitlines()) == 100


def test_logs_of_a_runtime_that_does_not_answer_are_503(control: httpx.Client, own: Gateway) -> None:
    own.runtimes["whisper"].available = False
    assert problem(control.get("/api/engines/whisper/logs")) == (503, "runtime_unavailable")
    own.runtimes["whisper"].available = True


# wrong questions


@pytest.mark.parametrize("tail", ["0", "-1", "x", "10001", "1.5", "", "٣"])
def test_a_wrong_tail_is_400(control: httpx.Client, tail: str) -> None:
    assert problem(control.get("/api/engines/whisper/logs", params={"tail": tail})) == (400, "bad_parameter")


@pytest.mark.parametrize(
    "path", ["wake?wait=maybe", "sleep?wait=2", "sleep?force=yes", "sleep?force=", "sleep?wait=true&force=x"]
)
def test_a_wrong_flag_is_400_and_changes_nothing(control: httpx.Client, own: Gateway, path: str) -> None:
    assert problem(control.post(f"/api/engines/whisper/{path}")) == (400, "bad_parameter")
    assert own.runtimes["whisper"].starts == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/engines/none"),
        ("POST", "/api/engines/none/wake"),
        ("POST", "/api/engines/none/sleep"),
        ("GET", "/api/engines/none/logs"),
        ("GET", "/api/engines/%3Cscript%3E"),
    ],
)
def test_an_unknown_engine_is_404(control: httpx.Client, method: str, path: str) -> None:
    assert problem(control.request(method, path)) == (404, "unknown_engine")


@pytest.mark.parametrize("path", ["/", "/nothing", "/api", "/api/engines/whisper/nothing", "/v1/models"])
def test_an_unknown_path_is_404(control: httpx.Client, path: str) -> None:
    answer = control.get(path)
    assert (answer.status_code, answer.headers["x-gateway-error"]) == (404, "unknown_path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("DELETE", "/api/engines/whisper", {"GET", "HEAD"}),
        ("GET", "/api/engines/whisper/wake", {"POST"}),
        ("GET", "/api/engines/whisper/sleep", {"POST"}),
    ],
)
def test_a_wrong_method_is_405_and_says_which_is_right(
    control: httpx.Client, own: Gateway, method: str, path: str, allowed: set[str]
) -> None:
    answer = control.request(method, path)
    assert problem(answer) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed
    assert own.runtimes["whisper"].starts == 0


def test_a_browser_gets_a_page_for_a_refusal(control: httpx.Client) -> None:
    answer = control.get("/api/engines/<b>x", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<b>x" not in answer.text


# who may


def test_an_engines_host_has_no_control_api(own: Gateway) -> None:
    with own.client() as client:
        assert client.get("/api/engines").json() == {"error": "no such path"}  # the engine's own words
        assert client.post("/api/engines/other/wake").status_code == 404
    assert own.runtimes["other"].starts == 0


async def status_for(gateway: Gateway, client: tuple[str, int], server: tuple[str, int]) -> int:
    """What somebody at this address is answered, who asks for the portal: tests themselves only come by loopback."""
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/api/engines", "raw_path": b"/api/engines", "query_string": b"",
        "headers": [(b"host", PORTAL.encode())], "client": client, "server": server, "root_path": "",
    }  # fmt: skip
    await gateway.app(scope, receive, send)
    status: int = said[0]["status"]
    return status


def test_where_nobody_is_asked_the_portal_is_for_this_machine_and_trusted_proxies(standin: StandIn) -> None:
    settings = {"listen": "0.0.0.0:1", "trusted_proxies": ["10.0.0.0/8"], "portal": PORTAL, "access": "everybody"}
    with running_gateway({"whisper": Engine(standin.port)}, **settings) as gateway:

        def asked(address: str, server: tuple[str, int]) -> int:
            asking = status_for(gateway, (address, 1), server)
            return asyncio.run_coroutine_threadsafe(asking, gateway.loop).result(10)

        open_to_all = ("192.168.1.2", gateway.port)
        assert [asked(peer, open_to_all) for peer in ("127.0.0.1", "10.1.2.3", "192.168.1.5")] == [200, 200, 403]
        assert asked("192.168.1.5", ("127.0.0.1", gateway.admin_port)) == 200  # can only be this machine's own
        assert httpx.get(f"{gateway.url}/healthz", headers={"host": PORTAL}, timeout=PATIENCE).status_code == 200


def test_a_gateway_without_a_portal_has_none_for_clients(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port)}) as gateway:
        for host in ("portal.test", "localhost", "127.0.0.1", ""):
            answer = httpx.get(f"{gateway.url}/api/engines", headers={"host": host or "x"}, timeout=PATIENCE)
            assert (answer.status_code, answer.headers["x-gateway-error"]) == (404, "unknown_host")


@pytest.mark.parametrize("host", ["PORTAL.test", "portal.test:8890", "portal.test."])
def test_the_portals_host_is_read_like_any_other(own: Gateway, host: str) -> None:
    assert httpx.get(f"{own.url}/healthz", headers={"host": host}, timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:8891", "[::1]:8891", "10.0.0.1", PORTAL])
def test_the_admin_address_answers_to_addresses_and_its_own_names(admin: httpx.Client, host: str) -> None:
    assert admin.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.test", "whisper.test", "localhost.evil.test", "127.0.0.1.evil.test", "portal"])
def test_a_name_that_somebody_points_at_the_admin_address_is_403(admin: httpx.Client, own: Gateway, host: str) -> None:
    """DNS rebinding: the browser of somebody on this machine would believe that it is talking to evil.test."""
    for send in (lambda: admin.get("/api/engines", headers={"host": host}), lambda: wake(admin, host=host)):
        assert problem(send()) == (403, "forbidden")
    assert own.runtimes["whisper"].starts == 0


def wake(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post(
        "/api/engines/whisper/wake", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1.evil.test"},
        {"origin": "garbage"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.test", "sec_fetch_site": "same-origin"},
    ],
)
def test_a_page_of_another_site_cannot_steer(control: httpx.Client, own: Gateway, headers: dict[str, str]) -> None:
    assert problem(wake(control, **headers)) == (403, "forbidden")
    assert own.runtimes["whisper"].starts == 0


def test_a_page_of_the_portal_can(own: Gateway) -> None:
    with httpx.Client(base_url=own.url, headers={"host": PORTAL}, timeout=PATIENCE) as client:
        assert wake(client, origin=f"https://{PORTAL}", sec_fetch_site="same-origin").status_code == 202


def test_a_page_of_another_site_can_still_link_here(control: httpx.Client) -> None:
    assert control.get("/api/engines", headers={"sec-fetch-site": "cross-site"}).status_code == 200
