"""Who is on the way to a model, so that those who come together can share its batches."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from anyio import from_thread


class Company:
    """All requests that are, or will soon be, at one model. Entered and left on the event loop.

    present: how many. Threads may read it.
    """

    def __init__(self) -> None:
        self.present = 0

    def __enter__(self) -> Self:
        self.present += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.present -= 1


class Visit:
    """One request at a model.

    checkpoint: called now and then by the thread that works for it; raises to end the work. gone: nobody waits for the
    answer any more. when_gone: set by whoever must hear of that at once.
    """

    def __init__(self, company: Company, checkpoint: Callable[[], None] = from_thread.check_cancelled) -> None:
        self.company = company
        self.checkpoint = checkpoint
        self.gone = False
        self.when_gone: Callable[[], None] | None = None

    def leave(self) -> None:
        """May be called from any thread."""
        self.gone = True
        if (tell := self.when_gone) is not None:
            tell()
