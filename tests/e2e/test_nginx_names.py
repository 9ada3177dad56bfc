"""Hostnames, certificates and the way from port 80: a domain is served, and nothing is said to who asks for another."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.nginx import DOMAIN, HOST, LOGIN, Front, Nginx, run_script
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.raw_client import RawClient

pytestmark = pytest.mark.nginx


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that nginx's workers may enter."""
    with tempfile.TemporaryDirectory(prefix="wg-nginx-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def clear_text(nginx: Nginx, host: str, path: str = "/x?a=%2F") -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{nginx.http}{path}", headers={"Host": host}, timeout=LONG_PATIENCE)


def test_clear_text_is_sent_to_https(front: Front) -> None:
    answer = clear_text(front.nginx, HOST)
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{HOST}/x?a=%2F")


def test_clear_text_at_the_port_for_tls_is_sent_to_https(front: Front) -> None:
    answer = httpx.get(f"http://127.0.0.1:{front.nginx.https}/x", headers={"Host": HOST}, timeout=LONG_PATIENCE)
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{HOST}/x")


def test_every_answer_says_that_this_is_for_tls_only_and_what_it_is(front: Front) -> None:
    """HSTS and the like; nginx does not tell its version. The answers: an engine's, the gateway's and nginx's own."""
    with front.client() as client:
        answers = [client.get("/hello"), client.get("/", headers={"Authorization": "Bearer x"})]
        answers.append(client.get("/", headers={"Authorization": ""}))
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    for answer in answers:
        assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
        assert answer.headers.get_list("referrer-policy") == ["same-origin"]
        assert answer.headers.get("server") in (None, "nginx")


def test_http2_is_spoken(front: Front) -> None:
    done = front.nginx.curl("-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"https://{HOST}/")
    assert done.stdout == "2 401"


@pytest.mark.parametrize("host", ["other.org", "example.org.evil.org", "evilexample.org", "127.0.0.1", "org", "[::1]"])
def test_an_unknown_hostname_gets_nothing_in_clear_text(front: Front, host: str) -> None:
    with RawClient(front.nginx.http) as client:
        assert client.get("/", host).rest() == b""


def test_an_unknown_hostname_gets_nothing_in_clear_text_at_the_port_for_tls(front: Front) -> None:
    with RawClient(front.nginx.https) as client:
        assert client.get("/", "other.org").rest() == b""


@pytest.mark.parametrize("host", ["other.org", "example.org.evil.org", "evilexample.org", None])
def test_an_unknown_hostname_gets_no_handshake(front: Front, host: str | None) -> None:
    """Not even the certificate, which would tell a scanner what is served at this address."""
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    with RawClient(front.nginx.https) as client, pytest.raises(ssl.SSLError):
        anything.wrap_socket(client.socket, server_hostname=host)


@pytest.mark.parametrize("host", ["other.org", "gateway", "127.0.0.1:8891"])
def test_another_hostname_after_the_handshake_gets_nothing(front: Front, host: str) -> None:
    with front.nginx.raw() as client:
        assert client.get("/", host, f"Authorization: Bearer {front.key}").rest() == b""


def test_a_hostname_of_the_domain_that_no_engine_has_is_the_gateways_to_refuse(front: Front) -> None:
    """config.yaml is the only list of hostnames."""
    with front.client(base_url=f"https://unlisted.{DOMAIN}") as client:
        assert client.get("/").headers["x-gateway-error"] == "unknown_host"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_not_spoken(front: Front, version: ssl.TLSVersion) -> None:
    done = front.nginx.curl(
        *(
            "--tls-max",
            {"TLSv1": "1.0", "TLSv1_1": "1.1"}[version.name],
            "--tlsv1.0",
            "--ciphers",
            "DEFAULT@SECLEVEL=0",
        ),
        f"https://{HOST}/",
    )
    assert done.returncode == 35


def test_the_challenge_for_a_certificate_is_answered_in_clear_text(front: Front) -> None:
    folder = front.nginx.webroot / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token_1").write_text("token_1.thumbprint")
    (front.nginx.webroot / "secret").write_text("not for the public")
    answer = clear_text(front.nginx, f"new.{DOMAIN}", "/.well-known/acme-challenge/token_1")
    assert (answer.status_code, answer.text) == (200, "token_1.thumbprint")
    assert clear_text(front.nginx, HOST, "/.well-known/acme-challenge/none").status_code == 404
    assert clear_text(front.nginx, HOST, "/.well-known/acme-challenge/").status_code in (403, 404)
    for path in ("/.well-known/acme-challenge/../../secret", "/.well-known/acme-challenge/%2e%2e/%2e%2e/secret"):
        with RawClient(front.nginx.http) as client:
            assert client.get(path, HOST).answer().status == 301


def test_several_domains(folder: Path, authority: Authority) -> None:
    names = ("example.org", "*.example.org", "example.net", "*.example.net")
    nginx = Nginx(folder, authority, authority.issue(*names, folder=folder / "tls"), DOMAIN="example.org example.net")
    nginx.start()
    try:
        for domain in ("example.org", "a.example.org", "whisper.example.net"):
            with nginx.client(base_url=f"https://{domain}") as client:
                assert client.get("/").headers["x-gateway-error"] == "login_required"
            assert clear_text(nginx, domain).headers["location"].startswith(f"https://{domain}/")
    finally:
        nginx.close()


def test_a_certificate_for_each_hostname(folder: Path, authority: Authority) -> None:
    """CERTIFICATE may hold $ssl_server_name; nginx then reads the files at each handshake."""
    for host in ("a.example.org", "b.example.org"):
        authority.issue(host, folder=folder / "tls" / host)
    pattern = Certificate(
        folder / "tls" / "$ssl_server_name" / "fullchain.pem", folder / "tls" / "$ssl_server_name" / "privkey.pem"
    )
    nginx = Nginx(folder, authority, pattern)
    nginx.add_user(*LOGIN)
    nginx.start()
    try:
        for host in ("a.example.org", "b.example.org"):
            with nginx.client(base_url=f"https://{host}") as client:
                assert client.get("/").status_code == 401
        with pytest.raises((ssl.SSLError, OSError)):  # there is none for this one
            nginx.raw("c.example.org")
    finally:
        nginx.close()


def test_another_port_to_the_public_is_in_the_way_to_https(folder: Path, authority: Authority) -> None:
    nginx = Nginx(folder, authority, authority.issue(DOMAIN, f"*.{DOMAIN}"), PUBLIC_PORT="8443")
    nginx.start()
    try:
        assert clear_text(nginx, HOST).headers["location"] == f"https://{HOST}:8443/x?a=%2F"
    finally:
        nginx.close()


def test_ipv6_is_listened_on_where_all_addresses_are() -> None:
    listening = "listen [::]:443 ssl http2;"
    assert (
        listening in run_script("render", DOMAIN=DOMAIN).replace(f"#{listening}", "")
        or not Path("/proc/net/if_inet6").exists()
    )
