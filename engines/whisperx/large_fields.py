"""Forms whose texts may be large: a speaker's reference, or a transcript, has more than the megabyte that is usual.

Texts are kept in memory, so there may be fewer of them than usual instead.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

LIMITS = {"max_files": 10, "max_fields": 200, "max_part_size": 4 * 1024**2}
"""Ten seconds of stereo at 48 kHz with 24 bits, in base64, have 3.9 MB."""


class _Request(Request):
    def form(self, **_: Any) -> Any:
        """Newer versions of FastAPI may ask for other limits."""
        return super().form(**LIMITS)


class LargeFieldsRoute(APIRoute):
    """What FastAPI's documentation suggests where a route wants a request of its own kind."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def with_larger_fields(request: Request) -> Response:
            return await handle(_Request(request.scope, request.receive))

        return with_larger_fields
