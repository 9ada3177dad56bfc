"""From a request to its answer: its progress is known meanwhile, and it ends when its client leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from engines.transcription.disconnect import while_client_waits
from engines.transcription.formats import Rendered
from engines.whisperx.conversation import Conversation
from engines.whisperx.progress import Watch, Watches

Work = Callable[[Watch], Awaitable[Conversation]]


async def answered(
    request: Request, watches: Watches, name: str, work: Work, shape: Callable[[Conversation], Rendered]
) -> Response:
    """name: the request's, by which others ask for its progress. shape: of the answer; called in a thread."""
    with watches.begin(name) as watch:
        conversation = await while_client_waits(request, partial(work, watch))
    rendered = await to_thread.run_sync(shape, conversation)  # of hours of speech it is megabytes
    return Response(rendered.content, media_type=rendered.media_type)
