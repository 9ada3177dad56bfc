"""A monitor without a key hears whether the gateway lives, and nothing else. One with a key reads metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.api_keys import make_key
from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.nginx import DOMAIN, HOST, LOGIN, Front, running_front

pytestmark = pytest.mark.nginx

PORTAL = f"portal.{DOMAIN}"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, authority: Authority, wildcard: Certificate) -> Iterator[Front]:
    folder: Path = tmp_path_factory.mktemp("health")
    with running_front(folder, authority, wildcard, portal=PORTAL) as front:
        yield front


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_portals_health_is_told_to_everybody(portal: Front, path: str) -> None:
    with portal.nginx.client(base_url=f"https://{PORTAL}") as client:
        assert client.get(path).status_code == 200


def status(front: Front, host: str, path: str) -> int:
    """What a stranger is answered. The path goes out as it is written here."""
    with front.nginx.raw(host) as client:
        return client.get(path, host).answer().status


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/x/../healthz", "/healthz/../headers", "//healthz", "/healthz?x", "/%68ealthz"]
)
def test_an_engines_host_asks_there_as_everywhere(portal: Front, path: str) -> None:
    assert status(portal, f"whisper.{DOMAIN}", path) == 401
    assert portal.gateway.engine("engine")["phase"] == "asleep"


@pytest.mark.parametrize(
    "path",
    [
        "/api/engines",
        "/metrics",
        "/healthz/../api/engines",
        "/x/../healthz",
        "/api/engines/../../healthz",
        "/api/engines%2f../healthz",
    ],
)
def test_the_portal_tells_strangers_nothing_else(portal: Front, path: str) -> None:
    assert status(portal, PORTAL, path) == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_person_reaches_what_an_engine_has_there(portal: Front, path: str) -> None:
    """Who says a name is asked for its password, at these paths too. The gateway answers for a sleeping engine."""
    with portal.nginx.client(auth=LOGIN) as client:
        answer = client.get(path)
        assert (answer.json(), answer.headers["x-engine-phase"]) == ({"status": "asleep"}, "asleep")
        assert portal.nginx.logged(answer.headers["x-request-id"])["user"] == LOGIN[0]
    for host in (HOST, PORTAL):
        with portal.nginx.client(base_url=f"https://{host}", auth=(LOGIN[0], "guessed")) as client:
            answer = client.get(path)
            assert (answer.status_code, answer.headers["x-gateway-error"]) == (401, "login_required")


def test_a_person_is_still_let_in(portal: Front) -> None:
    with portal.nginx.client(base_url=f"https://{PORTAL}", auth=LOGIN) as client:
        assert client.get("/api/engines").status_code == 200


def test_prometheus_reads_metrics_with_a_key_that_opens_nothing_else(portal: Front) -> None:
    token = make_key(portal.gateway.config.parent / "state", "prometheus", hosts=(PORTAL,))
    headers = {"Authorization": f"Bearer {token}"}
    with portal.nginx.client(base_url=f"https://{PORTAL}", headers=headers) as client:
        answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert 'whisper_gateway_engine_phase{engine="engine",phase="failed"} 0.0' in answer.text
        assert client.get("/api/engines").json() == {"engines": []}
    with portal.nginx.client(headers=headers) as client:
        assert client.get("/headers").status_code == 403


def test_a_person_may_look_at_the_metrics(portal: Front) -> None:
    with portal.nginx.client(base_url=f"https://{PORTAL}", auth=LOGIN) as client:
        assert client.get("/metrics").status_code == 200
