"""The gate to one engine's state, and the only way in: an event is legal, or it is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from gateway.errors import IllegalEvent
from gateway.lifecycle import events as e
from gateway.lifecycle.engine import Engine
from gateway.lifecycle.phases import NEXT, READY, WAKING, Phase
from gateway.lifecycle.policy import Policy
from gateway.lifecycle.steps import Commands

NUMBERED = frozenset({e.AlarmRang, e.BecameReady, e.LostContact})
"""Events that belong to one alarm, probe or run, and are ignored when that is no longer the newest."""


class EngineMachine(Engine):
    """The lifecycle of one engine. What changes it goes through `handle`, or its short forms, `…_at_once`."""

    __slots__ = ("_handlers",)

    def __init__(self, name: str, policy: Policy) -> None:
        super().__init__(name, policy)
        self._handlers: dict[type[e.Event], Callable[..., Commands]] = {
            e.RequestArrived: self.request_arrived,
            e.RequestLeft: self.request_left,
            e.WakeAsked: self.wake_asked,
            e.SleepAsked: self.sleep_asked,
            e.WarmthChanged: self.warmth_changed,
            e.PolicyChanged: self.policy_changed,
            e.RoomGranted: self.room_granted,
            e.RoomWanted: self.room_wanted,
            e.Started: self.started,
            e.StartFailed: self.start_failed,
            e.RuntimeSilent: self.runtime_silent,
            e.Stopped: self.stopped,
            e.StopFailed: self.stop_failed,
            e.SeenRunning: self.seen_running,
            e.SeenStopped: self.seen_stopped,
            e.BecameReady: self.became_ready,
            e.LostContact: self.lost_contact,
            e.AlarmRang: self.alarm_rang,
        }

    def __repr__(self) -> str:
        return f"<Engine {self.name} {self.phase.name} serving={len(self.serving)} waiting={len(self.waiting)}>"

    def handle(self, event: e.Event) -> Commands:
        """Take note of an event; returns what shall be done, in order.

        Raises IllegalEvent for an event that the table does not know in this phase, and EngineBusy for a SleepAsked
        without force while the engine is needed. Neither changes anything.
        """
        before, kind = self.phase, type(event)
        if kind in NUMBERED and self._is_old_news(event):
            return []
        allowed = NEXT.get((before, kind))
        if allowed is None:
            raise IllegalEvent(f"{kind.__name__} cannot happen to an engine that is {before.value}")
        commands = self._handlers[kind](event)
        if self.phase not in allowed:
            raise AssertionError(f"{before} {event} led to {self.phase}, which the table does not allow")
        return commands

    def _is_old_news(self, event: e.Event) -> bool:
        match event:
            case e.AlarmRang(token):
                return token != self._alarm
            case e.BecameReady(attempt):
                return self.phase is not WAKING or attempt != self._attempt
            case e.LostContact(instance):
                return self.phase is not READY or instance != self.instance
            case _:
                return False


__all__ = ["Commands", "EngineMachine", "Phase"]
