"""What an engine told somebody whom it knew is not told to others while it sleeps, however it was told who that was."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.lifecycle.events import SleepAsked
from gateway.lifecycle.phases import Phase
from gateway.proxy.headers import FROM_PROXIES
from gateway.proxy.quiet import MOST_ANSWERS, Answers, Told
from tests.fixtures.scripted_engine import Visit
from tests.inprocess.mortals import answer
from tests.inprocess.staging import staged

HERE = "127.0.0.1"
WHERE_FROM = {"x-request-id", "x-real-ip", "forwarded"}
"""These tell of the connection; engines are always told that."""
VOUCHED_FOR = sorted({name.decode() for name in FROM_PROXIES} - WHERE_FROM)
SENT_ALONG = [
    "Cookie", "X-API-Key", "api-key", "X-Auth-Token", "X-Access-Token", "X-Session-Id", "From", "Remote_User_Name",
    "Tailscale-User-Login", "X-MS-Client-Principal-Id", "X-Amzn-Oidc-Identity", "X-SSL-Client-Cert", "X-Account-Id",
    "X-Tenant", "X-User-Roles", "X-Grafana-Email", "OpenAI-Organization", "X-Goog-IAP-JWT-Assertion", "X-Shib-Eppn",
]  # fmt: skip
HARMLESS = [
    "User-Agent", "Sec-Fetch-User", "Accept-Language", "Traceparent", "X-Real-IP", "Forwarded", "X-Request-ID",
    "X-Stainless-Lang", "If-None-Match",
]  # fmt: skip


def greeting(visit: Visit) -> None:
    """Says what it was told."""
    while head := visit.head():
        visit.say(answer(head))


def told_to_another(one: dict[str, str], another: dict[str, str], **gateway: Any) -> tuple[bytes, bool]:
    """What the second one gets while the engine sleeps, by the headers of both; and whether that was remembered."""
    with staged(greeting, quiet_paths=["/docs"], gateway=gateway) as stage, stage.gateway.client() as client:
        client.get("/docs", headers=one)
        stage.gateway.until(stage.gateway.is_free)
        stage.gateway.on_loop(lambda: stage.gateway.engine().tell(SleepAsked()))
        stage.gateway.reaches(Phase.ASLEEP)
        said = client.get("/docs", headers=another)
        return said.content.lower(), "x-engine-phase" in said.headers


@pytest.mark.parametrize("name", VOUCHED_FOR)
def test_by_a_trusted_proxy(name: str) -> None:
    said, remembered = told_to_another({name: "anna-1"}, {}, access="everybody", trusted_proxies=[HERE])
    assert b"anna-1" not in said
    assert not remembered


def test_by_the_proxy_that_asked_for_the_password() -> None:
    said, remembered = told_to_another({"X-Remote-User": "anna"}, {"X-Remote-User": "bob"}, trusted_proxies=[HERE])
    assert b"x-remote-user: bob" in said
    assert not remembered


def test_a_user_is_told_what_the_engine_told_the_same_user() -> None:
    anna = {"X-Remote-User": "anna"}
    said, remembered = told_to_another(anna, anna, trusted_proxies=[HERE])
    assert b"x-remote-user: anna" in said
    assert remembered


def test_a_user_is_told_what_the_engine_told_nobody_in_particular() -> None:
    said, remembered = told_to_another({}, {"X-Remote-User": "bob"}, access="everybody", trusted_proxies=[HERE])
    assert b"bob" not in said
    assert remembered


@pytest.mark.parametrize("access", ["auto", "everybody"])
def test_nobody_becomes_a_user_by_saying_so(access: str) -> None:
    said, remembered = told_to_another({}, {"X-Remote-User": "anna"}, access=access)
    assert b"anna" not in said
    assert remembered, "what was told to nobody in particular"
    _, remembered = told_to_another({"X-Remote-User": "anna"}, {"X-Remote-User": "anna"}, access=access)
    assert not remembered


def test_of_many_users_the_last_are_remembered() -> None:
    answers = Answers()
    for number in range(MOST_ANSWERS + 1):
        answers.keep(f"user-{number}", "/docs", Told(200, [], b"hello"))
    assert answers.find("user-0", "/docs") is None
    first, last = answers.find("user-1", "/docs"), answers.find(f"user-{MOST_ANSWERS}", "/docs")
    assert first is last, "kept once"
    assert last == Told(200, [], b"hello")


@pytest.mark.parametrize("name", SENT_ALONG)
def test_by_themselves(name: str) -> None:
    said, remembered = told_to_another({name: "anna-1"}, {})
    assert b"anna-1" not in said
    assert not remembered


@pytest.mark.parametrize("name", HARMLESS)
def test_what_tells_nothing_of_them_does_not_count(name: str) -> None:
    _, remembered = told_to_another({name: "one"}, {}, access="everybody", trusted_proxies=[HERE])
    assert remembered
