"""Who may come in, seen from outside: nobody else reaches an engine, and none of the others wakes one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from gateway.auth.rates import Rate
from gateway.config import Config
from tests.fixtures.api_keys import make_key, revoke_key
from tests.fixtures.gateway import Engine, Gateway, running_gateway
from tests.fixtures.patience import PATIENCE
from tests.fixtures.standin import StandIn
from tests.inprocess.closed_door import PAGE, PROXIED, asked, bearer, code, folder, gateway, proxied

__all__ = ["folder", "gateway", "proxied"]  # fixtures


def test_a_key_opens_the_door_and_stays_at_it(gateway: Gateway, folder: Path) -> None:
    """Credentials never reach an engine."""
    answer = asked(gateway, headers=bearer(make_key(folder)))
    assert answer.status_code == 200
    assert "authorization" not in dict(answer.json()["headers"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Basic YW5uYTpzZWNyZXQ="},
        {"x-remote-user": "anna"},
        {"X_Remote_User": "anna"},
        {"remote-user": "anna"},
        {"x-forwarded-user": "anna"},
    ],
)
def test_who_proves_nothing_is_told_how_and_wakes_nobody(gateway: Gateway, headers: dict[str, str]) -> None:
    answer = asked(gateway, headers=headers)
    assert code(answer) == (401, "key_missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="whisper-gateway"'  # no dialog in browsers
    assert gateway.runtimes["whisper"].starts == 0


@pytest.mark.parametrize("token", ["nonsense", "wg_aaaaaaaaaa_" + "x" * 43, "a b"])
def test_a_wrong_key_is_refused_in_openais_words(gateway: Gateway, token: str) -> None:
    answer = asked(gateway, "/v1/audio/transcriptions", method="POST", headers=bearer(token), content=b"x" * 100_000)
    assert code(answer) == (401, "invalid_api_key")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert (answer.json()["error"]["code"], answer.json()["error"]["type"]) == (
        "invalid_api_key",
        "invalid_request_error",
    )
    assert gateway.runtimes["whisper"].starts == 0


def test_a_stranger_does_not_learn_which_hosts_there_are(gateway: Gateway, folder: Path) -> None:
    assert code(asked(gateway, host="whisper.test")) == code(asked(gateway, host="nothing.test"))
    assert code(asked(gateway, host="nothing.test", headers=bearer(make_key(folder)))) == (404, "unknown_host")


def test_a_revoked_key_is_refused_at_the_next_request(gateway: Gateway, folder: Path) -> None:
    token = make_key(folder)
    with httpx.Client(headers={"host": "whisper.test", **bearer(token)}, timeout=PATIENCE) as client:
        assert client.get(f"{gateway.url}/hello").status_code == 200
        assert client.get(f"{gateway.url}/hello").status_code == 200  # on the same connection: the short way
        revoke_key(folder)
        assert code(client.get(f"{gateway.url}/hello")) == (401, "invalid_api_key")
    assert "token" not in json.dumps(gateway.journal)
    assert token not in json.dumps(gateway.journal, default=str)


def test_an_expired_key_is_refused(gateway: Gateway, folder: Path) -> None:
    token = make_key(folder, expires=datetime(2020, 1, 1, tzinfo=UTC))
    assert code(asked(gateway, headers=bearer(token))) == (401, "invalid_api_key")


def test_a_key_is_for_its_hosts(gateway: Gateway, folder: Path) -> None:
    headers = bearer(make_key(folder, hosts=("whisper.test",)))
    assert asked(gateway, headers=headers).status_code == 200
    assert code(asked(gateway, host="other.test", headers=headers)) == (403, "host_not_allowed")
    assert gateway.runtimes["other"].starts == 0


def test_a_rate_is_kept_and_the_refusal_says_when(gateway: Gateway, folder: Path) -> None:
    headers = {"host": "whisper.test", **bearer(make_key(folder, rate=Rate(3, "h")))}
    with httpx.Client(headers=headers, timeout=PATIENCE) as client:
        answers = [client.get(f"{gateway.url}/v1/hello") for _ in range(4)]
    assert [answer.status_code for answer in answers[:3]] == [404] * 3  # the engine's own word
    assert code(answers[3]) == (429, "rate_limit_exceeded")
    assert 0 < int(answers[3].headers["retry-after"]) <= 1200
    assert answers[3].json()["error"]["code"] == "rate_limit_exceeded"


def test_keys_cannot_be_guessed_in_numbers(gateway: Gateway, folder: Path) -> None:
    """A key that has worked from the same address goes on working."""
    good, late = make_key(folder, "good"), make_key(folder, "late")
    gateway.app._access._door._failures._rate = Rate(20, "h")  # in a minute one is looked at again after three seconds
    assert asked(gateway, headers=bearer(good)).status_code == 200
    codes = [code(asked(gateway, headers=bearer(f"guess{number}"))) for number in range(25)]
    assert codes[0] == (401, "invalid_api_key")
    assert codes[-1] == (429, "too_many_failures")
    assert asked(gateway, headers=bearer(good)).status_code == 200
    assert code(asked(gateway, headers=bearer(late))) == (429, "too_many_failures")


@pytest.mark.parametrize("setting", [{"admins": ["zoe"]}, {"trusted_proxies": ["192.0.2.1"]}])
def test_another_configuration_forgives_no_guesses(gateway: Gateway, folder: Path, setting: dict[str, object]) -> None:
    """Nor does it forget which keys have worked from there, or what is left of a key's rate."""
    good, rated = make_key(folder, "good"), make_key(folder, "rated", rate=Rate(1, "h"))
    assert [asked(gateway, headers=bearer(key)).status_code for key in (good, rated)] == [200, 200]
    for number in range(25):
        asked(gateway, headers=bearer(f"guess{number}"))
    data = gateway.app.config.model_dump(exclude_unset=True)
    data["gateway"] |= setting
    gateway.on_loop(lambda: gateway.app.apply(Config.model_validate(data)))
    assert code(asked(gateway, headers=bearer("guess"))) == (429, "too_many_failures")
    assert asked(gateway, headers=bearer(good)).status_code == 200
    assert code(asked(gateway, headers=bearer(rated))) == (429, "rate_limit_exceeded")


