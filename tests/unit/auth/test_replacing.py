"""A file is replaced in one step or not at all, and nothing that lies there already is written to."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.auth.replacing import create_private, replace_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_content_is_there_and_for_the_owner_alone(path: Path) -> None:
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(path.parent) == ["a.json"]


def test_a_mask_of_the_shell_does_not_open_it(path: Path) -> None:
    before = os.umask(0)
    try:
        replace_file(path, b"one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_killed_process_left_behind_is_no_hindrance(path: Path) -> None:
    path.with_name("a.json.new").write_bytes(b"half")
    replace_file(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert names(path.parent) == ["a.json"]


def test_each_has_a_later_time_than_the_one_before(path: Path) -> None:
    """Also within one tick of a coarse clock, and after the clock was put back."""
    times = []
    for number in range(50):
        replace_file(path, b"%d" % (number % 10))
        times.append(path.stat().st_mtime_ns)
    tomorrow = times[-1] + 86_400 * 10**9
    os.utime(path, ns=(tomorrow, tomorrow))
    replace_file(path, b"x")
    times += [tomorrow, path.stat().st_mtime_ns]
    assert times == sorted(set(times))


def test_a_link_planted_in_the_way_is_not_followed(path: Path, tmp_path: Path) -> None:
    """Root changes keys in a folder of somebody else's."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    path.with_name("a.json.new").symlink_to(precious)
    path.symlink_to(precious)
    replace_file(path, b"new")
    assert precious.read_bytes() == b"precious"
    assert path.read_bytes() == b"new"
    path.with_name("b").symlink_to(precious)
    with pytest.raises(FileExistsError):
        create_private(path.with_name("b"))


@pytest.mark.parametrize("obstacle", ["a.json", "a.json.new"])
def test_a_folder_in_the_way_is_an_error_and_stays(path: Path, obstacle: str) -> None:
    path.with_name(obstacle).mkdir()
    with pytest.raises(OSError, match=obstacle):
        replace_file(path, b"x")
    assert names(path.parent) == [obstacle]


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    """The limit on a file's size fails a write as a full disk does: after a part of it."""
    replace_file(path, b"old")
    program = (
        "import sys; from pathlib import Path; from gateway.auth.replacing import replace_file\n"
        "try: replace_file(Path(sys.argv[1]), b'x' * 10_000_000)\n"
        "except OSError as error: print(error.strerror)"
    )

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    done = subprocess.run(
        [sys.executable, "-c", program, path], preexec_fn=limited, capture_output=True, text=True, check=True
    )
    assert done.stdout == "File too large\n"
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["a.json"]


def test_what_root_writes_belongs_to_the_folders_owner(path: Path) -> None:
    """The gateway runs as another user, and has to read it."""
    owner = (12345, 23456) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path.parent, *owner)
    replace_file(path, b"x")
    assert (path.stat().st_uid, path.stat().st_gid) == owner
