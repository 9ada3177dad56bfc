"""What starts, stops, looks at and watches one engine.

One object stands for one engine and can touch nothing but what the configuration names for it. A supervisor calls
`start`, `stop` and `inspect` one at a time; `watch`, `answers` and `usage` run beside them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.config.schema import EngineSpec

PORT_TAKEN = "needs a port that is taken"
"""A refusal's reason for the public: which port, and whose it is, are the operator's business."""


ORDERLY = (0, 130, 143)
"""Exit codes of a program that has ended well, or because it was asked to (SIGINT, SIGTERM): that is no crash."""

KILLED = 137
"""By SIGKILL: for want of memory, by somebody's hand, or by a Docker that stops it or ends itself."""


class Address(NamedTuple):
    """Where an engine accepts TCP connections, as seen from the gateway."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Running:
    """The engine's program runs; whether it answers is for the readiness probe to find out.

    instance: differs for every run of the program (container id and start time, process id and start time), so that a
        restart behind our back is noticed.
    age: seconds since the program was started, as far as the runtime knows.
    """

    instance: str
    address: Address
    age: float


@dataclass(frozen=True, slots=True)
class NotRunning:
    """The engine's program does not run.

    exit_code: of its last run, if known. oom: it was killed for want of memory. anew: what had run was removed, and
    perhaps another made in its place.
    reason: a clause about the engine for a person, such as "exited with code 1".
    """

    reason: str
    exit_code: int | None = None
    oom: bool = False
    anew: bool = field(default=False, compare=False)

    @property
    def crashed(self) -> bool:
        """Whether it ended by itself, and not well."""
        return self.exit_code not in (None, *ORDERLY)

    @property
    def meant(self) -> bool:
        """Whether somebody may have wanted that: Docker stops with SIGKILL what does not listen to SIGTERM."""
        return self.anew or self.exit_code in ORDERLY or (self.exit_code == KILLED and not self.oom)


Observation = Running | NotRunning


@dataclass(frozen=True, slots=True)
class Usage:
    """What a running engine takes at this moment. memory: bytes of main memory, with what it depends on."""

    memory: int


class Runtime(Protocol):
    """How one engine is started, stopped, inspected and watched.

    Every method may raise a `RuntimeTrouble`: EngineMissing, RuntimeUnavailable or StartRefused; no exception of the
    library behind it leaves the runtime. Its message is a clause about the engine, like a `reason`: "needs port 8000,
    which another program uses".
    """

    async def start(self) -> Running:
        """Start the engine, and first what it depends on. Starting what runs already changes nothing.

        Returns when the program has been started; it need not answer yet. May be cancelled: what was begun may then
        go on, and a following `stop` ends it.
        """
        ...

    async def stop(self) -> None:
        """Stop the engine, then what it alone depended on; gently first, by force after the stop timeout.

        Returns when it no longer runs. Stopping what does not run changes nothing. Raises Unanswered if the engine may
        still be stopped later, for this very call.
        """
        ...

    async def inspect(self) -> Observation:
        """What is true now. Raises RuntimeUnavailable when nobody can tell."""
        ...

    def watch(self) -> AsyncIterator[None]:
        """Yields whenever the engine may have changed, and the reader should look again with `inspect`.

        Yields once at the beginning, and after every gap in the source of events: what was missed is found by looking.
        Never ends by itself and never raises for a runtime that does not answer; it waits and tries again.
        """
        ...

    async def answers(self) -> None:
        """Return as soon as whoever runs the engine says anything at all. May be called beside the others.

        Raises RuntimeUnavailable, or waits, while nobody answers.
        """
        ...

    async def usage(self) -> Usage | None:
        """What the engine takes now. None if it does not run, or its runtime does not measure that."""
        ...

    async def logs(self, tail: int) -> list[str]:
        """The last `tail` lines that the engine wrote, oldest first. Empty if it never ran."""
        ...

    def adjust(self, spec: EngineSpec) -> None:
        """Go by the timeouts of this specification from now on; what it says of what is run is the same."""
        ...

    async def aclose(self) -> None:
        """Give back connections and threads. The engine stays as it is."""
        ...
