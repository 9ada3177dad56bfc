"""Engines as Docker containers, which somebody else has created: compose, or `docker create`.

What blocks is in methods whose names end in `_now`: they run in worker threads of the DockerHost. Each start or stop of
a container is one such call, made under the container's lock, so that a caller that is cancelled in the middle leaves
behind a call that goes on, and a stop that comes after waits for it.

Containers are addressed by their exact names, and by nothing else: names are what a proxy in front of Docker's socket
can allow (nginx/docker-proxy); ids change whenever compose makes a container anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway.config.schema import DockerTarget, EngineSpec
from gateway.errors import EndedAtOnce, EngineMissing, RuntimeUnavailable, StartRefused, Unanswered
from gateway.runtimes.base import NotRunning, Observation, Running, Usage
from gateway.runtimes.docker_address import Facts, NoAddressYetError, choose_address, network_mode
from gateway.runtimes.docker_events import Attributes
from gateway.runtimes.docker_host import DockerHost
from gateway.runtimes.docker_stack import (
    COMPLETED,
    HEALTHY,
    PROJECT,
    SERVICE,
    Member,
    Need,
    Stack,
    Summary,
    missing_container,
    stack_of_names,
    stack_of_service,
    what_is_wrong,
)
from gateway.runtimes.docker_state import PAUSED, ContainerState
from gateway.runtimes.docker_succession import Succession
from gateway.runtimes.docker_usage import working_set
from gateway.runtimes.hints import Hints
from gateway.runtimes.log_lines import last_lines

if TYPE_CHECKING:
    from docker import APIClient

LOOKS, PAUSE = 10, 0.02
"""How often, and after how many seconds, a container is looked at again that has no address yet."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two looks at what has to be waited for: a dependency that has to become healthy, or to finish, and a
container that is made anew. The caller's deadline ends it."""

_numbers = itertools.count(1)
"""Of an engine there may be two for a while, when its configuration has changed; each has its own claims."""


