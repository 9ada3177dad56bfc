"""A reload, as after a renewed certificate, drops nothing: neither what is under way nor what comes meanwhile."""

from __future__ import annotations

import concurrent.futures
import json
import threading
from collections.abc import Iterator

import pytest

from tests.fixtures.authority import Authority
from tests.fixtures.nginx import DOMAIN, HOST, LOGIN, Front, running_front
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.raw_client import RawClient

pytestmark = pytest.mark.nginx


def test_a_reload_drops_nothing(front: Front) -> None:
    """An event stream and an upload run through three of them, while others keep asking on connections of their own."""
    stop = threading.Event()
    half = threading.Semaphore(0)

    def ask_steadily() -> list[int]:
        statuses = []
        while not stop.is_set():
            with front.client() as client:
                statuses.append(client.get("/hello").status_code)
        return statuses

    def follow() -> int:
        with front.client() as client, client.stream("GET", "/sse", params={"n": 15, "interval_ms": 100}) as answer:
            lines = answer.iter_lines()
            next(lines)
            half.release()
            return sum(line.startswith("data:") for line in lines)

    def upload() -> int:
        def body() -> Iterator[bytes]:
            yield b"x" * 100_000
            half.release()
            stop.wait(LONG_PATIENCE)
            yield b"x" * 100_000

        with front.client() as client:
            size: int = client.post("/sum", content=body()).json()["bytes"]
            return size

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        followed, uploaded = pool.submit(follow), pool.submit(upload)
        half.acquire()
        half.acquire()
        steady = [pool.submit(ask_steadily) for _ in range(2)]
        for _ in range(3):
            front.nginx.reload()
        stop.set()
        statuses = [status for asked in steady for status in asked.result()]
        assert set(statuses) == {200}
        assert followed.result() == 15
        assert uploaded.result() == 200_000


def test_a_reload_takes_over_a_new_certificate(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> None:
    folder = authority.folder / "renewed"
    names = (DOMAIN, f"*.{DOMAIN}")
    with running_front(tmp_path_factory.mktemp("renewed"), authority, authority.issue(*names, folder=folder)) as front:
        before = serial(front)
        authority.issue(*names, folder=folder)
        assert serial(front) == before
        front.nginx.reload()
        assert serial(front) != before


def serial(front: Front) -> bytes:
    """Which certificate nginx shows."""
    with front.nginx.raw() as client:
        return client.certificate()


def test_passwords_are_looked_at_for_each_login(front: Front) -> None:
    """No reload is needed for a new user, a new password, or somebody who may not come in any more."""
    with front.nginx.client() as client:
        assert client.get("/hello", auth=("zoe", "zoe's secret")).status_code == 401
        front.nginx.add_user("zoe", "zoe's secret")
        assert client.get("/hello", auth=("zoe", "zoe's secret")).status_code == 200
        front.nginx.add_user("zoe", "another secret")
        assert client.get("/hello", auth=("zoe", "zoe's secret")).status_code == 401
        assert client.get("/hello", auth=("zoe", "another secret")).status_code == 200
        front.nginx.remove_user("zoe")
        assert client.get("/hello", auth=("zoe", "another secret")).status_code == 401
        assert client.get("/hello", auth=LOGIN).status_code == 200


def test_a_log_line_is_json_whatever_a_client_sends(front: Front) -> None:
    with front.nginx.raw() as client:
        head = f'GET /x"y\\%22%0a{{}}?private="1" HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Basic "quoted"\r\n\r\n'
        identity = client.send(head).answer().get("x-request-id")
    assert identity is not None
    line = front.nginx.logged(identity)
    assert line["path"] == '/x"y\\%22%0a{}'
    assert "private" not in json.dumps(line)


def test_no_stranger_fills_the_log_with_one_request(front: Front) -> None:
    with front.nginx.client() as client:
        answer = client.get(f"/{'x' * 15_000}?{'y' * 500}")
    line = front.nginx.logged(answer.headers["x-request-id"])
    assert line["path"] == f"/{'x' * 199}"
    assert len(str(line)) < 1000


def test_nothing_is_logged_of_unknown_hostnames(front: Front) -> None:
    """Scanners would fill the disk with them."""
    with RawClient(front.nginx.http) as client:
        assert client.get("/", "scanner.test").rest() == b""
    with front.nginx.client() as known:
        front.nginx.logged(known.get("/").headers["x-request-id"])
    assert "scanner.test" not in front.nginx.access_log.read_text()
