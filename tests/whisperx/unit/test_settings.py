"""What can be set, and what the reference page says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.transcription.settings import BadSettings
from engines.whisperx.settings import WhisperXSettings

PAGE = Path(__file__).parents[3] / "docs" / "engine-whisperx.md"
SECTION = PAGE.read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]

SHOWN = {
    "max_upload": "`2g`",
    "models": "the default model",
    "aliases": "none",
    "preload": "`default`",
    "ttl": "`never`",
    "align_models": "WhisperX's",
    "token_file": "none",
}
"""Defaults that people write otherwise than Python does."""
LIBRARIES = {"HF_HUB_OFFLINE", "HF_HOME", "HF_TOKEN", "HF_ENDPOINT", "TORCH_HOME", "NLTK_DATA"}
"""What the libraries read that fetch and find models."""


def settings(**variables: str) -> WhisperXSettings:
    return WhisperXSettings.from_environment(variables)


def refused(**variables: str) -> list[str]:
    with pytest.raises(BadSettings) as problems:
        settings(**variables)
    return str(problems.value).splitlines()


@pytest.mark.parametrize("name", WhisperXSettings.model_fields)
def test_the_page_has_every_setting_with_its_default_and_meaning(name: str) -> None:
    field = WhisperXSettings.model_fields[name]
    row = f"| `{field.alias}` | {SHOWN.get(name, f'`{field.default}`')} | {field.description} |"
    assert row in SECTION.splitlines()


def test_the_page_has_no_setting_that_does_not_exist() -> None:
    named = {line.split("`")[1] for line in SECTION.splitlines() if line.startswith("| `")}
    assert named == {str(field.alias) for field in WhisperXSettings.model_fields.values()} | LIBRARIES


def test_the_defaults_are_those_of_the_issue() -> None:
    plain = settings()
    assert plain.default == "base"
    assert plain.allowed == ("base",)
    assert plain.diarization_model == "pyannote/speaker-diarization-community-1"
    assert (plain.batch_size, plain.chunk_size, plain.align_models, plain.align_models_kept) == (0, 30, {}, 2)
    assert plain.token() is None


def test_variables_are_read() -> None:
    told = settings(WHISPERX_BATCH_SIZE="4", WHISPERX_CHUNK_SIZE="10", DIARIZATION_MODEL="/m/d", ALIGN_MODELS_KEPT="1")
    assert (told.batch_size, told.chunk_size, told.diarization_model, told.align_models_kept) == (4, 10, "/m/d", 1)


def test_alignment_models_are_named_by_language() -> None:
    told = settings(ALIGN_MODELS=" en=/models/align-en, French = owner/name,de=VOXPOPULI_ASR_BASE_10K_DE")
    assert told.align_models == {"en": "/models/align-en", "fr": "owner/name", "de": "VOXPOPULI_ASR_BASE_10K_DE"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("/models/align-en", 'names no language and model (try "en=/models/align-en")'),
        ("en=", "names no language and model"),
        ("klingon=/models/x", "'klingon' is not a language that Whisper knows"),
        ("en=/a,English=/b", "there are two models for 'en' (leave out one of them)"),
        ("en=base", "'base' is neither a folder nor a name on the hub"),
    ],
)
def test_alignment_models_that_cannot_be_are_refused(value: str, told: str) -> None:
    (line,) = refused(ALIGN_MODELS=value)
    assert line.startswith(f"ALIGN_MODELS={value}: ")
    assert told in line


@pytest.mark.parametrize("value", ["pyannote", "base", "a/b/c"])
def test_a_diarization_model_that_cannot_be_is_refused(value: str) -> None:
    assert refused(DIARIZATION_MODEL=value) == [f"DIARIZATION_MODEL={value}: is neither a folder nor a name on the hub"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHISPERX_BATCH_SIZE", "-1"),
        ("WHISPERX_BATCH_SIZE", "257"),
        ("WHISPERX_CHUNK_SIZE", "0"),
        ("WHISPERX_CHUNK_SIZE", "31"),
        ("ALIGN_MODELS_KEPT", "0"),
    ],
)
def test_numbers_have_their_limits(name: str, value: str) -> None:
    (line,) = refused(**{name: value})
    assert line.startswith(f"{name}={value}: ")


# The token


def test_a_token_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hf_secret\n")
    told = settings(HF_TOKEN_FILE=str(file))
    assert told.token() == "hf_secret"
    assert "hf_secret" not in f"{told!r} {told} {told.model_dump_json()}"


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "holds no token"), (b"two words", "holds no token"), (b"\xff\xfe", "cannot be read"), (None, "cannot be")],
)
def test_a_file_without_a_token_ends_the_start_and_is_not_quoted(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    (line,) = refused(HF_TOKEN_FILE=str(file))
    assert line.startswith(f"HF_TOKEN_FILE={file}: {told}")
    assert "two words" not in line
