"""How much one address may do, and what counts as one."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.nginx import HOST, LOGIN, Nginx, until
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.standin import running_standin

pytestmark = pytest.mark.nginx

CDN = "set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;"
"""As the README has it for a proxy of one's own in front; here it also lends the tests some addresses."""


@pytest.fixture
def make_nginx(authority: Authority, wildcard: Certificate) -> Iterator[Callable[..., Nginx]]:
    """Starts nginx in front of a stand-in, without a gateway."""
    with ExitStack() as stack:

        def make(included: str = "", **variables: str) -> Nginx:
            standin = stack.enter_context(running_standin())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wg-nginx-")))
            folder.chmod(0o755)
            nginx = Nginx(folder, authority, wildcard, GATEWAY=f"127.0.0.1:{standin.port}", **variables)
            nginx.add_user(*LOGIN)
            (folder / "conf.d" / "ours.conf").write_text(included)
            stack.callback(nginx.close)
            nginx.start()
            return nginx

        yield make


@pytest.mark.parametrize(
    ("addresses", "others"),
    [
        (["2001:db8:1:2::a", "2001:db8:1:2:0a0a::b", "2001:db8:1:2:ffff:ffff:ffff:ffff"], ["2001:db8:1:3::a", "::1"]),
        (["2001:db8::1", "2001:db8:0:0:1::", "2001:db8:0:0:a:b:c:d"], ["2001:db8:0:1::1", "192.0.2.1"]),
        (["198.51.100.10"], ["198.51.100.11", "2001:db8::1"]),
    ],
    ids=["a network", "one with zeros", "an address of IPv4"],
)
def test_guesses_are_counted_for_each_network(
    make_nginx: Callable[..., Nginx], addresses: list[str], others: list[str]
) -> None:
    """Somebody with an IPv6 line has 2**64 addresses."""
    nginx = make_nginx(CDN, LOGIN_RATE="1r/m")

    def guess(address: str) -> int:
        return client.get("/hello", auth=("anna", "guess"), headers={"X-Forwarded-For": address}).status_code

    with nginx.client() as client:
        assert [guess(addresses[n % len(addresses)]) for n in range(201)] == [401] * 201
        assert [guess(address) for address in addresses] == [429] * len(addresses)
        assert [guess(address) for address in others] == [401] * len(others)


def test_a_person_is_not_taken_for_somebody_who_guesses(make_nginx: Callable[..., Nginx]) -> None:
    """Requests with a password are counted, right ones too: as shipped, pages and scripts of people are far below."""
    with make_nginx().client(auth=LOGIN) as client:
        assert [client.get("/hello").status_code for _ in range(200)] == [200] * 200


def test_behind_a_proxy_of_ones_own_the_address_is_the_one_that_it_tells(make_nginx: Callable[..., Nginx]) -> None:
    nginx = make_nginx(CDN)
    with nginx.client() as client:
        sent = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1", "Authorization": "Bearer x"}
        seen = client.get("/headers", headers=sent)
    headers = {name.lower(): value for name, value in seen.json()["headers"]}
    assert headers["x-forwarded-for"] == "198.51.100.1"
    assert nginx.logged(headers["x-request-id"])["address"] == "198.51.100.1"


def test_one_address_may_have_512_requests_under_way(make_nginx: Callable[..., Nginx]) -> None:
    """Many, because an office has one address; and not all that nginx can carry. The others are told to wait."""
    nginx = make_nginx()

    def crowd(_: int) -> subprocess.CompletedProcess[str]:
        return nginx.curl(
            *("-Z", "--parallel-max", "300", "-H", "Authorization: Bearer x", "-o", "/dev/null"),
            *("-w", "%{http_code} %header{x-gateway-error}\n", f"https://{HOST}/told?word=all&n=[1-300]"),
        )

    def refused() -> int:
        return sum(line["status"] == 429 for line in nginx.log())

    with ThreadPoolExecutor(2) as pool:
        crowds = [pool.submit(crowd, number) for number in range(2)]
        until(lambda: refused() == 600 - 512, "refusals", nginx.access_log.read_text, nginx.process)
        with httpx.Client(base_url=f"http://{nginx.variables['GATEWAY']}", timeout=LONG_PATIENCE) as engine:
            assert engine.get("/stats").json()["active"] == 512 + 1
            engine.get("/tell?word=all&times=512")
        lines = [line for done in crowds for line in done.result().stdout.splitlines()]
    assert Counter(lines) == {"200 ": 512, "429 too_many_requests": 600 - 512}
