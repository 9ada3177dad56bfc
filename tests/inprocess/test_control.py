"""What operators see and do: on the portal's hostname and on the admin address, and nowhere else."""

from __future__ import annotations

import threading

import httpx
import pytest

from gateway.errors import RuntimeTrouble
from gateway.lifecycle.phases import Phase
from tests.fixtures.gateway import Gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.raw_client import RawClient
from tests.inprocess.operators import control, own, problem, shared

__all__ = ["control", "own", "shared"]  # fixtures


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
    answer = control.get("/api/engines/whisper/logs")
    assert problem(answer) == (503, "runtime_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["detail"].startswith("The log of whisper cannot be read: the engine ")
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
