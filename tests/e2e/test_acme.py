"""Certificates as an operator gets them: certbot, an ACME authority (pebble), and nginx that follows by itself."""

from __future__ import annotations

import concurrent.futures
import contextlib
import re
import ssl
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.acme import (
    ACME,
    CERTBOT,
    ELSEWHERE,
    HOSTS,
    LATER,
    OTHER_DIRECTORY,
    PEBBLE,
    Vps,
    build_images,
    write_pebble,
)
from tests.e2e.compose import CPU, DOMAIN, whole
from tests.fixtures.nginx import FOLDER
from tests.fixtures.patience import LONG_PATIENCE

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def images() -> None:
    build_images()


@pytest.fixture(scope="module")
def vps(images: None, standin_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vps]:
    """After `docker compose up -d` on a fresh machine, with the profile in .env."""
    made = Vps(tmp_path_factory.mktemp("acme"))
    try:
        made("build", "nginx")
        made("up", "--detach", "--no-deps", "pebble")
        made.trust_pebble()
        made("up", "--detach", "--no-deps", "nginx", "gateway", "certbot")
        yield made
    finally:
        made("down", "--volumes", "--timeout", "5")


def test_the_service_has_no_more_rights_than_it_needs() -> None:
    services = whole(CPU, profile="certificates")["services"]
    certbot = services.pop("certbot")
    assert "certbot" not in whole(CPU, profile="engines")["services"], "who has a certificate needs no other"
    assert certbot["read_only"]
    assert certbot["cap_drop"] == ["ALL"]
    assert not certbot.get("cap_add")
    assert not certbot.get("ports")
    assert certbot["security_opt"] == ["no-new-privileges:true"]
    assert certbot["restart"] == "unless-stopped"
    assert not set(certbot["networks"]) & {name for one in services.values() for name in one.get("networks", ())}
    kept = {mount["target"] for mount in certbot["volumes"] if not mount.get("read_only")}
    assert kept == {"/etc/letsencrypt", "/var/www/acme"}


def test_a_fresh_machine_gets_a_certificate_for_every_hostname_of_the_configuration(vps: Vps) -> None:
    """Nothing is typed but `up`: nginx answers the challenges with its placeholder, and then shows the certificate."""
    vps.until_shown(lambda shown: shown.names == tuple(sorted(HOSTS)), "certificate")
    assert "using a placeholder" in vps.logs("nginx")
    with vps.client() as client:
        assert client.get("/hello").status_code == 200
    with pytest.raises(ssl.SSLError):
        vps.shown(LATER)


def test_a_certificate_that_is_good_stays(vps: Vps) -> None:
    before = vps.shown()
    vps.until(lambda: "not yet due for renewal" in vps.logs("certbot"), "second look")
    assert vps.shown() == before
    assert vps("exec", "-T", "certbot", "certificate", "healthy").stdout.strip() == "Certificate will not expire"


def test_a_renewal_is_taken_over_and_drops_nothing(vps: Vps) -> None:
    """The service renews what ends soon; meanwhile a stream goes on, and others keep asking."""
    before, streaming, stop = vps.shown(), threading.Event(), threading.Event()

    def ask_steadily() -> list[int]:
        statuses = []
        while not stop.is_set():
            with vps.client() as client:
                statuses.append(client.get("/hello").status_code)
        return statuses

    def follow() -> bool:
        """Whether the stream went on until it was enough."""
        with vps.client() as client, client.stream("GET", "/sse", params={"n": 2000, "interval_ms": 50}) as answer:
            for _line in answer.iter_lines():
                streaming.set()
                if stop.is_set():
                    return True
        return False

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        try:
            followed = pool.submit(follow)
            assert streaming.wait(LONG_PATIENCE)
            steady = [pool.submit(ask_steadily) for _ in range(2)]
            had = vps.logs("certbot").count("Successfully received")
            # Not for longer: it is renewed every few seconds, and nginx waits until its files stay as they are.
            with ends_soon(vps):
                vps.until(lambda: vps.logs("certbot").count("Successfully received") > had, "renewal")
            vps.until_shown(lambda shown: shown != before, "renewed certificate")
        finally:
            stop.set()
        assert {status for asked in steady for status in asked.result()} == {200}
        assert followed.result()


@contextlib.contextmanager
def ends_soon(vps: Vps) -> Iterator[None]:
    """Ninety days are less than certbot is told to leave. It writes that file, too, and so is stopped meanwhile."""
    file = f"/etc/letsencrypt/renewal/{DOMAIN}.conf"

    def edit(script: str) -> None:
        vps("stop", "certbot")
        vps("run", "--rm", "--no-deps", "-T", "--entrypoint", "sed", "certbot", "-i", script, file)
        vps("start", "certbot")

    edit("s/^# renew_before_expiry.*/renew_before_expiry = 4000 days/")
    try:
        yield
    finally:
        edit("/^renew_before_expiry/d")


def test_a_new_hostname_of_the_configuration_comes_into_the_certificate(vps: Vps) -> None:
    vps.config.write_text(vps.config.read_text().replace('hosts: ["whisper.$', f'hosts: ["{LATER}", "whisper.$'))
    vps.until_shown(lambda shown: LATER in shown.names, "certificate with the new name")
    assert vps.shown(LATER).names == tuple(sorted([*HOSTS, LATER]))


def test_the_service_ends_when_docker_asks_it_to(vps: Vps) -> None:
    vps("stop", "certbot")
    assert "(0)" in vps("ps", "--all", "--format", "{{.Status}}", "certbot").stdout


