from __future__ import annotations

from pathlib import Path

import pytest

from engines.faster.catalogue import Catalogue
from engines.transcription.errors import ModelNotFound


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "Systran/faster-whisper-small",
        "whisper-1",
        "gpt-transcribe",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
    ],
)
def test_openai_s_names_and_none_at_all_mean_the_served_model(name: str | None) -> None:
    assert Catalogue("Systran/faster-whisper-small").resolve(name) == "Systran/faster-whisper-small"


@pytest.mark.parametrize(
    "name", ["whisper-2", "gpt-4o", "gpt-4o-transcribe-diarize", "small", "WHISPER-1", "a/b", "x" * 9999]
)
def test_any_other_name_is_refused_and_the_allowed_ones_listed(name: str) -> None:
    """Telling speakers apart is more than this engine can do, so OpenAI's model for that is not accepted either."""
    with pytest.raises(ModelNotFound, match=r"Systran/faster-whisper-small.*whisper-1") as refusal:
        Catalogue("Systran/faster-whisper-small").resolve(name)
    assert refusal.value.param == "model"
    assert len(str(refusal.value)) < 300


def test_a_folder_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Catalogue(f"{tmp_path}/").served == tmp_path.name
    assert Catalogue("/no/such/my-whisper").served == "my-whisper"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    assert Catalogue("models/tiny").served == "tiny"


def test_a_model_looks_as_openai_describes_one() -> None:
    described = Catalogue("Systran/faster-whisper-small").describe("whisper-1")
    assert described.items() >= {"id": "Systran/faster-whisper-small", "object": "model", "owned_by": "Systran"}.items()
    assert isinstance(described["created"], int)
    assert Catalogue("small").describe("small")["owned_by"] == "local"