def test_the_log_says_whose_request_it_was(standin: StandIn, folder: Path) -> None:
    settings = {"access": "known", "state_dir": str(folder), "log": {"requests": "all"}}
    with running_gateway({"whisper": Engine(standin.port)}, **settings) as gateway:
        asked(gateway, headers=bearer(make_key(folder)))
        gateway.until(lambda: bool(gateway.events("request.done")))
        entry = gateway.events("request.done")[0]
    assert (entry["key"], entry["client"]) == ("ci", "127.0.0.1")


def test_a_user_of_a_trusted_proxy_comes_in(proxied: Gateway) -> None:
    answer = asked(proxied, headers=PROXIED)
    assert answer.status_code == 200
    assert dict(answer.json()["headers"])["x-remote-user"] == "anna"


def test_a_proxy_alone_is_nobody(proxied: Gateway) -> None:
    assert code(asked(proxied, headers={"x-forwarded-for": "203.0.113.7"})) == (401, "key_missing")


def test_a_key_is_judged_even_beside_a_user(proxied: Gateway, folder: Path) -> None:
    assert code(asked(proxied, headers={**PROXIED, **bearer("wrong")})) == (401, "invalid_api_key")
    assert asked(proxied, headers={**PROXIED, **bearer(make_key(folder))}).status_code == 200


def test_a_gateway_without_keys_serves_this_machine_but_no_proxy_it_was_not_told_of(standin: StandIn) -> None:
    """Else a proxy in front would let the world in."""
    with running_gateway({"whisper": Engine(standin.port)}) as gateway:
        assert asked(gateway, headers=bearer("unused")).status_code == 200
        for name in ("x-forwarded-for", "x-real-ip", "forwarded"):
            assert code(asked(gateway, headers={name: "203.0.113.7"})) == (403, "proxy_not_trusted")


def test_the_first_key_closes_the_door(standin: StandIn, folder: Path) -> None:
    with running_gateway({"whisper": Engine(standin.port)}, state_dir=str(folder)) as gateway:
        assert asked(gateway).status_code == 200
        token = make_key(folder)
        assert code(asked(gateway)) == (401, "key_missing")
        assert asked(gateway, headers=bearer(token)).status_code == 200
        (folder / "keys.json").unlink()
        assert code(asked(gateway, headers=bearer(token))) == (401, "invalid_api_key")
        assert code(asked(gateway)) == (401, "key_missing")


def test_authorization_is_forwarded_where_the_engine_asks_for_it(standin: StandIn) -> None:
    with running_gateway({"whisper": Engine(standin.port, forward_authorization=True)}) as gateway:
        assert dict(asked(gateway, headers=bearer("mine")).json()["headers"])["authorization"] == "Bearer mine"


# pages


def preflight(gateway: Gateway, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    return asked(gateway, "/v1/audio/transcriptions", method="OPTIONS", headers=headers)


def test_a_preflight_is_answered_without_a_key_and_without_waking_the_engine(gateway: Gateway) -> None:
    answer = preflight(gateway, PAGE)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-headers"] == "authorization"
    assert gateway.runtimes["whisper"].starts == 0


def test_a_preflight_from_elsewhere_is_a_request_like_any_other(gateway: Gateway) -> None:
    answer = preflight(gateway, "https://evil.test")
    assert code(answer) == (401, "key_missing")
    assert "access-control-allow-origin" not in answer.headers
    assert gateway.runtimes["whisper"].starts == 0


def test_a_page_may_read_answers_and_refusals(gateway: Gateway, folder: Path) -> None:
    token = make_key(folder)
    with httpx.Client(headers={"host": "whisper.test", "origin": PAGE, **bearer(token)}, timeout=PATIENCE) as client:
        for _ in range(2):  # the long way and the short one
            answer = client.get(f"{gateway.url}/hello")
            assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
            assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    refused = asked(gateway, headers={"origin": PAGE, **bearer("wrong")})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)


