"""The engine does what its own OpenAPI document says: schemathesis reads it, and makes up requests.

Only answers, content types and headers that are documented; never a 500; no hang.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.fixtures.faster_engine import Engine
from tests.fixtures.patience import LONG_PATIENCE
from tests.fixtures.speech import GOODBYE, recording
from tests.unit.engines.recordings import silence, wav

pytestmark = pytest.mark.model

Operation = APIOperation[Any, Any, Any, Any]

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]


MOST = 60
"""Requests for each operation."""
OPERATIONS = [
    "DELETE /api/ps/{model}",
    "GET /api/ps",
    "GET /api/ps/{model}",
    "GET /health",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "POST /api/ps/{model}",
    "POST /v1/audio/language",
    "POST /v1/audio/transcriptions",
    "POST /v1/audio/translations",
]
FORMS = [label for label in OPERATIONS if label.startswith("POST /v1/audio")]
TALK, NOTHING = recording(GOODBYE), wav(silence(0.1))


@pytest.fixture(scope="module")
def operations(engine: Engine) -> Iterator[dict[str, Operation]]:
    document = schemathesis.openapi.from_dict(httpx.get(f"{engine.url}/openapi.json", timeout=LONG_PATIENCE).json())
    found: list[Operation] = []
    for result in document.get_all_operations():
        assert isinstance(result, Ok), result
        found.append(result.ok())
    yield {operation.label: operation for operation in found}
    assert engine.post(TALK).status_code == 200  # and its model is loaded again


def test_each_documented_operation_is_tried(operations: dict[str, Operation]) -> None:
    assert sorted(operations) == OPERATIONS


def try_out(operation: Operation, engine: Engine, mode: GenerationMode) -> None:
    @given(
        case=operation.as_strategy(generation_mode=mode), known=st.booleans(), sound=st.sampled_from([TALK, NOTHING])
    )
    @settings(
        max_examples=MOST, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def holds(case: Case[Any], known: bool, sound: bytes) -> None:  # noqa: FBT001
        if known and "model" in case.path_parameters:
            case.path_parameters["model"] = "micro-whisper"
        body: Any = case.body  # said to be JSON; the parts of a form are bytes, too
        if known and isinstance(body, dict) and "file" in body:
            body["file"] = sound
            body.pop("model", None)
        answer = case.call(base_url=engine.url, timeout=LONG_PATIENCE)
        case.validate_response(answer, checks=CHECKS)

    holds()


@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_document_allows_is_answered_as_it_says(
    operations: dict[str, Operation], engine: Engine, label: str
) -> None:
    """Schemathesis has a plugin for pytest, too, which does not know pytest 9."""
    try_out(operations[label], engine, GenerationMode.POSITIVE)


@pytest.mark.parametrize("label", FORMS)
def test_what_it_does_not_allow_is_answered_as_it_says(
    operations: dict[str, Operation], engine: Engine, label: str
) -> None:
    try_out(operations[label], engine, GenerationMode.NEGATIVE)
