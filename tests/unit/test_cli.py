"""The command line without a gateway: what it prints, and what it exits with."""

from __future__ import annotations

import http.server
import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fixtures.api_keys import make_key
from tests.fixtures.commands import one_line, run
from tests.fixtures.ports import free_port

GOOD = """\
gateway:
  admin: 127.0.0.1:{port}
engines:
  whisper:
    hosts: [whisper.test, speech.test]
    process: {{command: [none]}}
    port: 8000
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(GOOD.format(port=free_port()))
    return path


def test_without_a_word_it_shows_the_words() -> None:
    result = run()
    assert all(word in result.output for word in ("serve", "check", "status", "wake", "sleep", "logs"))


def test_check_says_that_a_file_is_good(good: Path) -> None:
    result = run("check", "--config", str(good))
    assert (result.exit_code, result.stdout) == (0, f"{good}: good, 1 engines under 2 hostnames\n")


def test_check_lists_every_problem_with_its_line_and_exits_with_2(good: Path) -> None:
    good.write_text(good.read_text().replace("hosts:", "host:").replace("8000", "80000"))
    result = run("check", "-c", str(good))
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) >= 2
    assert f"{good}:5" in result.stderr
    assert "hosts" in result.stderr
    assert f"{good}:7" in result.stderr


@pytest.mark.parametrize(
    ("word", "needs_it"), [(["check"], True), (["status"], False), (["sleep", "whisper"], False), (["reload"], False)]
)
def test_what_does_without_the_file_says_how_if_that_is_broken(good: Path, word: list[str], *, needs_it: bool) -> None:
    """The gateway goes on by the file before; somebody has to get at it."""
    good.write_text("gateway: [")
    result = run(*word, "--config", str(good))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{good}:1: not valid YAML")
    assert ("--admin" in result.stderr.splitlines()[-1]) is not needs_it


@pytest.mark.parametrize("word", [["check"], ["serve"], ["status"], ["wake", "whisper"], ["logs", "whisper"]])
def test_every_word_says_that_a_file_is_missing(tmp_path: Path, word: list[str]) -> None:
    result = run(*word, "--config", str(tmp_path / "none.yaml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.yaml" in result.stderr


def test_the_file_can_be_named_in_the_environment(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_GATEWAY_CONFIG", str(good))
    assert run("check").exit_code == 0


@pytest.mark.parametrize("word", [["status"], ["wake", "whisper"], ["sleep", "whisper"], ["logs", "whisper"]])
def test_without_a_gateway_it_says_so_in_one_line(good: Path, word: list[str]) -> None:
    result = run(*word, "--config", str(good))
    assert result.exit_code == 1
    assert re.search(r"no gateway answers on 127.0.0.1:\d+ .*; is `whisper-gateway serve` running\?", one_line(result))


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:x", "127.0.0.1:99999", "[::1", "a b:1", "\n"])
def test_an_address_that_is_none_is_told_in_one_line(address: str) -> None:
    result = run("status", "--admin", address)
    assert result.exit_code == 1
    assert "no gateway answers on" in result.stderr


class Stranger(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>Hello</h1>")

    def log_message(self, *_: object) -> None:
        pass


def test_another_program_on_the_admin_address_is_told_in_one_line() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        result = run("status", "--admin", f"127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert result.exit_code == 1
    assert "is not a whisper-gateway" in one_line(result)


@pytest.mark.parametrize("word", ["check", "serve"])
def test_an_open_address_needs_keys_or_a_proxy(good: Path, word: str) -> None:
    good.write_text(good.read_text().replace("gateway:\n", "gateway:\n  listen: 0.0.0.0:8890\n"))
    result = run(word, "--config", str(good))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{good} gateway.listen: 0.0.0.0:8890 is open to the network")


def test_a_key_is_enough_to_open(good: Path) -> None:
    good.write_text(good.read_text().replace("gateway:\n", "gateway:\n  listen: 0.0.0.0:8890\n"))
    make_key(good.parent / "state", expires=datetime(2020, 1, 1, tzinfo=UTC))
    assert run("check", "--config", str(good)).exit_code == 2  # one that lets nobody in
    make_key(good.parent / "state", "another")
    assert run("check", "--config", str(good)).exit_code == 0


def test_damaged_keys_are_told_before_anything_opens(good: Path) -> None:
    (good.parent / "state").mkdir()
    (good.parent / "state" / "keys.json").write_text("{")
    result = run("serve", "--config", str(good))
    assert result.exit_code == 2
    assert "keys.json is damaged" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_check_looks_at_the_keys_only_where_they_matter(good: Path) -> None:
    """Whoever checks a file may be somebody who may not read them."""
    (good.parent / "state").mkdir()
    (good.parent / "state" / "keys.json").write_text("{")
    assert run("check", "--config", str(good)).exit_code == 0
    good.write_text(good.read_text().replace("gateway:\n", "gateway:\n  listen: 0.0.0.0:8890\n"))
    assert run("check", "--config", str(good)).exit_code == 2
