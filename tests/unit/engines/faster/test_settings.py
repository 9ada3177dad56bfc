"""What can be set, and what the reference page says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.faster.settings import FasterSettings
from engines.transcription.settings import BadSettings

PAGE = Path(__file__).parents[4] / "docs" / "engine-faster.md"
SECTION = PAGE.read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]

SHOWN = {
    "max_upload": "`2g`",
    "models": "the default model",
    "aliases": "none",
    "preload": "`default`",
    "ttl": "`never`",
    "cpu_model": "chosen",
    "develop": "`0`",
}
"""Defaults that people write otherwise than Python does."""


def settings(**variables: str) -> FasterSettings:
    return FasterSettings.from_environment(variables)


HUB = {"HF_HUB_OFFLINE", "HF_HOME", "HF_TOKEN", "HF_ENDPOINT"}
"""What the library that fetches models reads."""


def refused(**variables: str) -> list[str]:
    with pytest.raises(BadSettings) as problems:
        settings(**variables)
    return str(problems.value).splitlines()


def row(name: str) -> str:
    """The line that the page must have for a setting."""
    field = FasterSettings.model_fields[name]
    return f"| `{field.alias}` | {SHOWN.get(name, f'`{field.default}`')} | {field.description} |"


@pytest.mark.parametrize("name", FasterSettings.model_fields)
def test_the_page_has_every_setting_with_its_default_and_meaning(name: str) -> None:
    assert row(name) in SECTION.splitlines()


def test_the_page_has_no_setting_that_does_not_exist() -> None:
    named = {line.split("`")[1] for line in SECTION.splitlines() if line.startswith("| `")}
    ours = {str(field.alias) for field in FasterSettings.model_fields.values()}
    assert named == ours | set(FasterSettings.OLD_NAMES) | HUB


def test_the_page_has_every_old_name() -> None:
    for old, new in FasterSettings.OLD_NAMES.items():
        assert f"| `{old}` | `{new}` |" in SECTION


def test_the_defaults_are_those_of_the_issue() -> None:
    plain = settings()
    assert plain.model == plain.default == "Systran/faster-whisper-small"
    assert plain.allowed == (plain.default,)
    assert (plain.device, plain.compute_type, plain.cpu_threads) == ("auto", "auto", 0)
    assert (plain.workers, plain.batch_size, plain.preload) == (1, 0, ("default",))
    assert plain.ttl_of(plain.default) is None


def test_variables_are_read() -> None:
    told = settings(WHISPER_MODEL="/m", WHISPER_DEVICE="CPU", WHISPER_COMPUTE_TYPE="int8", WHISPER_CPU_THREADS="2")
    assert (told.model, told.device, told.compute_type, told.cpu_threads) == ("/m", "cpu", "int8", 2)
    told = settings(WHISPER_WORKERS="2", WHISPER_BATCH_SIZE="4", DEVELOP="1", WHISPER_PRELOAD="none")
    assert (told.workers, told.batch_size, told.develop, told.preload) == (2, 4, True, ())


def test_values_that_do_not_exist_are_refused_with_those_that_do() -> None:
    (line,) = refused(WHISPER_DEVICE="gpu")
    assert line.startswith("WHISPER_DEVICE=gpu: Input should be 'auto', 'cpu' or 'cuda'")


def test_what_faster_whisper_server_is_told_is_understood() -> None:
    told = settings(
        WHISPER__MODEL="Systran/faster-whisper-base",
        WHISPER__TTL="-1",
        WHISPER__INFERENCE_DEVICE="cuda",
        WHISPER__COMPUTE_TYPE="int8",
        WHISPER__CPU_THREADS="3",
        WHISPER__NUM_WORKERS="2",
        PRELOAD_MODELS='["Systran/faster-whisper-base"]',
    )
    assert (told.default, told.ttl_of(told.default), told.device) == ("Systran/faster-whisper-base", None, "cuda")
    assert (told.compute_type, told.cpu_threads, told.workers) == ("int8", 3, 2)
    assert told.preload == ("Systran/faster-whisper-base",)
    assert settings(WHISPER__TTL="300").ttl_of("any") == 300
    assert settings(WHISPER__TTL="300", WHISPER_TTL="never").ttl_of("any") is None


# Which models.


def test_the_first_model_is_the_default_unless_another_is_chosen() -> None:
    assert settings(WHISPER_MODELS="small,tiny").default == "small"
    assert settings(WHISPER_MODELS="tiny,Systran/faster-whisper-small").default == "tiny"
    assert settings(WHISPER_MODELS="small,tiny", WHISPER_MODEL="tiny").default == "tiny"


def test_a_folder_may_be_meant_by_its_id() -> None:
    told = settings(WHISPER_MODELS="small,/models/ours", WHISPER_MODEL="ours", WHISPER_TTL="0,ours=5m")
    assert told.default == "/models/ours"
    assert (told.ttl_of("/models/ours"), told.ttl_of("small")) == (300, 0)


def test_models_that_cannot_be_are_refused() -> None:
    assert "'smal' is neither a folder, nor a name on the hub such as " in refused(WHISPER_MODEL="smal")[0]
    lines = refused(WHISPER_MODELS="smal,tiny,auto")
    assert lines[0].startswith("WHISPER_MODELS=smal,tiny,auto: 'smal' is neither")
    assert lines[1].endswith("auto is no model to choose from (set WHISPER_MODEL=auto instead)")


def test_two_models_cannot_have_one_id() -> None:
    (line,) = refused(WHISPER_MODELS="/a/ours,/b/ours")
    assert line.endswith("/a/ours and /b/ours would both be called ours (rename a folder)")


def test_one_model_is_not_loaded_twice_under_two_names() -> None:
    (line,) = refused(WHISPER_MODELS="turbo,tiny,large-v3-turbo")
    assert line.endswith(
        "turbo and large-v3-turbo are the same model (leave out the second; "
        "WHISPER_ALIASES=large-v3-turbo=turbo keeps its name)"
    )


def test_the_default_must_be_allowed() -> None:
    assert refused(WHISPER_MODELS="small", WHISPER_MODEL="tiny") == [
        "WHISPER_MODEL=tiny: is not among WHISPER_MODELS (add it there, or choose one of them)"
    ]


def test_auto_needs_something_to_choose_from() -> None:
    assert refused(WHISPER_MODEL="auto") == [
        "WHISPER_MODEL=auto: there is nothing to choose from (try WHISPER_MODELS=small,medium,large-v3)"
    ]
    assert settings(WHISPER_MODEL="auto", WHISPER_MODELS="small,medium").model == "auto"


def test_all_contradictions_are_told_at_once_with_the_names_that_were_written() -> None:
    lines = refused(
        WHISPER_MODELS="small,/models/ours",
        WHISPER__MODEL="tiny",
        PRELOAD_MODELS='["base"]',
        WHISPER_TTL="never,large=5m",
        WHISPER_CPU_MODEL="medium",
        WHISPER_ALIASES="a=large-v3,ours=small,b=ours",
    )
    remedy = "(add it to WHISPER_MODELS, or choose from small, ours)"
    aliases = "WHISPER_ALIASES=a=large-v3,ours=small,b=ours"
    assert lines == [
        "WHISPER__MODEL=tiny: is not among WHISPER_MODELS (add it there, or choose one of them)",
        f"PRELOAD_MODELS=[\"base\"]: there is no model 'base' here {remedy}",
        f"WHISPER_TTL=never,large=5m: there is no model 'large' here {remedy}",
        f"{aliases}: a=large-v3: there is no model 'large-v3' here {remedy}",
        f"{aliases}: ours is itself a model that is served (choose another alias)",
        f"WHISPER_CPU_MODEL=medium: there is no model 'medium' here {remedy}",
    ]


def test_settings_can_be_read_twice_and_do_not_share_what_can_change() -> None:
    assert settings() == settings()
    settings().ttl["x"] = 1
    assert settings().ttl == {"": None}
