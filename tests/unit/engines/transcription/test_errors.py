from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from engines.transcription import errors
from engines.transcription.errors import EngineError, envelope

PAGE = Path(__file__).parents[4] / "docs" / "engine-faster.md"
ALL = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, EngineError)]


@pytest.mark.parametrize("error", ALL)
def test_the_tree_on_top_of_the_module_names_every_error(error: type[EngineError]) -> None:
    assert errors.__doc__
    assert error.__name__ in errors.__doc__
    if not error.__subclasses__():
        assert f"{error.status} {error.code}" in errors.__doc__


@pytest.mark.parametrize("error", [error for error in ALL if not error.__subclasses__()])
def test_the_reference_page_names_every_code(error: type[EngineError]) -> None:
    assert f"| {error.status} | `{error.code}` |" in PAGE.read_text()


def test_the_envelope_is_openai_s() -> None:
    assert envelope(400, "invalid_value", "No.", "language") == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": "language", "code": "invalid_value"}
    }
    assert envelope(503, "model_unavailable", "No.")["error"]["type"] == "server_error"
