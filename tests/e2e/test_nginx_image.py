"""The image of nginx/: from a fresh machine to a renewed certificate, with no rights but those it needs."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container

from tests.e2e.compose import VARIABLES
from tests.fixtures.authority import Authority, Certificate
from tests.fixtures.docker import name_of_image
from tests.fixtures.nginx import DOMAIN, FOLDER, HOST, LOGIN, Nearby, reloaded, reloads
from tests.fixtures.patience import LONG_PATIENCE

pytestmark = pytest.mark.docker

END = "-----END CERTIFICATE-----\n"
BROKEN, MISSING = (
    f"/etc/letsencrypt/live/{DOMAIN}/fullchain.pem holds no certificate",
    f"no certificate in /etc/letsencrypt/live/{DOMAIN}/fullchain.pem",
)
IMAGE = name_of_image("nginx")
HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "cap_add": ["SETUID", "SETGID", "NET_BIND_SERVICE"],
    "security_opt": ["no-new-privileges:true"],
}


class Machine:
    """A container of the image. folder: certificates, webroot and passwords, which compose.yaml has as volumes."""

    def __init__(self, container: Container, folder: Path, authority: Authority) -> None:
        self.container = container
        self.folder = folder
        self.authority = authority
        self.live = folder / "letsencrypt" / "live" / DOMAIN
        self._reloads = 0

    def port(self, inside: int) -> int:
        self.container.reload()
        published = self.container.ports[f"{inside}/tcp"]
        assert published
        return int(published[0]["HostPort"])

    def shown(self) -> bytes:
        """The certificate that is shown, whoever has signed it."""
        anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.port(443)), LONG_PATIENCE) as sock,
            anything.wrap_socket(sock, server_hostname=HOST) as client,
        ):
            return client.getpeercert(binary_form=True) or b""

    def client(self) -> httpx.Client:
        """Believes in the authority's certificates only."""
        transport = Nearby(self.port(443), verify=self.authority.context())
        return httpx.Client(transport=transport, base_url=f"https://{HOST}", timeout=LONG_PATIENCE)

    def until_shown(self, made: bytes) -> None:
        """Until this certificate is shown to everybody, also to who meets a worker from before the reload."""
        self.until(lambda: self.shown() == made, "the certificate")
        self.until(lambda: reloaded(self.logs(), self._reloads), "end of the workers before")
        self._reloads = reloads(self.logs())

    def run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = ["docker", "exec", "-i", str(self.container.id), *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    def logs(self) -> str:
        return self.container.logs().decode()

    def until(self, there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LONG_PATIENCE
        while True:
            with contextlib.suppress(OSError, httpx.TransportError):
                if there():
                    return
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.logs()}"
            time.sleep(0.05)


def der(made: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(made.chain.read_text().partition(END)[0] + END)


@pytest.fixture(scope="module")
def image() -> str:
    command = ["docker", "build", "--quiet", "-t", IMAGE, f"--build-arg=BASE_IMAGE={VARIABLES['NGINX_BASE_IMAGE']}"]
    built = subprocess.run([*command, str(FOLDER)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return IMAGE


@contextlib.contextmanager
def running_machine(
    image: str, authority: Authority, prepare: Callable[[Path], object] = lambda live: None, **environment: str
) -> Iterator[Machine]:
    """prepare: is given the folder for certificates before the start."""
    client = docker.from_env()
    with tempfile.TemporaryDirectory(prefix="wg-nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        places = {"letsencrypt": "/etc/letsencrypt", "webroot": "/var/www/acme", "passwords": "/etc/nginx/passwords"}
        for place in places:
            (folder / place).mkdir()
        prepare(folder / "letsencrypt" / "live" / DOMAIN)
        volumes = {str(folder / place): {"bind": inside} for place, inside in places.items()}
        container = client.containers.run(
            image,
            detach=True,
            environment={"DOMAIN": DOMAIN, **environment},
            ports={"80/tcp": ("127.0.0.1", 0), "443/tcp": ("127.0.0.1", 0)},
            volumes=volumes,
            **HARDENED,
        )
        try:
            machine = Machine(container, folder, authority)
            machine.until(lambda: machine.shown() != b"", "nginx")
            yield machine
        finally:
            container.remove(force=True, v=True)
            client.close()


@pytest.fixture
def machine(image: str, authority: Authority) -> Iterator[Machine]:
    """A fresh one: nothing but the name of the domain is known."""
    with running_machine(image, authority, CHECK_SECONDS="1") as machine:
        yield machine


def test_from_a_fresh_machine_to_a_renewed_certificate(machine: Machine) -> None:
    """The challenge is answered before there is a certificate; each one is taken over as soon as it is there."""
    machine.until(lambda: "using a placeholder" in machine.logs(), "word of the placeholder")
    challenge = machine.folder / "webroot" / ".well-known" / "acme-challenge"
    challenge.mkdir(parents=True)
    (challenge / "token").write_text("thumbprint")
    url = f"http://127.0.0.1:{machine.port(80)}/.well-known/acme-challenge/token"
    assert httpx.get(url, headers={"Host": HOST}, timeout=LONG_PATIENCE).text == "thumbprint"

    for _ in range(2):
        made = machine.authority.issue(DOMAIN, f"*.{DOMAIN}", folder=machine.live)
        made.key.chmod(0o600)  # as certbot leaves it: root alone reads it
        machine.until_shown(der(made))
        with machine.client() as client:
            assert client.get("/").status_code == 401

    shown = machine.shown()
    (machine.live / "fullchain.pem").write_text("-----BEGIN CERTIFICATE-----\nhalf of it")
    machine.until(lambda: "cannot be used, " + BROKEN in machine.logs(), "word of the broken certificate")
    assert machine.shown() == shown
    (machine.live / "fullchain.pem").unlink()
    machine.until(lambda: "cannot be used, " + MISSING in machine.logs(), "word of the missing certificate")
    assert machine.shown() == shown


def test_the_last_of_many_changes_is_taken_over_whenever_they_come(machine: Machine) -> None:
    """None falls between two waits, nor into the moment in which another is taken over."""
    chance = random.Random(9)
    for _ in range(25):
        made = machine.authority.issue(DOMAIN, f"*.{DOMAIN}", folder=machine.live)
        time.sleep(chance.random() / 4)  # what is tested is what happens meanwhile
    machine.until(lambda: machine.shown() == der(made), "the last certificate")


def given_to_somebody(live: Path) -> None:
    """As copied there by a user: root in the container has not the capability to read it."""
    key = live / "privkey.pem"
    key.chmod(0o600)
    if os.getuid() == 0:
        os.chown(key, 1000, 1000)


def given_to_root(live: Path) -> None:
    key = live / "privkey.pem"
    if os.getuid() == 0:
        os.chown(key, 0, 0)
    else:
        key.chmod(0o644)


def hidden(live: Path) -> None:
    live.chmod(0o700)
    if os.getuid() == 0:
        os.chown(live, 1000, 1000)


def shown_again(live: Path) -> None:
    live.chmod(0o755)


def swapped(live: Path, *algorithm: str) -> None:
    """The key is another one."""
    (live / "right.pem").write_bytes((live / "privkey.pem").read_bytes())
    words = algorithm or ("EC", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    subprocess.run(["openssl", "genpkey", "-algorithm", *words, "-out", live / "privkey.pem"], check=True)


def swapped_kind(live: Path) -> None:
    """Nginx itself does not notice that."""
    swapped(live, "ED25519")


def swapped_back(live: Path) -> None:
    (live / "right.pem").rename(live / "privkey.pem")


@pytest.mark.parametrize(
    ("spoil", "said", "mend"),
    [
        (given_to_somebody, "/privkey.pem cannot be read: root has to own it (sudo chown root)", given_to_root),
        (hidden, " cannot be entered: root has to own it (sudo chown root)", shown_again),
        (swapped, "/privkey.pem is not the key of the first certificate in", swapped_back),
        (swapped_kind, "/privkey.pem is not the key of the first certificate in", swapped_back),
    ],
    ids=["somebody else's key", "somebody else's folder", "another certificate's key", "another kind of key"],
)
def test_a_certificate_that_cannot_be_used_does_not_keep_it_from_starting(
    image: str,
    authority: Authority,
    spoil: Callable[[Path], None],
    said: str,
    mend: Callable[[Path], None],
) -> None:
    """Port 80 answers, one line says which file it is and what to do; when that is done nginx takes it over."""

    def prepare(live: Path) -> None:
        made = authority.issue(DOMAIN, f"*.{DOMAIN}", folder=live)
        expected.append(ssl.PEM_cert_to_DER_cert(made.chain.read_text().partition(END)[0] + END))
        spoil(live)

    expected: list[bytes] = []
    with running_machine(image, authority, prepare, CHECK_SECONDS="1") as machine:
        assert machine.shown() != expected[0]
        machine.until(lambda: "placeholder" in machine.logs(), "word of the placeholder")
        lines = [line for line in machine.logs().splitlines() if "placeholder" in line]
        assert len(lines) == 1
        assert lines[0].startswith(f"entrypoint: /etc/letsencrypt/live/{DOMAIN}{said}")
        answer = httpx.get(f"http://127.0.0.1:{machine.port(80)}/x", headers={"Host": HOST}, timeout=LONG_PATIENCE)
        assert (answer.status_code, answer.headers["location"]) == (301, f"https://{HOST}/x")
        mend(machine.live)
        machine.until(lambda: machine.shown() == expected[0], "the mended certificate")
        assert machine.container.attrs["RestartCount"] == 0


def test_what_is_not_the_certificates_fault_is_not_blamed_on_it(image: str, authority: Authority) -> None:
    """Nginx says it itself, and ends."""
    with tempfile.TemporaryDirectory(prefix="wg-nginx-") as name:
        live, included = Path(name) / "live" / DOMAIN, Path(name) / "mine.conf"
        authority.issue(DOMAIN, f"*.{DOMAIN}", folder=live)
        included.write_text("no_such_directive on;")
        command = ["docker", "run", "--rm", "-e", f"DOMAIN={DOMAIN}", "-v", f"{name}:/etc/letsencrypt:ro"]
        command += ["-v", f"{included}:/etc/nginx/conf.d/mine.conf:ro", image]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'unknown directive "no_such_directive"' in done.stderr
    assert "placeholder" not in done.stderr


def test_people_are_added_in_the_running_container(machine: Machine) -> None:
    machine.until_shown(der(machine.authority.issue(DOMAIN, f"*.{DOMAIN}", folder=machine.live)))
    added = machine.run("add-user", LOGIN[0], text=LOGIN[1])
    assert (added.returncode, added.stderr) == (0, "anna may come in now\n")
    with machine.client() as client:
        assert client.get("/", auth=(LOGIN[0], "a guess")).status_code == 401
        answer = client.get("/v1/models", auth=LOGIN)
    assert answer.status_code == 502  # let in, and there is no gateway here
    assert answer.json()["error"]["code"] == "gateway_unavailable"
    machine.until(lambda: '"user": "anna"' in machine.logs(), "her name in the log")


def test_it_says_that_it_is_well_and_its_workers_are_nobody(machine: Machine) -> None:
    assert machine.container.image is not None
    check = machine.container.image.attrs["Config"]["Healthcheck"]["Test"]
    assert check[0] == "CMD"
    assert machine.run(*check[1:]).returncode == 0
    users: list[str] = []

    def only_the_master_is_root() -> bool:
        """A worker is, too, in its first moment."""
        told = machine.run("sh", "-c", "for f in /proc/[0-9]*; do cat $f/comm; stat -c %U $f; done").stdout.split()
        users[:] = [told[i + 1] for i, word in enumerate(told) if word == "nginx"]
        return users.count("root") == 1

    machine.until(only_the_master_is_root, "workers that are not root")
    assert "www-data" in users
    assert machine.run("touch", "/etc/nginx/here").returncode == 1


def test_it_ends_when_docker_asks_it_to(machine: Machine) -> None:
    machine.container.stop(timeout=int(LONG_PATIENCE))
    machine.container.reload()
    assert machine.container.attrs["State"]["ExitCode"] == 0


def test_without_a_domain_it_says_so(image: str) -> None:
    done = subprocess.run(["docker", "run", "--rm", image], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DOMAIN is missing" in done.stderr
