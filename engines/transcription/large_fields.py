"""Forms whose texts may be large: a speaker's reference, or a transcript, has more than the megabyte that is usual.

Texts are kept in memory, before a request waits for its turn, and whatever they are called. So there are limits for
each, by its name, and for all of a form together. The rest of a form that goes beyond them is not kept at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from engines.transcription.errors import BadParameter

_KB, _MB = 1024, 1024**2
USUAL = 64 * _KB
LARGE = 4 * _MB
"""Ten seconds of stereo at 48 kHz with 24 bits, in base64, have 3.9 MB."""
MAY_BE_LARGE = {
    "transcript": "send it as a file",
    "known_speaker_references[]": "send a shorter recording, or one with fewer channels",
    "known_speaker_references": "send a shorter recording, or one with fewer channels",
}
"""Fields, and what to do where one is too large even so."""
TOGETHER = 20 * _MB
"""Of all texts of a form: four references, and a transcript."""
MOST_TEXTS, MOST_FILES = 200, 10


class LargeFieldsRoute(APIRoute):
    """What FastAPI's documentation suggests where a route wants a request of its own kind."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def with_larger_fields(request: Request) -> Response:
            try:
                return await handle(_Request(request.scope, request.receive))
            except HTTPException as exc:
                if isinstance(exc.__cause__, BadParameter):  # FastAPI's word for whatever happens in a form is another
                    raise exc.__cause__ from None
                raise

        return with_larger_fields


class _Request(Request):
    async def form(self, **_: Any) -> FormData:  # type: ignore[override]  # Starlette's can be a context, too
        """Whatever limits a version of FastAPI asks for, they are ours. What is no multipart form is an empty one."""
        if self._form is None:
            self._form = await self._parsed()
        return self._form

    async def _parsed(self) -> FormData:
        kind = self.headers.get("content-type", "").partition(";")[0]
        if kind.strip().lower() != "multipart/form-data":
            return FormData()
        try:
            async with aclosing(self.stream()) as stream:
                return await _Parser(self.headers, stream).parse()
        except MultiPartException as exc:
            raise HTTPException(400, exc.message) from exc


class _Parser(MultiPartParser):
    """Starlette's, which has one limit for all texts, and none for their sum. Raises BadParameter beyond ours."""

    def __init__(self, headers: Any, stream: Any) -> None:
        super().__init__(headers, stream, max_files=math.inf, max_fields=math.inf, max_part_size=LARGE)
        self._kept = 0

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_files > MOST_FILES:
            raise BadParameter(f"The form has more than {MOST_FILES} files.")
        if self._current_fields > MOST_TEXTS:
            raise BadParameter(f"The form has more than {MOST_TEXTS} texts.")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None:
            self._check(part.field_name, len(part.data) + end - start)
            self._kept += end - start
        super().on_part_data(data, start, end)

    def _check(self, name: str, size: int) -> None:
        advice = MAY_BE_LARGE.get(name)
        if advice is None and size > USUAL:
            raise BadParameter(
                f"{name[:100]}: is longer than the {USUAL // _KB} KB that it may have.", param=name[:100]
            )
        if size > LARGE:
            raise BadParameter(
                f"{name}: is longer than the {LARGE // _MB} MB that a text of this name may have; {advice}.", param=name
            )
        if self._kept > TOGETHER:
            raise BadParameter(
                f"The form's texts have more than {TOGETHER // _MB} MB together. A transcript can be sent as a file."
            )
