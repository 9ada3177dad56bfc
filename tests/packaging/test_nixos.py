"""The NixOS module and package, evaluated by Nix with a stand-in for nixpkgs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config import load_config
from gateway.reloading import FIXED
from tests.fixtures.patience import LONG_PATIENCE
from tests.packaging.programs import program
from tests.packaging.test_service import DROP_IN, UNIT, settings

ROOT = Path(__file__).parents[2]
NIX = ROOT / "packaging" / "nix"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = [re.split(r"[^\w-]", dependency)[0] for dependency in PROJECT["dependencies"]]

ENGINE = '{ hosts = [ "whisper.example.org" ]; docker.container = "faster-whisper"; port = 8000; }'
COMMAND = '{ hosts = [ "local.example.org" ]; process.command = [ "engine" ]; port = 8801; }'
CHANGED = (
    'settings.defaults.idle_after = "5m"; settings.gateway.log.requests = "all"; settings.gateway.spool.total = "1g";'
)
NGINX = 'nginx = { enable = true; domains = [ "example.org" "example.net" ]; };'

Evaluate = Callable[[str], Any]


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """What an expression gives, with all that is in the stand-in in sight."""

    def evaluate(expression: str) -> Any:
        command = [program("nix-instantiate"), "--eval", "--strict", "--json", "--readonly-mode", "--expr"]
        packages = json.dumps(dict.fromkeys(DEPENDENCIES, ""))
        folders = {f"NIX_{what}_DIR": str(tmp_path / what) for what in ("STORE", "STATE", "LOG", "CONF")}
        done = subprocess.run(
            [*command, f"with import {ROOT}/tests/packaging/stand_in.nix; {expression}"],
            env={**os.environ, **folders, "PYTHON_PACKAGES": packages},
            capture_output=True, text=True, check=False, timeout=LONG_PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return evaluate


@pytest.fixture
def system(evaluate: Evaluate) -> Evaluate:
    return lambda given: evaluate(f"system {{ enable = true; {given} }}")


def written(system: Any, folder: Path) -> Path:
    """The configuration that the service would read. JSON is YAML."""
    file = folder / "config.yaml"
    made = json.loads(system["environment"]["etc"]["whisper-gateway/config.yaml"]["source"])
    file.write_text(json.dumps(made["value"]))
    return file


def service(system: Any) -> dict[str, Any]:
    found: dict[str, Any] = system["systemd"]["services"]["whisper-gateway"]["serviceConfig"]
    return found


def as_systemd(value: Any) -> list[str]:
    """What NixOS makes of a setting in the unit's file."""
    values = value if isinstance(value, list) else [value]
    return [("yes" if one else "no") if isinstance(one, bool) else str(one) for one in values]


