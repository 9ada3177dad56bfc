"""Tests guess nothing about the speed of the machine: what asks over HTTP says how long it waits, and that is long."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ASKING = {"get", "post", "put", "delete", "head", "options", "patch", "request", "stream", "Client", "AsyncClient"}
FILES = sorted(file for file in HERE.rglob("*.py") if file != Path(__file__))


def hasty(call: ast.Call) -> bool:
    """Whether httpx would wait for five seconds, its default. What goes through no socket does not wait."""
    if not (isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "httpx"):
        return False
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return call.func.attr in ASKING and not {"timeout", "transport", None} & given.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(HERE)))
def test_nobody_relies_on_a_librarys_patience(file: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    assert [f"{file.name}:{call.lineno}" for call in calls if hasty(call)] == []
