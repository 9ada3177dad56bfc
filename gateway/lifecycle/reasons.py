"""What those are told who cannot be let in: one error for each of them."""

from __future__ import annotations

from gateway.errors import (
    EngineBusy,
    EngineCoolingDown,
    EnginePutToSleep,
    EngineStartFailed,
    EngineStartTimeout,
    GatewayError,
    NotAwake,
    QueueFull,
)


def could_not_start(name: str, public: str, rest: float) -> GatewayError:
    return EngineStartFailed(f"{name} could not be started: it {public}", retry_after=rest)


def not_in_time(name: str, seconds: float, rest: float) -> GatewayError:
    return EngineStartTimeout(f"{name} was not ready after {seconds:g} s", retry_after=rest)


def cooling_down(name: str, public: str, rest: float) -> GatewayError:
    return EngineCoolingDown(
        f"{name} failed a moment ago, because it {public}; it is not tried again yet", retry_after=rest
    )


def put_to_sleep(name: str) -> GatewayError:
    return EnginePutToSleep(f"{name} was put to sleep", retry_after=1)


def queue_full(name: str) -> GatewayError:
    """Whoever hands it on says when to come again: that takes a clock."""
    return QueueFull(f"{name} has as many requests waiting as it may have")


def not_awake(name: str) -> GatewayError:
    return NotAwake(f"{name} is not awake, and shall not be woken for this")


def busy(name: str, phase: str, serving: int, waiting: int) -> GatewayError:
    return EngineBusy(
        f"{name} is {phase}, with {serving} requests in service and {waiting} waiting; use force to cut them off"
    )