class DockerRuntime:
    """One engine's container, with those it depends on. `spec.docker` must be set."""

    def __init__(self, host: DockerHost, name: str, spec: EngineSpec) -> None:
        if spec.docker is None:
            raise ValueError(f"engine {name} has no container")
        self.name = name
        self._host = host
        self._target: DockerTarget = spec.docker
        self._port = spec.port
        self._claimant = f"{name}/{next(_numbers)}"
        self.adjust(spec)
        self._hints = Hints()
        self._succession = Succession()
        host.attach(self._hints, self._concerned)

    def __repr__(self) -> str:
        return f"<DockerRuntime {self.name} {self._target.container or '/'.join(self._service or ())}:{self._port}>"

    # the runtime

    async def start(self) -> Running:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._start()
            except EngineMissing:
                if not self._succession.expected:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _start(self) -> Running:
        listed = await self._listed()
        stack = self._stack_in(listed)
        problem = what_is_wrong(listed, *self._service) if self._service is not None else None
        if (len(stack) > 1 or problem) and isinstance(seen := await self._look(stack), Running):
            return seen
        if problem:
            raise problem
        self._claim(stack)
        for member in stack:
            await self._until_needs_are_met(member)
            await self._bring_up(member, stack)
        seen = await self._look(stack)
        if isinstance(seen, NotRunning) and seen.anew:  # it is not the one that was started
            self._succession.missed()
            raise EngineMissing(f"{seen.reason} right after its start")
        if isinstance(seen, NotRunning):
            raise EndedAtOnce(f"{seen.reason} right after its start", meant=seen.meant)
        return seen

    async def _bring_up(self, member: Member, stack: Stack) -> None:
        with self._missed() if member is stack[-1] else contextlib.nullcontext():
            await self._host.call(partial(self._bring_up_now, member=member, stack=stack))

    async def stop(self) -> None:
        try:
            stack = await self._stack()
        except EngineMissing:
            stack = ()
        for member in reversed(stack):
            with contextlib.suppress(EngineMissing):
                await self._host.call(partial(self._bring_down_now, container=member.container))
        self._host.claims.release(self._claimant)

    async def inspect(self) -> Observation:
        try:
            return await self._look(await self._stack())
        except EngineMissing as error:
            self._host.claims.release(self._claimant)
            return NotRunning(error.message, anew=True)

    def watch(self) -> AsyncIterator[None]:
        self._host.follow_events()
        return self._hints.listen()

    async def answers(self) -> None:
        await self._host.answers()

    async def usage(self) -> Usage | None:
        try:
            return await self._host.call(partial(self._usage_now, stack=await self._stack()))
        except EngineMissing:
            return None

    async def logs(self, tail: int) -> list[str]:
        if tail <= 0:
            return []
        try:
            stack = await self._stack()
            written = await self._host.call(partial(self._logs_now, container=stack[-1].container, tail=tail))
        except EngineMissing:
            return []
        return last_lines(written, tail)

    def adjust(self, spec: EngineSpec) -> None:
        self._start_seconds = spec.start_timeout
        self._stop_seconds = math.ceil(spec.stop_timeout)

    async def aclose(self) -> None:
        self._host.claims.release(self._claimant)
        await self._host.detach(self._hints)

    # what belongs to the engine

    @property
    def _service(self) -> tuple[str, str] | None:
        """The compose project and service, if that is how the engine is named."""
        project, service = self._target.project, self._target.service
        return None if project is None or service is None else (project, service)

    async def _listed(self) -> list[Summary]:
        """All containers of the engine's compose project.

        A proxy in front of Docker's socket may put a filter of its own in the place of ours: so ours comes again here.
        """
        if self._service is None:
            return []
        project = self._service[0]
        filters = {"label": [f"{PROJECT}={project}"]}
        listed = await self._host.call(lambda client: list(client.containers(all=True, filters=filters)))
        return [summary for summary in listed if (summary.get("Labels") or {}).get(PROJECT) == project]

    def _stack_in(self, listed: list[Summary]) -> Stack:
        """Raises EngineMissing where compose has not created the engine's container."""
        with self._missed():
            return stack_of_names(self._target) if self._service is None else stack_of_service(listed, *self._service)

    async def _stack(self) -> Stack:
        return self._stack_in(await self._listed())

    async def _look(self, stack: Stack) -> Observation:
        """Inspect the engine's own container. All that it depends on is claimed while it runs, whoever started it."""
        with self._missed():
            seen = await self._host.call(partial(self._look_now, stack=stack))
        self._succession.seen()
        if isinstance(seen, Running) or seen == PAUSED:
            self._claim(stack)
        else:
            self._host.claims.release(self._claimant)
        return seen

    @contextlib.contextmanager
    def _missed(self) -> Iterator[None]:
        """Around what raises EngineMissing if the engine's own container is not there."""
        try:
            yield
        except EngineMissing:
            self._succession.missed()
            raise

    def _claim(self, stack: Stack) -> None:
        self._host.claims.claim(self._claimant, (member.container for member in stack))

    def _concerned(self, attributes: Attributes) -> bool:
        """Whether an event with these attributes may be about the engine's own container."""
        if self._service is not None:
            return (attributes.get(PROJECT), attributes.get(SERVICE)) == self._service
        old_name = attributes.get("oldName", "").removeprefix("/")  # of a container that has been renamed
        return self._target.container in (attributes.get("name"), old_name)

    # what has to be true before

    async def _until_needs_are_met(self, member: Member) -> None:
        for need in member.needs:
            pause = FIRST_PAUSE
            while not await self._host.call(partial(self._is_met_now, need=need)):
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _is_met_now(self, client: APIClient, need: Need) -> bool:
        """Raises StartRefused when it cannot become true any more."""
        if need.condition not in (HEALTHY, COMPLETED):
            return True
        state = ContainerState.of(self._facts_now(client, need.container))
        if need.condition == COMPLETED and not state.begun and state.exit_code == 0:
            return True
        if not state.begun or state.restarting:
            raise StartRefused(f"depends on {need.container}, which {state.not_running().reason}")
        if need.condition == HEALTHY and state.health in ("", "unhealthy"):
            verdict = "is unhealthy" if state.health else "has no health check to wait for"
            raise StartRefused(f"depends on {need.container}, which {verdict}")
        return need.condition == HEALTHY and state.health == "healthy"

    # in worker threads

    def _facts_now(self, client: APIClient, container: str) -> Facts:
        """By its exact name: Docker would also take the beginning of an id. Raises EngineMissing."""
        from docker.errors import NotFound  # noqa: PLC0415 - imported where it takes nobody's time, see DockerHost

        try:
            facts: Facts = client.inspect_container(container)
        except NotFound:
            raise EngineMissing(missing_container(container)) from None
        if str(facts.get("Name") or "").removeprefix("/") != container:
            raise EngineMissing(missing_container(container))
        return facts

    def _look_now(self, client: APIClient, stack: Stack) -> Observation:
        for _ in range(LOOKS):
            facts = self._facts_now(client, stack[-1].container)
            state = ContainerState.of(facts)
            if not state.running:
                return state.not_running()
            try:
                address = choose_address(self._network_of(client, facts, stack), self._port, self._host.vantage())
            except NoAddressYetError:
                time.sleep(PAUSE)
            else:
                return Running(state.instance, address, state.age(datetime.now(UTC)))
        raise StartRefused("runs, but is connected to no network")

    def _network_of(self, client: APIClient, facts: Facts, stack: Stack) -> Facts:
        """The container whose network this one uses: itself, except under `network_mode: service:...`.

        Docker tells that one's id. Compose makes it a dependency, so among those it is looked for by name first.
        """
        mode, _, owner = network_mode(facts).partition(":")
        if mode != "container" or not owner:
            return facts
        for member in stack[:-1]:
            with contextlib.suppress(EngineMissing):
                other = self._facts_now(client, member.container)
                if owner in (other["Id"], member.container):
                    return other
        found: Facts = client.inspect_container(owner)
        return found

    def _bring_up_now(self, client: APIClient, member: Member, stack: Stack) -> None:
        container = member.container
        with self._host.claims.lock(container):
            if not self._host.claims.holds(self._claimant, container):
                raise StartRefused("was stopped again before it was started")
            state = ContainerState.of(self._facts_now(client, container))
            if state.paused:
                client.unpause(container)
            elif state.restarting:  # waits for its next attempt, minutes perhaps: try now
                client.stop(container, timeout=0)
                self._start_now(container)
            elif not state.running and not self._has_run_for_others(state, container, stack):
                self._start_now(container)

    def _start_now(self, container: str) -> None:
        from gateway.runtimes.docker_calls import start_container  # noqa: PLC0415 - imports the SDK

        with self._host.anew() as client:
            start_container(client, container, self._start_seconds)

    def _has_run_for_others(self, state: ContainerState, container: str, stack: Stack) -> bool:
        """A preparation that another engine relies on now must not be made again under it."""
        once = any(need == Need(container, COMPLETED) for member in stack for need in member.needs)
        return once and bool(state.started_at) and state.exit_code == 0 and self._others_hold(container)

    def _bring_down_now(self, client: APIClient, container: str) -> None:
        with self._host.claims.lock(container):
            self._host.claims.release(self._claimant, container)
            if self._others_hold(container):
                return
            state = ContainerState.of(self._facts_now(client, container))
            if state.paused:  # a frozen program cannot end by itself
                client.unpause(container)
            if state.begun:
                self._stop_now(client, container)

    def _stop_now(self, client: APIClient, container: str) -> None:
        """A Docker that is frozen in the middle of it goes on with it when it thaws, whoever waits for that by then."""
        from gateway.runtimes.docker_errors import FOREIGN, translated  # noqa: PLC0415 - imports the SDK

        try:
            client.stop(container, timeout=self._stop_seconds)
        except FOREIGN as error:
            trouble = translated(error)
            if isinstance(trouble, RuntimeUnavailable):
                raise Unanswered(trouble.message) from error
            raise

    def _others_hold(self, container: str) -> bool:
        return self._host.claims.others_hold(self._claimant, container)

    def _usage_now(self, client: APIClient, stack: Stack) -> Usage | None:
        """Of all that was started for the engine. One that was removed takes nothing."""
        from gateway.runtimes.docker_calls import read_stats  # noqa: PLC0415 - imports the SDK

        own = working_set(read_stats(client, stack[-1].container))
        if own is None:
            return None
        total = own
        for member in stack[:-1]:
            with contextlib.suppress(EngineMissing):
                total += working_set(read_stats(client, member.container)) or 0
        return Usage(total)

    def _logs_now(self, client: APIClient, container: str, tail: int) -> bytes:
        from gateway.runtimes.docker_calls import read_logs  # noqa: PLC0415 - imports the SDK

        terminal = bool((self._facts_now(client, container).get("Config") or {}).get("Tty"))
        return read_logs(client, container, tail, terminal=terminal)
