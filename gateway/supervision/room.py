"""Room in the budget: what a supervisor asks of whoever shares it out. Each supervisor has a `Room` of its own."""

from __future__ import annotations

from typing import Protocol


class Room(Protocol):
    """One engine's way to its share of the budget. Every call is repeatable.

    It answers by telling the supervisor RoomGranted, and asks for room with RoomWanted, both of them later and never
    from inside one of these calls: the caller is in the middle of a step.

    wait: seconds that the engine will probably have to wait for room, from now on; 0 while it need not ask.
    """

    @property
    def wait(self) -> float: ...

    def ask(self, *, politely: bool) -> None:
        """The engine wants to start. Replaces what it asked before. `politely`: only if nobody has to make room."""

    def give_up(self) -> None:
        """It wants to start no longer."""

    def changed(self) -> None:
        """It takes more room than it did, or less: it was found running, or does not run any more."""


class NullRoom:
    """No budget: nobody has to ask."""

    wait = 0.0

    def ask(self, *, politely: bool) -> None:
        raise AssertionError(f"an engine asks for room, though there is no budget ({politely=})")

    def give_up(self) -> None:
        pass

    def changed(self) -> None:
        pass


class HeldBack(NullRoom):
    """Stands before the room of an engine that must not begin yet, and remembers what it wants."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._politely: bool | None = None  # None: it does not ask

    def ask(self, *, politely: bool) -> None:
        self._politely = politely

    def give_up(self) -> None:
        self._politely = None

    def pass_on(self) -> None:
        """Ask for what was asked and not given up."""
        if self._politely is not None:
            self._room.ask(politely=self._politely)
