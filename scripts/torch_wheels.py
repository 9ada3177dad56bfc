"""Make a folder of wheels that the WhisperX engine is installed from, as TORCH_INDEX: torch_wheels.py FOLDER

For machines that have torch's CPU wheel at hand, where pip finds it, but cannot reach PyTorch's index. torchaudio then
comes from PyPI, whose wheel is linked to CUDA: without its libraries, which the engine does not use, it is importable.
Prints the settings for install.sh, as a shell reads them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TORCH, TORCHAUDIO = "2.13.0", "2.11.0"
"""The newest of each that fit together."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("torch-*.whl")):
        download(f"torch=={TORCH}+cpu", folder)
    if not list(folder.glob("torchaudio-*.whl")):
        with tempfile.TemporaryDirectory() as temporary:
            download(f"torchaudio=={TORCHAUDIO}", Path(temporary))
            (wheel,) = Path(temporary).glob("*.whl")
            without_libraries(wheel, folder / wheel.name)
    print(f"TORCH_INDEX={folder}", f"TORCH_VERSION={TORCH}", f"TORCHAUDIO_VERSION={TORCHAUDIO}")


def download(requirement: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--only-binary", ":all:", "--dest", str(folder), requirement], check=True)


def without_libraries(wheel: Path, target: Path) -> None:
    """The same wheel without shared libraries."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as result:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith(".dist-info/RECORD"):
                kept = [line for line in content.decode().splitlines(keepends=True) if ".so," not in line]
                content = "".join(kept).encode()
            if not entry.filename.endswith(".so"):
                result.writestr(entry, content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