def test_a_name_that_leads_elsewhere_is_told_and_the_certificate_stays(vps: Vps) -> None:
    before = vps.shown()
    lost = f"lost.{DOMAIN}"
    refused = vps.certificate("now", check=False, CERTIFICATE_NAMES=f"{HOSTS[0]}, {ELSEWHERE} {lost}")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1
    assert f"{ELSEWHERE} leads to " in said
    assert f"{lost} has no address in DNS" in said
    assert "CERTIFICATE_NAMES" in said
    assert vps.shown() == before


def test_another_authority_replaces_the_certificate_of_the_first(vps: Vps) -> None:
    """As when all works with the one for trying: its certificate is far from its end, and nobody believes it."""
    before = vps.shown()
    vps.certificate("now", ACME_SERVER=OTHER_DIRECTORY)
    vps.until_shown(lambda shown: shown.serial != before.serial, "certificate of the other authority")


def test_the_next_renewal_can_be_tried(vps: Vps) -> None:
    before = vps.shown()
    assert "The dry run was successful" in vps.certificate("now", "--dry-run").stdout
    assert vps.shown() == before
    listed = vps.certificate("certbot", "certificates").stdout
    assert f"Certificate Name: {DOMAIN}" in listed


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("", "DOMAIN is missing"),
        ("example.com", "config.yaml has no hostname in DOMAIN (example.com): one of the two is wrong"),
    ],
)
def test_a_wrong_domain_is_told_before_anybody_is_asked(images: None, tmp_path: Path, domain: str, said: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("engines: {whisper: {hosts: [whisper.example.org], process: {command: [x]}, port: 1}}\n")
    command = ["docker", "run", "--rm", "--network=none", f"--env=DOMAIN={domain}"]
    command += [f"--volume={config}:/etc/whisper-gateway/config.yaml:ro", CERTBOT, "now"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "example.com" not in domain or "whisper.example.org is left out" in done.stderr


# on a host, without Docker

HOST_PREPARED = """
printf '#!/bin/sh\\nexec "$@"\\n' >/usr/local/bin/sudo
printf '#!/bin/sh\\n[ "$*" = "reload nginx" ] && exec nginx -s reload\\n' >/usr/local/bin/systemctl
printf '#!/bin/sh\\n[ "$*" = "install nginx certbot" ]\\n' >/usr/local/bin/apt
chmod 755 /usr/local/bin/*
mkdir -p /etc/letsencrypt
cat >/etc/letsencrypt/cli.ini <<END
server = https://localhost:14000/dir
agree-tos = true
register-unsafely-without-email = true
no-random-sleep-on-renew = true
END
nginx
until curl -sS --cacert /pebble/authority.pem -o /dev/null https://localhost:14000/dir; do sleep 0.1; done
until curl -sS --cacert /pebble/authority.pem https://localhost:15000/roots/0 >/tmp/root.pem; do sleep 0.1; done
"""
"""What is there beforehand: nginx as Debian starts it, and stand-ins for sudo, apt and systemctl. certbot's questions
are answered, and the authority is pebble, whose root is another one at each start."""


@pytest.fixture
def host(images: None, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """A machine with Debian's nginx and certbot, to which three hostnames lead; and this repository's folder nginx/."""
    write_pebble(tmp_path / "pebble", "localhost")
    name = f"wg-acme-{uuid.uuid4().hex[:8]}"
    command = [
        "docker",
        "run",
        "--detach",
        "--rm",
        "--init",
        "--name",
        name,
        "--env=REQUESTS_CA_BUNDLE=/pebble/authority.pem",
    ]
    command += [f"--env={key}={value}" for key, value in PEBBLE.items()]
    command += [f"--volume={tmp_path}/pebble:/pebble:ro", f"--volume={FOLDER}:/srv/nginx:ro", "--workdir=/srv"]
    command += [f"--add-host={label}.example.org:127.0.0.1" for label in ("whisper", "whisperx", "portal")]
    subprocess.run([*command, ACME], check=True, capture_output=True)

    def run(script: str) -> str:
        words = ["docker", "exec", "--interactive", name, "sh", "-eu"]
        done = subprocess.run(words, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    try:
        yield run
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=True, capture_output=True)


def test_on_a_host_the_commands_of_the_page_lead_to_a_certificate_that_renews_itself(
    host: Callable[[str], str],
) -> None:
    page = (FOLDER / "README.md").read_text()
    (commands, *_) = re.findall(r"^```sh\n(.*?)^```$", page.partition("## On a host")[2], re.MULTILINE | re.DOTALL)
    host(HOST_PREPARED)
    # A password is asked for only on a terminal.
    host(commands.replace("sudo nginx/add-user", "echo correct horse | sudo nginx/add-user"))
    show = "curl -sS --cacert /tmp/root.pem -o /dev/null -w '%{http_code} %{ssl_verify_result}' https://whisper.example.org/"
    # A reload begins after its command has ended.
    assert host(f"until {show} >/tmp/shown; do sleep 0.1; done; cat /tmp/shown") == "401 0"
    serial = "openssl s_client -connect 127.0.0.1:443 -servername whisper.example.org </dev/null 2>/dev/null"
    serial += " | openssl x509 -noout -serial"
    before = host(serial)
    assert "No renewals were attempted" in host("certbot renew")
    host("certbot renew --dry-run")
    assert host(serial) == before
    host("certbot renew --force-renewal")
    assert host(f"until [ \"$({serial})\" != '{before.strip()}' ]; do sleep 0.1; done; {show}") == "401 0"
