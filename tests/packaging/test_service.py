"""The systemd units: valid, as closed as the page says, and of use to the gateway they hold."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.patience import LONG_PATIENCE
from tests.packaging.programs import program

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = PACKAGING / "whisper-gateway.service"
DROP_IN = PACKAGING / "process-engines.conf"
INSTALLED = "/opt/whisper-gateway/bin/whisper-gateway"


def settings(path: Path) -> dict[str, list[str]]:
    """What [Service] says, in order: systemd lets a setting be written several times."""
    found: dict[str, list[str]] = {}
    section = path.read_text().partition("[Service]")[2].partition("\n[")[0]
    for name, value in re.findall(r"^(\w+)=(.*)$", section, flags=re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.fixture(params=["unit", "with the drop-in"])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit as it would be installed, but for where the program lies."""
    file = tmp_path / UNIT.name
    gateway = Path(sys.executable).parent / "whisper-gateway"
    file.write_text(UNIT.read_text().replace(INSTALLED, str(gateway)))
    if request.param != "unit":
        folder = tmp_path / f"{UNIT.name}.d"
        folder.mkdir()
        shutil.copy(DROP_IN, folder)
    return file


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    command = [program("systemd-analyze"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG_PATIENCE)


def test_systemd_finds_nothing_wrong_with_it(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_its_exposure_is_what_the_page_says(unit: Path) -> None:
    done = analyze("security", "--offline=yes", "--no-pager", str(unit))
    (score,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    page = (PACKAGING / "README.md").read_text()
    has_drop_in = (unit.parent / f"{UNIT.name}.d").exists()
    assert f"that much protection away ({score})" in page if has_drop_in else f"gives {score} (0 is" in page
    assert float(score) <= (3.0 if has_drop_in else 1.6)


def test_it_waits_longer_for_the_end_than_the_gateway_takes() -> None:
    from gateway.config.schema import EngineDefaults, GatewaySettings
    from gateway.serving import LAST_WORDS

    (patience,) = settings(UNIT)["TimeoutStopSec"]
    takes = GatewaySettings().drain_timeout + LAST_WORDS + EngineDefaults().stop_timeout
    assert int(patience.removesuffix("s")) > takes


def test_a_configuration_that_cannot_be_used_is_not_tried_again_and_again(tmp_path: Path) -> None:
    gateway = Path(sys.executable).parent / "whisper-gateway"
    (tmp_path / "config.yaml").write_text("engines: {}\n")
    done = subprocess.run([gateway, "serve", "--config", tmp_path / "config.yaml"], capture_output=True, check=False)
    assert settings(UNIT)["RestartPreventExitStatus"] == [str(done.returncode)]


def test_files_are_what_systemd_reads_and_nothing_is_said_twice() -> None:
    for file in (UNIT, DROP_IN):
        parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
        parser.read(file)
        assert "Service" in parser
        repeated = {name for name, values in settings(file).items() if len(values) > 1}
        assert repeated <= {"SystemCallFilter", "Environment"}
