from __future__ import annotations

from pathlib import Path

import pytest

from engines.faster.settings import FasterSettings
from engines.models.catalogue import Catalogue
from engines.transcription.errors import ModelNotFound


def catalogue(**variables: str) -> Catalogue:
    return Catalogue(FasterSettings.from_environment(variables))


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
def test_openai_s_names_and_none_at_all_mean_the_default_model(name: str | None) -> None:
    assert catalogue().resolve(name) == "Systran/faster-whisper-small"
    assert catalogue(WHISPER_MODELS="tiny,Systran/faster-whisper-small", WHISPER_MODEL="tiny").resolve("whisper-1") == (
        "tiny"
    )


@pytest.mark.parametrize(
    "name", ["whisper-2", "gpt-4o", "gpt-4o-transcribe-diarize", "small", "WHISPER-1", "a/b", "x" * 9999]
)
def test_any_other_name_is_refused_and_the_allowed_ones_listed(name: str) -> None:
    """Telling speakers apart is more than this engine can do, so OpenAI's model for that is not accepted either."""
    with pytest.raises(ModelNotFound, match=r"Systran/faster-whisper-small.*whisper-1") as refusal:
        catalogue().resolve(name)
    assert refusal.value.param == "model"
    assert len(str(refusal.value)) < 350


def test_who_wants_speakers_told_apart_learns_which_engine_does() -> None:
    with pytest.raises(ModelNotFound, match="whisperx engine"):
        catalogue().resolve("gpt-4o-transcribe-diarize")
    served = catalogue(WHISPER_ALIASES="gpt-4o-transcribe-diarize=Systran/faster-whisper-small")
    assert served.resolve("gpt-4o-transcribe-diarize") == "Systran/faster-whisper-small"


def test_every_allowed_model_is_found_by_its_id_and_by_its_aliases() -> None:
    several = catalogue(
        WHISPER_MODELS="small,Systran/faster-whisper-large-v3,/models/ours",
        WHISPER_ALIASES="whisper-1=ours,best=Systran/faster-whisper-large-v3,mine=/models/ours",
    )
    assert list(several.sources) == ["small", "Systran/faster-whisper-large-v3", "ours"]
    assert several.sources["ours"] == "/models/ours"
    for name, model in {
        "small": "small",
        "ours": "ours",
        "mine": "ours",
        "best": "Systran/faster-whisper-large-v3",
        "whisper-1": "ours",
        "gpt-4o-transcribe": "small",
    }.items():
        assert several.resolve(name) == model
    for unknown in ("/models/ours", "large-v3", "default"):
        with pytest.raises(ModelNotFound, match=r"'small' or .*large-v3' or 'ours'.*best for 'Systran"):
            several.resolve(unknown)


def test_a_refusal_stays_short_where_very_many_are_allowed() -> None:
    many = catalogue(WHISPER_MODELS=",".join(f"/models/m{number}" for number in range(1000)))
    with pytest.raises(ModelNotFound, match="GET /v1/models lists all") as refusal:
        many.resolve("m1000")
    assert len(str(refusal.value)) < 600


def test_a_folder_is_known_by_its_name(tmp_path: Path) -> None:
    assert catalogue(WHISPER_MODEL=f"{tmp_path}/").default == tmp_path.name
    assert catalogue(WHISPER_MODEL="/no/such/my-whisper").default == "my-whisper"


def test_a_model_looks_as_openai_describes_one() -> None:
    described = catalogue().describe("Systran/faster-whisper-small", loaded=False)
    assert described.items() >= {"id": "Systran/faster-whisper-small", "object": "model", "owned_by": "Systran"}.items()
    assert isinstance(described["created"], int)


def test_and_says_besides_whether_it_is_loaded_and_the_default_and_what_else_it_is_called() -> None:
    several = catalogue(WHISPER_MODELS="small,tiny", WHISPER_ALIASES="quick=tiny,draft=tiny")
    small, tiny = several.describe("small", loaded=True), several.describe("tiny", loaded=False)
    assert (small["loaded"], small["default"], small["owned_by"], small["aliases"]) == (True, True, "local", [])
    assert (tiny["loaded"], tiny["default"], tiny["aliases"]) == (False, False, ["quick", "draft"])
