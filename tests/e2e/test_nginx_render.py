"""nginx/render and nginx/add-user, as used on a host: what is mistaken is told, and nothing half-done is left."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.nginx import FOLDER, run_script, try_script
from tests.fixtures.patience import LONG_PATIENCE

README = (FOLDER / "README.md").read_text()


def test_the_domain_is_all_that_is_needed() -> None:
    text = run_script("render", DOMAIN="example.org")
    assert "server_name .example.org;" in text
    assert "ssl_certificate /etc/letsencrypt/live/example.org/fullchain.pem;" in text
    assert "server 127.0.0.1:8890;" in text
    assert "${" not in text


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "DOMAIN"),
        ({"DOMAIN": ""}, "DOMAIN"),
        ({"DOMAIN": "https://example.org"}, "DOMAIN"),
        ({"DOMAIN": "*.example.org"}, "DOMAIN"),
        ({"DOMAIN": "Example.org"}, "DOMAIN"),
        ({"DOMAIN": "example.org;"}, "DOMAIN"),
        ({"DOMAIN": "-example.org"}, "DOMAIN"),
        ({"DOMAIN": "example..org"}, "DOMAIN"),
        ({"GATEWAY": "127.0.0.1"}, "GATEWAY"),
        ({"GATEWAY": "127.0.0.1:8890; include /etc/passwd"}, "GATEWAY"),
        ({"GATEWAY": "127.0.0.1:8890\nevil"}, "GATEWAY"),
        ({"CERTIFICATE": "fullchain.pem"}, "CERTIFICATE"),
        ({"CERTIFICATE": "/tls/$host.pem"}, "CERTIFICATE"),
        ({"CERTIFICATE_KEY": "/tls/a b.pem"}, "CERTIFICATE_KEY"),
        ({"PASSWORDS": "/a;b"}, "PASSWORDS"),
        ({"WEBROOT": "www"}, "WEBROOT"),
        ({"UPLOAD_LIMIT": "2 GB"}, "UPLOAD_LIMIT"),
        ({"LOGIN_RATE": "5"}, "LOGIN_RATE"),
        ({"HTTP_PORT": "http"}, "HTTP_PORT"),
        ({"HTTPS_PORT": "0"}, "HTTPS_PORT"),
        ({"PUBLIC_PORT": "443;"}, "PUBLIC_PORT"),
        ({"ADDRESS": "localhost"}, "ADDRESS"),
        ({"ACCESS_LOG": "syslog:x"}, "ACCESS_LOG"),
        ({"ERROR_LOG": "off"}, "ERROR_LOG"),
    ],
    ids=str,
)
def test_what_nginx_would_misread_is_refused_by_its_name(variables: dict[str, str], named: str) -> None:
    done = try_script(
        "render", **{**({"DOMAIN": "example.org"} if variables and "DOMAIN" not in variables else {}), **variables}
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"render: {named} is ")


def test_an_unknown_template_is_refused() -> None:
    done = try_script("render", "gatway", DOMAIN="example.org")
    assert done.returncode == 1
    assert 'no template "gatway"' in done.stderr


def test_every_variable_is_in_the_readme() -> None:
    """And with the default that it has."""
    script = (FOLDER / "render").read_text()
    defaults = dict(re.findall(r'^    : "\$\{([A-Z_]+):=(.*?)\}"$', script, re.MULTILINE))
    assert len(defaults) == 13
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", README, re.MULTILINE))
    assert set(rows) == {"DOMAIN", *defaults}
    for name, default in defaults.items():
        plain = default.replace("$1", "<DOMAIN>").replace("$HTTPS_PORT", "`HTTPS_PORT`").strip("`")
        assert plain in rows[name], name


# people


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    return tmp_path / "made" / "htpasswd"


def add_user(passwords: Path, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return try_script("add-user", *words, text=text, PASSWORDS=str(passwords))


def verifies(line: str, password: str) -> bool:
    """Whether the line's hash is this password's, as crypt(3) makes it."""
    _, _, scheme, salt, _ = line.replace(":", "$", 1).split("$")
    command = ["openssl", "passwd", f"-{scheme}", "-salt", salt, "-stdin"]
    made = subprocess.run(command, input=password + "\n", capture_output=True, text=True, check=True).stdout.strip()
    return line.endswith(made)


def test_a_password_is_kept_as_a_hash_and_replaced_alone(passwords: Path) -> None:
    for name, password in [("anna", "first secret"), ("annabel", "her secret"), ("anna", "second $ecret \\ 'x")]:
        done = add_user(passwords, name, text=password + "\n")
        assert (done.returncode, done.stdout) == (0, "")
        assert "secret" not in done.stderr
    annabel, anna = passwords.read_text().splitlines()
    assert annabel.startswith("annabel:$6$")
    assert anna.startswith("anna:$6$")
    assert verifies(annabel, "her secret")
    assert verifies(anna, "second $ecret \\ 'x")
    assert [path.name for path in passwords.parent.iterdir()] == ["htpasswd"]
    assert passwords.stat().st_mode & 0o022 == 0


def test_somebody_is_removed(passwords: Path) -> None:
    add_user(passwords, "an.na", text="first secret")
    add_user(passwords, "anxna", text="other secret")
    assert add_user(passwords, "--remove", "an.na").returncode == 0
    assert [line.partition(":")[0] for line in passwords.read_text().splitlines()] == ["anxna"]
    done = add_user(passwords, "--remove", "an.na")
    assert done.returncode == 1
    assert "no user an.na" in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "long enough"),
        (("anna", "bob"), "long enough"),
        (("an:na",), "long enough"),
        (("an na",), "long enough"),
        (("anna\nbob",), "long enough"),
        (("anna\n",), "long enough"),
        (("",), "long enough"),
        (("#anna",), "long enough"),
        (("-x",), "long enough"),
        (("é",), "long enough"),
        (("anna",), "short"),
        (("anna",), ""),
    ],
    ids=str,
)
def test_a_mistake_changes_nothing(passwords: Path, words: tuple[str, ...], text: str) -> None:
    add_user(passwords, "anna", text="first secret")
    before = passwords.read_bytes()
    done = add_user(passwords, *words, text=text)
    assert done.returncode == 1
    assert done.stderr.startswith("add-user: ")
    assert passwords.read_bytes() == before
    assert [path.name for path in passwords.parent.iterdir()] == ["htpasswd"]


@pytest.mark.parametrize(("second", "status"), [("a secret", 0), ("another secret", 1)])
def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(passwords: Path, second: str, status: int) -> None:
    here, there = pty.openpty()
    with subprocess.Popen(
        [FOLDER / "add-user", "anna"], stdin=there, stderr=there, env={**os.environ, "PASSWORDS": str(passwords)}
    ) as running:
        os.close(there)
        shown = b""
        for question, answer in [(b"password for anna: ", "a secret"), (b"once more: ", second)]:
            while question not in shown:
                shown += os.read(here, 1000)
            os.write(here, answer.encode() + b"\n")
        assert running.wait(LONG_PATIENCE) == status
    assert b"secret" not in shown
    os.close(here)
    assert passwords.exists() == (status == 0)
