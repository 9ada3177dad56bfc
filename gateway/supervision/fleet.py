"""All engines together, and what becomes of them when the configuration changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from gateway.config.schema import EngineSpec
from gateway.errors import UnknownEngine
from gateway.lifecycle.events import SleepAsked
from gateway.supervision.overlap import is_run_alike, may_overlap
from gateway.supervision.post import Post, give_up
from gateway.supervision.readiness import Probe
from gateway.supervision.supervisor import Supervisor


class Hiring(Protocol):
    """Makes what a changed configuration needs. Nothing is started or connected yet."""

    def supervisor(self, name: str, spec: EngineSpec) -> Supervisor: ...
    def probe(self, spec: EngineSpec) -> Probe: ...
    def budgeted(self, spec: EngineSpec) -> bool: ...


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of engines."""

    added: list[str]
    changed: list[str]
    removed: list[str]


class Fleet:
    """The supervisors by engine name. One broken engine never slows another: each has its own task.

    hiring: needed for `apply` alone.
    """

    def __init__(self, supervisors: Mapping[str, Supervisor], hiring: Hiring | None = None) -> None:
        self._posts = {name: Post(supervisor) for name, supervisor in supervisors.items()}
        self._first = list(supervisors.values())
        self._hiring = hiring
        self._leaving: list[Post] = []
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def all(self) -> list[Supervisor]:
        """Those of the present configuration, in its order."""
        return [post.supervisor for post in self._posts.values()]

    @property
    def leaving(self) -> list[Supervisor]:
        """Those of earlier configurations that still serve somebody, or stop. Names may be among the present ones."""
        return [post.supervisor for post in self._leaving]

    def get(self, name: str) -> Supervisor:
        """The supervisor of this engine. Raises UnknownEngine."""
        try:
            return self._posts[name].supervisor
        except KeyError:
            raise UnknownEngine(f"There is no engine called {name!r}.") from None

    def called(self, name: str) -> list[Supervisor]:
        """All of this name: that of the present configuration first, if there is one. Raises UnknownEngine."""
        return [engine for engine in (*self.all, *self.leaving) if engine.name == name] or [self.get(name)]

    @property
    def looked(self) -> bool:
        """Whether the engines that there were at the start have been inspected: what ran already has been adopted."""
        return all(supervisor.looked.is_set() for supervisor in self._first)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Supervise inside the block. Leaving it leaves the engines as they are."""
        async with asyncio.TaskGroup() as self._group:
            for post in self._posts.values():
                self._begin(post)
            try:
                yield
            finally:
                for task in self._tasks:
                    task.cancel()

    def apply(self, specs: Mapping[str, EngineSpec]) -> Changes:
        """Make these the engines, in one step. What is equal stays untouched, and no request is cut off or refused.

        A change that concerns what runs puts a new supervisor in the old one's place. The old one serves whom it has
        and puts its engine to sleep; the new one begins at once, or then if the two could be in each other's way.
        Raises what making an engine may raise; then nothing has changed.
        """
        hiring = self._hiring
        assert hiring is not None, "a fleet for which nobody can be hired stays as it is"
        before = {name: post.supervisor.spec for name, post in self._posts.items()}
        changed = [name for name in specs if name in before and specs[name] != before[name]]
        replaced = [name for name in changed if not is_run_alike(before[name], specs[name])]
        added = [name for name in specs if name not in before]
        removed = [name for name in before if name not in specs]
        kept = {name: specs[name] for name in before if name not in {*removed, *replaced}}
        budgeted = {name: hiring.budgeted(spec) for name, spec in kept.items()}  # it may have changed without the spec
        probes = {name: hiring.probe(spec) for name, spec in kept.items()}
        hired = self._hired(hiring, {name: specs[name] for name in [*added, *replaced]})  # what may fail is done
        for name, spec in kept.items():
            engine = self._posts[name].supervisor
            if name in changed or budgeted[name] is not engine.budgeted:
                engine.reconfigure(spec, probes[name], budgeted=budgeted[name])
        for name in [*removed, *replaced]:
            self._retire(self._posts[name], "removed" if name in removed else "changed")
        for name, supervisor in hired.items():
            new = (name, supervisor.spec)
            after = [old for old in self._leaving if may_overlap((old.supervisor.name, old.supervisor.spec), new)]
            self._posts[name] = Post(supervisor, after)
            self._begin(self._posts[name])
        self._posts = {name: self._posts[name] for name in specs}
        return Changes(added, changed, removed)

    def _hired(self, hiring: Hiring, specs: Mapping[str, EngineSpec]) -> dict[str, Supervisor]:
        """All of them; or what the first that cannot be made raises, and the others are given up."""
        hired: dict[str, Supervisor] = {}
        try:
            for name, spec in specs.items():
                hired[name] = hiring.supervisor(name, spec)
        except Exception:  # passed on, when those hired before are given up
            for supervisor in hired.values():
                self._see_to(give_up(supervisor))
            raise
        return hired

    def _begin(self, post: Post) -> None:
        self._see_to(self._held(post))

    def _see_to(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None, "a fleet is changed while it runs"
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _held(self, post: Post) -> None:
        await post.hold()
        self._leaving.remove(post)  # nobody comes here who has not retired

    def _retire(self, post: Post, why: str) -> None:
        self._leaving.append(post)
        post.retire(why)

    async def put_to_sleep(self, within: float) -> None:
        """Stop every engine, for `on_exit: stop`. Gives up, and says so, after `within` seconds."""
        everyone = [*self.all, *self.leaving]
        for supervisor in everyone:
            supervisor.tell(SleepAsked(force=True))
        try:
            async with asyncio.timeout(within):
                for supervisor in everyone:
                    await supervisor.comes_to_rest()
        except TimeoutError:
            awake = [supervisor.name for supervisor in everyone if not supervisor.at_rest]
            structlog.get_logger().warning("gateway.engines_left_running", engines=awake)
