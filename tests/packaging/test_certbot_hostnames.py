"""Which names a certificate has to have: the hostnames that the gateway serves, by the gateway's own reading."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import load_config

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "packaging" / "certbot" / "hostnames.py"
MODULES = ("document", "hosts", "problems", "substitution", "yaml_nodes")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As in the image: beside these of the gateway's files, and no others."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "gateway" / "config").mkdir(parents=True)
    dockerfile = (SCRIPT.parent / "Dockerfile").read_text()
    for name in MODULES:
        assert f"gateway/config/{name}.py" in dockerfile
        shutil.copy(ROOT / "gateway" / "config" / f"{name}.py", folder / "gateway" / "config")
    return Path(shutil.copy(SCRIPT, folder))


def names(script: Path, config: Path, *domains: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), str(config), *domains]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_they_are_those_that_the_gateway_serves(script: Path) -> None:
    variables = {"DOMAIN": "example.net"}
    found = names(script, ROOT / "config" / "config.yaml", "example.net", **variables)
    config = load_config(ROOT / "config" / "config.yaml", variables)
    served = {host for engine in config.engines.values() for host in engine.hosts} | {config.gateway.portal}
    assert set(found.stdout.split()) == served
    assert found.stderr == ""


def test_each_comes_once_as_dns_has_it_and_only_in_the_domains(script: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "gateway: {portal: A.example.org}\n"
        "engines: {a: {hosts: [a.example.org., b.example.net, 127.0.0.1, notexample.org]}, b: {hosts: [example.org]}}\n"
    )
    found = names(script, config, "example.org", "example.net")
    assert found.stdout.split() == ["a.example.org", "b.example.net", "example.org"]
    assert "notexample.org is left out" in found.stderr
    assert "127.0.0.1 is left out" in found.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('engines: {a: {hosts: [a.example.org, "${MISSING}.example.org"]}}', "the variable MISSING is not set"),
        ("engines: [", "not valid YAML"),
        ("engines: {a: {hosts: a.example.org}}", "has no hostname in DOMAIN"),
        ("- a", "has no hostname in DOMAIN"),
    ],
)
def test_what_cannot_be_read_gives_no_name_at_all(script: Path, tmp_path: Path, text: str, said: str) -> None:
    """A good certificate would be replaced by one without them."""
    config = tmp_path / "config.yaml"
    config.write_text(text)
    refused = names(script, config, "example.org")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_that_is_not_there_is_told(script: Path, tmp_path: Path) -> None:
    refused = names(script, tmp_path / "none.yaml", "example.org")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot be read" in refused.stderr
