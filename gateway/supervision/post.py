"""One supervisor's time in office: it may have to wait for others to leave, and leaves when nobody needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from gateway.supervision.supervisor import Supervisor


class Post:
    """after: those who must have left before this one begins. over: set when it has left, and runs nothing any more."""

    def __init__(self, supervisor: Supervisor, after: Sequence[Post] = ()) -> None:
        self.supervisor = supervisor
        self.over = asyncio.Event()
        self._after = after
        if after:
            supervisor.hold_back()
        self._retired = asyncio.Event()

    def retire(self, why: str) -> None:
        """Serve whom it has, put the engine to sleep, and leave. Repeatable."""
        if not self._retired.is_set():
            engine = self.supervisor
            log = structlog.get_logger()
            log.info("engine.retiring", engine=engine.name, why=why, serving=engine.serving, waiting=engine.waiting)
            self._retired.set()

    async def hold(self) -> None:
        """Supervise until it has retired. Cancelled, it leaves at once, and the engine as it is."""
        try:
            for other in self._after:
                await other.over.wait()
            self.supervisor.let_begin()
            async with asyncio.TaskGroup() as group:
                running = group.create_task(self.supervisor.run(), name=self.supervisor.name)
                try:
                    await self._retired.wait()
                    await self._wind_up()
                finally:
                    running.cancel()
            structlog.get_logger().info("engine.retired", engine=self.supervisor.name)
        finally:
            await give_up(self.supervisor)
            self.over.set()

    async def _wind_up(self) -> None:
        try:
            await self.supervisor.wind_up()
        except Exception:  # ours; the other engines go on, and nobody knows any better what to do about this one
            structlog.get_logger().exception("engine.supervision_broke", engine=self.supervisor.name, doing="wind_up")


async def give_up(supervisor: Supervisor) -> None:
    """Close what an engine needs that nobody supervises, or nobody any more."""
    try:
        await supervisor.runtime.aclose()
    except Exception:  # ours; neither the other engines' supervision nor this one's successor shall suffer for it
        structlog.get_logger().exception("engine.closing_broke", engine=supervisor.name)
