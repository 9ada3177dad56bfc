"""A configuration is put into force whole or not at all, one at a time, and both outcomes are told."""

# ruff: noqa: ASYNC240 - files of the test's own
from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import reloading
from gateway.announcements import Announcements, Reloaded
from gateway.config import Config, load_config
from gateway.config.reference import settings
from gateway.errors import ReloadRefused
from gateway.reloading import FIXED, Reloader
from gateway.supervision.fleet import Changes
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.anyio

GOOD = """\
gateway:
  state_dir: ./state
{gateway}
engines:
  a: {{hosts: [a], port: 1, docker: {{container: a}}}}
{engines}
"""


def text(gateway: str = "", engines: str = "") -> str:
    return GOOD.format(gateway="".join(f"  {line}\n" for line in gateway.splitlines()), engines=engines)


class FakeApp:
    """Goes by what it is told, and remembers it."""

    def __init__(self, config: Config) -> None:
        self.announce = Announcements()
        self.config = config
        self.facts: list[Reloaded] = []
        self.announce.listen(Reloaded, self.facts.append)

    def apply(self, config: Config) -> Changes:
        before, self.config = set(self.config.engines), config
        return Changes(sorted(set(config.engines) - before), [], sorted(before - set(config.engines)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text())
    return path


@pytest.fixture
def app(file: Path) -> FakeApp:
    return FakeApp(load_config(file))


async def test_a_good_file_counts_from_now_on(file: Path, app: FakeApp) -> None:
    file.write_text(text(engines="  b: {hosts: [b], port: 1, docker: {container: b}}"))
    with capture_logs() as lines:
        assert await Reloader(file, app).reload("an operator") == Changes(["b"], [], [])
    assert list(app.config.engines) == ["a", "b"]
    assert app.facts == [Reloaded(ok=True)]
    (line,) = lines
    assert line == {
        "event": "config.reloaded", "log_level": "info", "cause": "an operator",
        "added": ["b"], "changed": [], "removed": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (text(engines="  b: {}"), ["engines.b", "engines.b.hosts", "engines.b.port"]),
        ("", ["the file is empty"]),
        ("[", ["not valid YAML"]),
        (text("listen: 0.0.0.0:8890"), ["gateway.listen"]),
        (None, ["does not exist"]),
    ],
)
async def test_a_file_with_problems_changes_nothing_and_each_is_told(
    file: Path, app: FakeApp, content: str | None, said: list[str]
) -> None:
    before = app.config
    file.unlink() if content is None else file.write_text(content)
    with capture_logs() as lines, pytest.raises(ReloadRefused) as refused:
        await Reloader(file, app).reload("SIGHUP")
    assert app.config is before
    assert app.facts == [Reloaded(ok=False)]
    problems = refused.value.message.splitlines()
    assert [line["problem"] for line in lines] == problems
    assert {line["event"] for line in lines} == {"config.invalid"}
    for part in said:
        assert any(part in problem for problem in problems), problems


CHANGED = {
    "gateway.listen": "listen: 127.0.0.1:1",
    "gateway.admin": "admin: 127.0.0.1:2",
    "gateway.state_dir": "state_dir: ./other",
    "gateway.spool.dir": "spool: {dir: ./other}",
    "gateway.head_limit": "head_limit: 2048",
    "gateway.head_timeout": "head_timeout: 1s",
    "gateway.log.format": "log: {format: json}",
    "gateway.log.level": "log: {level: debug}",
}


def test_every_setting_that_takes_a_restart_is_one_and_is_tried() -> None:
    assert FIXED.keys() == CHANGED.keys()
    assert FIXED.keys() <= {setting.dotted for setting in settings()}


@pytest.mark.parametrize("name", FIXED)
async def test_what_takes_a_restart_is_refused(file: Path, app: FakeApp, name: str) -> None:
    content = text(CHANGED[name], engines="  b: {hosts: [b], port: 1, docker: {container: b}}")
    file.write_text(content.replace("  state_dir: ./state\n", "", int(name == "gateway.state_dir")))
    with pytest.raises(ReloadRefused) as refused:
        await Reloader(file, app).reload("an operator")
    assert f"{file} {name}: restart the gateway to change this" in refused.value.message.splitlines()
    assert list(app.config.engines) == ["a"]


async def test_the_address_that_is_open_without_a_key_is_refused_here_too(file: Path, app: FakeApp) -> None:
    """The proxy that would tell strangers apart is taken out of an open gateway's file."""
    file.write_text(text("listen: 0.0.0.0:8890\ntrusted_proxies: [10.0.0.0/8]"))
    app.config = load_config(file)
    file.write_text(text("listen: 0.0.0.0:8890"))
    with pytest.raises(ReloadRefused, match="neither an API key nor a proxy"):
        await Reloader(file, app).reload("SIGHUP")


async def test_two_at_once_are_served_one_after_the_other_and_the_newest_file_counts(
    file: Path, app: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(path: Path) -> Any:
        config = load_config(path)
        begun.set()
        assert go_on.wait(PATIENCE)
        return config

    monkeypatch.setattr(reloading, "load_config", slowly)
    reloader = Reloader(file, app)
    async with asyncio.TaskGroup() as group:
        group.create_task(reloader.reload("one"))
        assert await asyncio.to_thread(begun.wait, 20)
        file.write_text(text(engines="  b: {hosts: [b], port: 1, docker: {container: b}}"))
        group.create_task(reloader.reload("two"))
        go_on.set()
    assert list(app.config.engines) == ["a", "b"]
    assert app.facts == [Reloaded(ok=True)] * 2


async def test_a_change_between_the_start_and_the_first_look_counts(file: Path, app: FakeApp) -> None:
    file.write_text(text(engines="  b: {hosts: [b], port: 1, docker: {container: b}}"))
    reloaded = asyncio.Event()
    app.announce.listen(Reloaded, lambda _: reloaded.set())
    async with Reloader(file, app).running(), asyncio.timeout(PATIENCE):
        await reloaded.wait()
    assert list(app.config.engines) == ["a", "b"]


async def test_a_file_that_is_as_it_was_at_the_start_is_not_read_into_force(file: Path, app: FakeApp) -> None:
    file.touch()
    reloader = Reloader(file, app)
    assert not reloader._is_news()
    file.write_text("[")
    assert reloader._is_news(), "that it cannot be used has to be said"


async def test_a_mistake_of_ours_while_following_the_file_is_logged_and_followed_on(
    file: Path, app: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "apply", lambda _: 1 / 0)
    with capture_logs() as lines:
        await Reloader(file, app)._try("the file has changed")
    assert [line["event"] for line in lines] == ["config.reload_broke"]
    assert app.facts == [Reloaded(ok=False)], "who watches the metrics has to know"