@pytest.mark.parametrize("file", sorted(NIX.glob("*.nix")), ids=lambda file: file.name)
def test_it_is_nix(file: Path) -> None:
    done = subprocess.run([program("nix-instantiate"), "--parse", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_its_settings_become_a_configuration_that_loads(system: Evaluate, tmp_path: Path) -> None:
    config = load_config(written(system(f"settings.engines.whisper = {ENGINE}; {NGINX}"), tmp_path), environment={})
    assert config.engines["whisper"].hosts == ("whisper.example.org",)
    assert config.gateway.state_dir == Path("/var/lib/whisper-gateway")
    assert config.gateway.trusted_proxies == ("127.0.0.1/32",)


def test_what_the_settings_say_wins_over_what_the_module_gives(system: Evaluate, tmp_path: Path) -> None:
    chosen = 'settings.gateway = { state_dir = "/srv"; trusted_proxies = [ "10.0.0.1/32" ]; };'
    config = load_config(written(system(f"settings.engines.whisper = {ENGINE}; {chosen} {NGINX}"), tmp_path))
    assert (config.gateway.state_dir, config.gateway.trusted_proxies) == (Path("/srv"), ("10.0.0.1/32",))


def test_its_sandbox_is_the_systemd_unit_s(system: Evaluate) -> None:
    ours = settings(UNIT)
    of_their_own = {"ExecStart", "Environment", "EnvironmentFile", "DynamicUser"}
    found = service(system(f"settings.engines.whisper = {ENGINE};"))
    theirs = {name: as_systemd(value) for name, value in found.items()}
    assert theirs.pop("User") == theirs.pop("Group") == ["whisper-gateway"]
    theirs.pop("ExecStart")
    assert theirs.pop("ExecReload") == [ours.pop("ExecReload")[0].replace("/bin", "/nix/store/coreutils/bin")]
    assert theirs == {name: value for name, value in ours.items() if name not in of_their_own}


def test_changed_settings_are_reloaded_from_where_the_service_reads_them(system: Evaluate) -> None:
    before, after = (system(f"settings.engines.whisper = {ENGINE}; {given}") for given in ("", CHANGED))
    assert before["environment"]["etc"] != after["environment"]["etc"]
    before, after = (one["systemd"]["services"]["whisper-gateway"] for one in (before, after))
    assert before.pop("reloadTriggers") != after.pop("reloadTriggers")
    assert before == after, "anything else would be a restart"
    assert before["serviceConfig"]["ExecStart"].endswith(" serve --config /etc/whisper-gateway/config.yaml")


@pytest.mark.parametrize("name", FIXED)
def test_what_cannot_be_reloaded_is_a_restart(system: Evaluate, name: str) -> None:
    both = (system(f"settings.engines.whisper = {ENGINE}; {given}") for given in ("", f'settings.{name} = "new";'))
    before, after = (one["systemd"]["services"]["whisper-gateway"]["restartTriggers"] for one in both)
    assert before != after


@pytest.mark.parametrize(
    ("given", "listens"),
    [("", "127.0.0.1:8890"), ('listen = "0.0.0.0"; port = 9000;', "0.0.0.0:9000"), ('listen = "::1";', "[::1]:8890")],
)
def test_it_listens_where_it_is_told(system: Evaluate, tmp_path: Path, given: str, listens: str) -> None:
    config = load_config(written(system(f"settings.engines.whisper = {ENGINE}; {given}"), tmp_path))
    assert str(config.gateway.listen) == listens


def test_it_is_given_variables(system: Evaluate) -> None:
    made = system(f'settings.engines.local = {COMMAND}; environment.DOCKER_HOST = "unix:///run/podman/podman.sock";')
    given = made["systemd"]["services"]["whisper-gateway"]["environment"]
    assert given["DOCKER_HOST"] == "unix:///run/podman/podman.sock"
    assert given["HOME"] == "/var/cache/whisper-gateway"


def test_for_commands_it_is_as_loose_as_the_drop_in(system: Evaluate) -> None:
    found = service(system(f"settings.engines.local = {COMMAND};"))
    loosened = settings(DROP_IN)
    loosened.pop("Environment")
    assert {name: as_systemd(found[name]) for name in loosened} == loosened
    assert "SupplementaryGroups" not in found, "who needs no Docker does not get it"


def test_its_nginx_is_rendered_from_the_shipped_templates(system: Evaluate) -> None:
    engine = ENGINE.replace("]; docker", '"second.example.org" ]; docker')
    made = system(f'settings.gateway.portal = "portal.example.org"; settings.engines.whisper = {engine}; {NGINX}')
    includes = re.findall(r"include (\{.*\});", made["services"]["nginx"]["appendHttpConfig"])
    built = [json.loads(include) for include in includes]
    assert [one["name"] for one in built] == [f"whisper-gateway-nginx-{name}.conf" for name in ("default", "gateway")]
    for one in built:
        script = re.sub(r"\S+-nginx/render", str(ROOT / "nginx" / "render"), one["script"]).replace("> $out", "")
        environment = {"PATH": os.environ["PATH"], **one["environment"]}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert "server_name .example.org .example.net;" in done.stdout
    assert "ssl_certificate /var/lib/acme/whisper-gateway/fullchain.pem;" in done.stdout
    certificate = made["security"]["acme"]["certs"]["whisper-gateway"]
    names = [certificate["domain"], *certificate["extraDomainNames"]]
    assert names == ["portal.example.org", "whisper.example.org", "second.example.org"]


@pytest.mark.parametrize(
    ("given", "ports"),
    [
        ("", None),
        ("openFirewall = true;", [8890]),
        ('openFirewall = true; settings.gateway.listen = "0.0.0.0:9000";', [9000]),
        ('openFirewall = true; listen = "::"; port = 9001;', [9001]),
        (f"openFirewall = true; {NGINX}", [80, 443]),
    ],
)
def test_the_firewall_stays_closed_unless_asked(system: Evaluate, given: str, ports: list[int] | None) -> None:
    made = system(f"settings.engines.whisper = {ENGINE}; {given}")
    assert made["networking"]["firewall"].get("allowedTCPPorts") == ports


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "name at least one engine"),
        (f"settings.engines.whisper = {ENGINE}; nginx.enable = true;", "name the domain"),
        (f"settings.engines.whisper = {ENGINE}; {NGINX.replace('enable', 'acme = false; enable')}", "name certificate"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_built(evaluate: Evaluate, given: str, message: str) -> None:
    assertions = evaluate(f"(system {{ enable = true; {given} }}).assertions")
    assert [message in found["message"] for found in assertions if not found["assertion"]] == [True]


def test_switched_off_it_does_nothing(evaluate: Evaluate) -> None:
    assert evaluate("system { }") == {}


def test_every_option_is_on_its_page(evaluate: Evaluate) -> None:
    found = "let o = options.options.services.whisper-gateway; in"
    names = evaluate(f"{found} builtins.mapAttrs (_: builtins.attrNames) {{ all = o; inherit (o) nginx; }}")
    page = (NIX / "README.md").read_text()
    for name in [*names["all"], *(f"nginx.{name}" for name in names["nginx"])]:
        assert f"`{name}`" in page or name == "nginx", name


def test_the_package_has_the_project_s_dependencies_and_version(evaluate: Evaluate) -> None:
    package = evaluate("{ inherit (package) pname version dependencies; }")
    assert sorted(package["dependencies"]) == sorted(DEPENDENCIES)
    assert (package["pname"], package["version"]) == (PROJECT["name"], PROJECT["version"])
