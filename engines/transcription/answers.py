"""What the API's description says of refusals. For readers: nothing is computed from it."""

from __future__ import annotations

from typing import Any

from engines.transcription.errors import envelope

Answers = dict[int | str, dict[str, Any]]
"""By status, as FastAPI wants them."""

REFUSALS: Answers = {
    "4XX": {
        "description": "The request cannot be served as it is: `error.message` says why, `error.param` where.",
        "content": {"application/json": {"example": envelope(400, "invalid_value", "temperature: …", "temperature")}},
    },
    "503": {
        "description": "The model could not be loaded, or has no memory left. The next request tries again.",
        "content": {"application/json": {"example": envelope(503, "model_unavailable", "The model could not …")}},
    },
}
