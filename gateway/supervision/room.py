"""Room in the budget: what a supervisor asks of whoever shares it out."""

from __future__ import annotations

from typing import Protocol


class Room(Protocol):
    """Shares out the budget among the engines, by name. Every call is repeatable.

    It answers by telling the supervisor RoomGranted, and asks for room with RoomWanted, both of them later and never
    from inside one of these calls: the caller is in the middle of a step.
    """

    def ask(self, name: str, *, politely: bool) -> None:
        """The engine wants to start. Replaces what it asked before. `politely`: only if nobody has to make room."""

    def give_up(self, name: str) -> None:
        """It wants to start no longer."""

    def rested(self, name: str) -> None:
        """It does not run, as far as we know: whatever room it had is free."""

    def occupied(self, name: str) -> None:
        """It was found running, and takes its room whether there is any or not."""


class NullRoom:
    """No budget: nobody has to ask."""

    def ask(self, name: str, *, politely: bool) -> None:
        raise AssertionError(f"{name} asks for room, though there is no budget ({politely=})")

    def give_up(self, name: str) -> None:
        pass

    def rested(self, name: str) -> None:
        pass

    def occupied(self, name: str) -> None:
        pass


class HeldBack(NullRoom):
    """Stands before the room for engines that must not begin yet, and remembers what they want."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._asked: dict[str, bool] = {}

    def ask(self, name: str, *, politely: bool) -> None:
        self._asked[name] = politely

    def give_up(self, name: str) -> None:
        self._asked.pop(name, None)

    def pass_on(self) -> None:
        """Ask for all that was asked and not given up."""
        for name, politely in self._asked.items():
            self._room.ask(name, politely=politely)
