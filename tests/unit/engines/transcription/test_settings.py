from __future__ import annotations

from typing import Any, ClassVar

import pytest

from engines.transcription.settings import BadSettings, ServiceSettings, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("500m", 500 * 1024**2), ("2G", 2 * 1024**3), ("10 KB", 10_240), ("1MiB", 1024**2)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "2 gallons", "1.5g", "٣m"])
def test_what_is_no_size_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match='try "500m"'):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("300", 300),
        ("0.5", 0.5),
        ("250ms", 0.25),
        ("90s", 90),
        (" 5M ", 300),
        ("1h30m", 5400),
        ("2d", 172800),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "-1", "5 minutes", "5m5", "30m1h", "1e9", "inf", "٣m", "9999999999"])
def test_what_is_no_duration_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match='try "300" or "5m"'):
        parse_duration(text)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = ServiceSettings.from_environment({})
    assert (settings.host, settings.port, settings.log_level) == ("127.0.0.1", 8000, "info")
    assert settings.max_upload == 2 * 1024**3


def test_variables_are_read_and_others_left_alone() -> None:
    settings = ServiceSettings.from_environment({"PORT": "8001", "LOG_LEVEL": "DEBUG", "PATH": "/bin"})
    assert (settings.port, settings.log_level) == (8001, "debug")


def test_an_empty_variable_counts_as_absent() -> None:
    """As compose writes them for `${PORT:-}`."""
    assert ServiceSettings.from_environment({"PORT": ""}).port == 8000


def test_all_problems_are_told_at_once_each_with_its_variable() -> None:
    with pytest.raises(BadSettings) as problems:
        ServiceSettings.from_environment(
            {"PORT": "99999", "LOG_LEVEL": "loud", "MAX_UPLOAD": "much", "MAX_AUDIO_HOURS": "nan"}
        )
    lines = str(problems.value).splitlines()
    assert [line.partition("=")[0] for line in lines] == ["PORT", "LOG_LEVEL", "MAX_UPLOAD", "MAX_AUDIO_HOURS"]
    assert lines[2] == 'MAX_UPLOAD=much: \'much\' is not a size (try "500m" or "2g")'


class Related(ServiceSettings):
    """An engine that follows another server's names."""

    OLD_NAMES: ClassVar[dict[str, str]] = {"UVICORN_PORT": "PORT"}

    def contradictions(self) -> list[tuple[str, str]]:
        return [("PORT", "is taken."), ("HOST", "is elsewhere.")] if self.port == 1 else []


def test_old_names_are_read_where_ours_are_absent() -> None:
    assert Related.from_environment({"UVICORN_PORT": "9"}).port == 9
    assert Related.from_environment({"UVICORN_PORT": "9", "PORT": ""}).port == 9
    assert Related.from_environment({"UVICORN_PORT": "9", "PORT": "8"}).port == 8


def test_problems_name_the_variable_that_was_written() -> None:
    with pytest.raises(BadSettings, match=r"^UVICORN_PORT=nine: "):
        Related.from_environment({"UVICORN_PORT": "nine"})


def test_contradictions_are_told_together() -> None:
    with pytest.raises(BadSettings) as problems:
        Related.from_environment({"UVICORN_PORT": "1"})
    assert str(problems.value).splitlines() == ["UVICORN_PORT=1: is taken.", "HOST=: is elsewhere."]


def test_settings_do_not_change() -> None:
    settings: Any = ServiceSettings.from_environment({})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
