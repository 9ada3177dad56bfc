"""What operators put beside compose.yaml, as the pages say, gets neither into a commit nor into an image's context."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.written_commands import PAGES, ROOT, written

TOLD = (
    *(".env", "faster-whisper.env", "whisperx.env", "compose.override.yaml", "real-ip.conf"),
    *("hf-token", "certificates/fullchain.pem", "certificates/privkey.pem", "state.tar", "passwords.tar"),
)
"""Settings of one installation, its secrets, and its backups."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what says which files are ignored, with all those files, and one that is not ignored."""
    for name in (".gitignore", ".dockerignore"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    for name in (*TOLD, "config.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("secret")
    return tmp_path


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_they_are_those_of_the_pages() -> None:
    """Whatever a command writes into the folder it is typed in is among them."""
    text = "\n".join(page.read_text() for page in PAGES)
    assert not [name for name in TOLD if name not in text]
    into = {one.into for one in written() if one.into and "/" not in one.into}
    assert {"state.tar", ".env"} <= into <= set(TOLD)


def test_git_adds_none_of_them(checkout: Path) -> None:
    run("git", "init", "--quiet", folder=checkout)
    run("git", "add", "--all", folder=checkout)
    assert set(run("git", "ls-files", folder=checkout).split()) == {".dockerignore", ".gitignore", "config.yaml"}


@pytest.mark.docker
def test_no_image_is_sent_one_of_them(checkout: Path) -> None:
    out = checkout.parent / f"{checkout.name}-context"
    (checkout / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    run("docker", "buildx", "build", "--quiet", "--output", f"type=local,dest={out}", ".", folder=checkout)
    sent = {os.path.relpath(path, out) for path in out.rglob("*") if path.is_file()}
    assert "config.yaml" in sent
    assert not sent & set(TOLD)
