"""The README's promises, kept as a reader would test them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import ROOT
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.ports import free_ports

README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
FOLDERS = ("*.md", "docs/*.md", "nginx/*.md", "packaging/**/*.md", "bench/*.md")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(folder))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def demo_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The gateway of `make run`, on ports of the test's own."""
    port, admin, engine = free_ports(3)
    state = tmp_path_factory.mktemp("state")
    settings = {"DEMO_PORT": port, "DEMO_ADMIN_PORT": admin, "DEMO_ENGINE_PORT": engine, "DEMO_STATE_DIR": state}
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    run = re.search(r"whisper-gateway serve --config \S+", (ROOT / "Makefile").read_text())
    assert run is not None
    process = subprocess.Popen(shlex.split(run[0]), cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "gateway.started" in line:
            break
    yield port
    process.terminate()
    process.communicate(timeout=LONG_PATIENCE)


@pytest.mark.model
def test_the_curl_command_answers_with_the_transcript(demo_port: int) -> None:
    (command,) = [block for block in blocks("sh") if block.startswith("curl")]
    words = shlex.split(command.replace("\\\n", " ").replace(":8890", f":{demo_port}"))
    done = subprocess.run(
        [*words, "--silent"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=LONG_PATIENCE
    )
    assert "please start the project report now" in done.stdout


@pytest.mark.model
def test_the_sdk_example_prints_the_transcript(demo_port: int) -> None:
    (example,) = blocks("python")
    host = "whisper.example.org"
    assert f'base_url="https://{host}/v1"' in example
    example = example.replace(f"https://{host}/v1", f"http://127.0.0.1:{demo_port}/v1")
    example = example.replace('api_key="wg_..."', f'api_key="wg_...", default_headers={{"Host": "{host}"}}')
    example = example.replace("meeting.mp3", "samples/audio/en-the-meeting-is-open.wav")
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=True, timeout=LONG_PATIENCE
    )
    assert done.stdout.strip() == "the meeting is open"


@pytest.mark.model
def test_the_demo_shows_cold_warm_and_asleep_again() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/demo.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("'please open the door and close the window'") == 2
    assert "asleep again" in done.stdout


def test_the_configuration_in_the_readme_is_valid(tmp_path: Path) -> None:
    (example,) = blocks("yaml")
    assert set(yaml.safe_load(example)) == {"engines"}
    (tmp_path / "config.yaml").write_text(example)
    done = subprocess.run(
        [BIN / "whisper-gateway", "check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_chore_named_in_the_readme_exists() -> None:
    chores = set(re.findall(r"make ([a-z]+)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert chores <= set(re.findall(r"make ([a-z]+)", shown))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


def test_the_readme_links_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)\)", README))
    pages = {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"}
    assert pages <= linked
