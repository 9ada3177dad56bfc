"""What the engine's page says of its API cannot drift from what the API is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from engines.transcription import large_fields, refusals
from engines.transcription.errors import AskedWrongly, EngineError
from engines.whisperx import progress, stages
from engines.whisperx.align_form import AlignForm
from engines.whisperx.app import create_app
from engines.whisperx.brought import LARGEST
from engines.whisperx.diarize_form import DiarizeForm
from engines.whisperx.form_parts import RecordingForm
from engines.whisperx.known_form import LONGEST_NAME
from engines.whisperx.openai_form import TranscriptionForm, TranslationForm
from engines.whisperx.settings import WhisperXSettings
from engines.whisperx.transcribe_form import TranscribeForm

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "engine-whisperx.md").read_text()
FORMS: dict[str, type[BaseModel]] = {
    "/transcribe": TranscribeForm,
    "/align": AlignForm,
    "/diarize": DiarizeForm,
    "/v1/audio": TranscriptionForm,
}


def table(head: str) -> list[str]:
    """The rows of the table whose head begins so."""
    _, found, rest = PAGE.partition(f"\n| {head} |")
    assert found
    return rest.partition("\n\n")[0].splitlines()[2:]


def fields(rows: list[str]) -> set[str]:
    """Those that the first column names, or the meaning in brackets."""
    found = set()
    for row in rows:
        first, rest = row.strip("| ").split(" | ", maxsplit=1)
        found |= set(re.findall(r"`([a-z_]+(?:\[\])?)`", first))
        found |= set(re.findall(r"`([a-z_]+\[[a-z_]+\])`", rest))
    return found


def names(form: type[BaseModel]) -> set[str]:
    named = {field.alias or name for name, field in form.model_fields.items()}
    return named - {name.removesuffix("[]") for name in named if name.endswith("[]")}


@pytest.mark.parametrize("route", FORMS)
def test_every_field_has_a_row_and_every_row_a_field(route: str) -> None:
    assert fields(table(f"field of `{route}`")) | names(RecordingForm) == names(FORMS[route])


def test_the_fields_of_all_forms_are_those_of_every_form() -> None:
    assert fields(table("field of all forms")) == names(RecordingForm)


def test_translations_take_the_first_six_rows() -> None:
    assert fields(table("field of `/v1/audio`")[:6]) | names(RecordingForm) == names(TranslationForm)


@pytest.mark.parametrize("route", ["/transcribe", "/align", "/diarize"])
def test_the_defaults_are_those_of_the_form(route: str) -> None:
    for row in table(f"field of `{route}`"):
        first, default, _ = row.strip("| ").split(" | ", maxsplit=2)
        for name in re.findall(r"`([a-z_]+)`", first):
            field = FORMS[route].model_fields[name]
            if field.is_required():
                assert default == "needed"
            elif field.default is not None:
                value = getattr(field.default, "value", field.default)
                assert default == f"`{str(value).lower()}`"


def test_every_route_is_listed() -> None:
    routes = "\n".join(table("route | what it does"))
    app = create_app(WhisperXSettings.from_environment({}))
    for path in app.openapi()["paths"]:
        assert f"{re.sub(r'{[a-z_:]+}', '{id}', path)}`" in routes


def test_every_code_of_an_error_is_listed_with_its_status() -> None:
    def kinds(kind: type[EngineError]) -> Iterator[type[EngineError]]:
        yield kind
        for derived in kind.__subclasses__():
            yield from kinds(derived)

    rows = "\n".join(table("status | `code`"))
    for kind in set(kinds(EngineError)) - {AskedWrongly}:
        assert f"| {kind.status} | `{kind.code}` |" in rows
    for code, _ in refusals._HTTP_ERRORS.values():
        assert f"`{code}`" in rows


@pytest.mark.parametrize(
    "code", re.findall(r"^\| [\d, ]+ \| (.*?) \|", "\n".join(table("status | `code`")), re.MULTILINE)
)
def test_every_listed_code_exists(code: str) -> None:
    folders = (ROOT / "engines" / "transcription", ROOT / "engines" / "whisperx")
    sources = "".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    for name in re.findall("`(.*?)`", code):
        assert f'"{name}"' in sources


def test_the_limits_are_those_of_the_program() -> None:
    usual, large = large_fields.USUAL // 1024, large_fields.LARGE // 1024**2
    together, texts, files = large_fields.TOGETHER // 1024**2, large_fields.MOST_TEXTS, large_fields.MOST_FILES
    assert f"at most {texts} texts and {files} files" in PAGE
    assert f"A text has at most {usual} KB" in PAGE
    assert f"may have {large} MB" in PAGE
    assert f"all texts of a form together {together} MB" in PAGE
    assert f"as a text (up to {large} MB) or as a file (up to {LARGEST // 1024**2} MB)" in PAGE
    assert stages.OVERLAP == 4
    assert "at most four times as long as the recording" in PAGE
    assert f"A name has at most {LONGEST_NAME} characters" in PAGE
    assert progress.KEPT_S == 600
    assert "remembered for ten minutes" in PAGE.replace("\n", " ")