def test_the_remembered_password_does_not_serve_other_pages(proxied: Gateway) -> None:
    """A page elsewhere can make a browser send its password along."""
    evil = {**PROXIED, "origin": "https://evil.test"}
    assert code(asked(proxied, method="POST", headers=evil)) == (403, "forbidden")
    websocket = {
        **evil, "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert code(asked(proxied, "/ws", headers=websocket)) == (403, "forbidden")
    assert proxied.runtimes["whisper"].starts == 0
    own = {**PROXIED, "origin": "https://whisper.test"}
    assert asked(proxied, "/sum", method="POST", headers=own).status_code == 200


# while the engine is awake, on a connection that has served others: the short way


def served(standin: StandIn) -> int:
    """Requests that have reached the engine."""
    return sum(httpx.get(f"{standin.url}/stats", timeout=PATIENCE).json()["requests"].values())


FORGERIES: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "a wrong key": ("Authorization: Bearer wrong",),
    "a name": ("X-Remote-User: anna",),
    "a password": ("Authorization: Basic YW5uYTpzZWNyZXQ=",),
}


@pytest.mark.parametrize("lines", FORGERIES.values(), ids=FORGERIES)
@pytest.mark.parametrize("between", ["", "own"])
def test_a_stranger_behind_a_caller_on_its_connection_stays_a_stranger(
    gateway: Gateway, folder: Path, standin: StandIn, lines: tuple[str, ...], between: str
) -> None:
    """As behind a proxy, which sends everybody's requests over the same connections."""
    key = f"Authorization: Bearer {make_key(folder)}"
    with gateway.raw() as raw:
        assert [raw.get("/hello", "whisper.test", key).answer().status for _ in range(3)] == [200] * 3
        before = served(standin)
        assert [raw.get("/hello", "whisper.test", *lines).answer().status for _ in range(2)] == [401, 401]
        if between:
            assert raw.get("/hello", "whisper.test", key).answer().status == 200
            before += 1
        assert raw.get("/hello", "whisper.test", *lines).answer().status == 401
        assert served(standin) == before


def test_a_preflight_does_not_reach_an_engine_that_is_awake(gateway: Gateway, folder: Path, standin: StandIn) -> None:
    key = f"Authorization: Bearer {make_key(folder)}"
    asking = (f"Origin: {PAGE}", "Access-Control-Request-Method: POST")
    with gateway.raw() as raw:
        assert [raw.get("/hello", "whisper.test", key).answer().status for _ in range(2)] == [200, 200]
        before = served(standin)
        for _ in range(2):
            raw.send("\r\n".join(["OPTIONS /headers HTTP/1.1", "Host: whisper.test", *asking, "", ""]))
            assert raw.answer("OPTIONS").status == 204
        assert served(standin) == before


def test_a_new_request_id_is_a_new_request_all_the_same(proxied: Gateway) -> None:
    """What follows from a head is remembered but for the id: that goes to the engine, and to whom it belongs."""
    with proxied.raw() as raw:
        for number in range(3):
            answer = raw.get("/headers", "whisper.test", "X-Remote-User: anna", f"X-Request-ID: id-{number}").answer()
            assert answer.get("x-request-id") == f"id-{number}"
            assert dict(json.loads(answer.body)["headers"])["x-request-id"] == f"id-{number}"
        assert raw.get("/hello", "whisper.test", "X-Request-ID: id-9").answer().status == 401


# the log


def test_the_log_tells_the_client_that_the_proxy_tells(standin: StandIn, folder: Path) -> None:
    settings = {"trusted_proxies": ["127.0.0.1"], "state_dir": str(folder), "log": {"requests": "all"}}
    with running_gateway({"whisper": Engine(standin.port)}, **settings) as gateway:
        asked(gateway, headers=PROXIED)
        gateway.until(lambda: bool(gateway.events("request.done")))
        entry = gateway.events("request.done")[0]
    assert (entry["user"], entry["client"]) == ("anna", "203.0.113.7")


def test_a_stranger_cannot_fill_the_log(gateway: Gateway) -> None:
    """Neither with long paths, nor with keys that are not looked at any more."""
    gateway.app._access._door._failures._rate = Rate(20, "h")
    for number in range(40):
        asked(gateway, f"/{'x' * 5000}", headers=bearer(f"guess{number}"))
    gateway.until(lambda: len(gateway.events("request.ended")) >= 21)
    refused = gateway.events("request.ended")
    assert len([entry for entry in refused if entry["error"] == "invalid_api_key"]) == 20
    assert len([entry for entry in refused if entry["error"] == "too_many_failures"]) == 1
    assert max(len(json.dumps(entry, default=str)) for entry in refused) < 1000
