"""What the engine is installed with is what its libraries ask for, though two of them are installed without asking."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "engines" / "whisperx"
BY_THEMSELVES = {"torch", "torchaudio", "whisperx", "pyannote-audio"}
LEFT_OUT = {"torchcodec", "torchvision", "triton", "pyannoteai-sdk", "opentelemetry-exporter-otlp"}
"""Not used: audio is decoded before, nothing looks at pictures, no code is compiled (CUDA's torch brings Triton all the
same), recordings are sent to nobody, and of OpenTelemetry's exporters only the one for HTTP is imported.
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parsed(requirement: str) -> tuple[str, dict[str, tuple[int, ...]]]:
    """`name>=1.2,<2` → name and versions by operator."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    found = re.findall(r"(>=|<|~=|==|>|!=)\s*([\d.]+)", requirement)
    return normal(name[0]), {operator: numbers(version) for operator, version in found}


def numbers(version: str) -> tuple[int, ...]:
    """To be compared: 1.0 is 1."""
    return tuple(map(int, re.sub(r"(\.0+)+$", "", version).split(".")))


def listed(file: str) -> dict[str, dict[str, tuple[int, ...]]]:
    lines = [line.partition("#")[0].strip() for line in (FOLDER / file).read_text().splitlines()]
    return dict(parsed(line) for line in lines if line)


@pytest.mark.parametrize("library", ["whisperx", "pyannote.audio"])
def test_what_a_library_asks_for_is_listed_unless_it_is_not_used(library: str) -> None:
    asked = [line for line in importlib.metadata.requires(library) or () if "extra ==" not in line]
    ours = listed("requirements.txt")
    for name, versions in map(parsed, (line.partition(";")[0] for line in asked)):
        if name in BY_THEMSELVES | LEFT_OUT:
            assert name not in ours
            continue
        assert name in ours, f"{library} asks for {name}"
        assert ours[name].get(">=", (0,)) >= versions.get(">=", (0,)), name
        if "<" in versions:
            assert ours[name]["<"] <= versions["<"], name


def test_what_is_not_used_is_not_installed() -> None:
    installed = {normal(found.metadata["Name"]) for found in importlib.metadata.distributions()}
    assert not (LEFT_OUT - {"triton"}) & installed


def test_the_versions_are_those_that_we_say_we_test_with() -> None:
    written = (FOLDER / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in written if line and not line.startswith("#"))
    installed = {normal(found.metadata["Name"]): found.version for found in importlib.metadata.distributions()}
    assert {name: installed.get(normal(name)) for name in pins} == pins
    others = set(installed) - {normal(name) for name in pins} - BY_THEMSELVES - {"pip", "triton"}
    assert not [name for name in others if not name.startswith("nvidia-")]
