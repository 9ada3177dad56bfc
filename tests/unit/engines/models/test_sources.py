from __future__ import annotations

from pathlib import Path

import pytest
from faster_whisper.utils import _MODELS

from engines.models.sources import SIZES, id_of, is_possible, owner_of, place_of


def test_the_sizes_are_those_that_faster_whisper_knows() -> None:
    assert SIZES == _MODELS


def test_a_folder_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert id_of(f"{tmp_path}/") == tmp_path.name
    assert id_of("/no/such/my-whisper") == "my-whisper"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    assert id_of("models/tiny") == "tiny"
    assert id_of("./models/../models/tiny") == "tiny"
    assert owner_of("models/tiny") == "local"


@pytest.mark.parametrize(
    ("source", "owner"), [("Systran/faster-whisper-small", "Systran"), ("small", "local"), ("/models/a", "local")]
)
def test_anything_else_is_known_by_itself(source: str, owner: str) -> None:
    assert id_of(source) == (source if owner != "local" or source == "small" else "a")
    assert owner_of(source) == owner


def test_two_names_of_the_same_model_have_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_of("turbo") == place_of("large-v3-turbo") == place_of("mobiuslabsgmbh/faster-whisper-large-v3-turbo")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    assert place_of("./link") == place_of(".") == place_of(str(tmp_path))
    assert place_of("small") != place_of("small.en")


@pytest.mark.parametrize("source", ["small", "owner/name", "Owner-1/na.me_2", "/no/such", "./no", "~/no"])
def test_what_could_name_a_model_is_possible(source: str) -> None:
    assert is_possible(source)


@pytest.mark.parametrize("source", ["smal", "SMALL", "a/b/c", "owner/", "/".join("abc"), "a b/c", "https://x/y"])
def test_what_could_not_is_impossible(source: str) -> None:
    assert not is_possible(source)
