"""What can be set, and what the reference page says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.faster.settings import FasterSettings
from engines.transcription.settings import BadSettings

PAGE = Path(__file__).parents[4] / "docs" / "engine-faster.md"


def row(name: str) -> str:
    """The line that the page must have for a setting."""
    field = FasterSettings.model_fields[name]
    default = "2g" if name == "max_upload" else field.default
    return f"| `{field.alias}` | `{default}` | {field.description} |"


@pytest.mark.parametrize("name", FasterSettings.model_fields)
def test_the_page_has_every_setting_with_its_default_and_meaning(name: str) -> None:
    assert row(name) in PAGE.read_text().splitlines()


def test_the_page_has_no_setting_that_does_not_exist() -> None:
    section = PAGE.read_text().partition("## Settings")[2].partition("\n## ")[0]
    named = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
    assert named == {field.alias for field in FasterSettings.model_fields.values()}


def test_the_defaults_are_those_of_the_issue() -> None:
    settings = FasterSettings.from_environment({})
    assert settings.model == "Systran/faster-whisper-small"
    assert (settings.device, settings.compute_type, settings.cpu_threads) == ("auto", "auto", 0)


def test_variables_are_read() -> None:
    environment = {
        "WHISPER_MODEL": "/m",
        "WHISPER_DEVICE": "CPU",
        "WHISPER_COMPUTE_TYPE": "int8",
        "WHISPER_CPU_THREADS": "2",
    }
    settings = FasterSettings.from_environment(environment)
    assert (settings.model, settings.device, settings.compute_type, settings.cpu_threads) == ("/m", "cpu", "int8", 2)


def test_values_that_do_not_exist_are_refused_with_those_that_do() -> None:
    with pytest.raises(BadSettings, match="WHISPER_DEVICE=gpu: Input should be 'auto', 'cpu' or 'cuda'"):
        FasterSettings.from_environment({"WHISPER_DEVICE": "gpu"})
