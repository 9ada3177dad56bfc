"""What the engine's page says of its API cannot drift from what the API is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from engines.faster.app import create_app
from engines.faster.request import LanguageForm, TranscriptionForm, TranslationForm
from engines.faster.settings import FasterSettings
from engines.transcription import refusals
from engines.transcription.errors import AskedWrongly, EngineError

PAGE = (Path(__file__).parents[4] / "docs" / "engine-faster.md").read_text()


def rows(heading: str) -> list[str]:
    """The tables' rows of one section, without their heads."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `") or re.match(r"\| \d{3}", line)]


def names(form: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in form.model_fields.items()}


def test_every_field_has_a_row_or_a_place_in_one() -> None:
    written = set(re.findall(r"`([a-z_]+(?:\[[a-z_]*\])?)[=`]", "\n".join(rows("Routes"))))
    plain = {name.removesuffix("[]") for name in names(TranscriptionForm) if name.endswith("[]")}
    assert names(TranscriptionForm) - plain <= written


def test_translations_take_the_first_ten_rows() -> None:
    fields = [row for row in rows("Routes") if not re.match(r"\| `(GET|POST)", row)]
    written = set(
        re.findall(r"`([a-z_]+)`(?: \+)?(?=[, |])", "\n".join(row.split("|")[1] + "|" for row in fields[:10]))
    )
    assert written == names(TranslationForm)
    assert names(LanguageForm) == {"file", "model"}


def test_every_route_is_listed() -> None:
    app = create_app(FasterSettings.from_environment({"WHISPER_MODEL": "small"}))
    table = "\n".join(rows("Routes"))
    for path in app.openapi()["paths"]:
        assert f"{re.sub(r'{[a-z_:]+}', '{id}', path)}`" in table


def test_every_code_of_an_error_is_listed_with_its_status() -> None:
    def kinds(kind: type[EngineError]) -> Iterator[type[EngineError]]:
        yield kind
        for derived in kind.__subclasses__():
            yield from kinds(derived)

    table = "\n".join(rows("Errors"))
    for kind in set(kinds(EngineError)) - {AskedWrongly}:
        assert f"| {kind.status} | `{kind.code}` |" in table
    for code, _ in refusals._HTTP_ERRORS.values():
        assert f"`{code}`" in table


@pytest.mark.parametrize("code", re.findall(r"^\| [\d, ]+ \| (.*?) \|", "\n".join(rows("Errors")), re.MULTILINE))
def test_every_listed_code_exists(code: str) -> None:
    sources = "".join(
        path.read_text() for path in (Path(__file__).parents[4] / "engines" / "transcription").glob("*.py")
    )
    for name in re.findall("`(.*?)`", code):
        assert f'"{name}"' in sources
