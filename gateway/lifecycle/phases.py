"""The phases of an engine, and every legal move between them.

An engine is ASLEEP until somebody needs it. The first request moves it to WAKING: it is started, then probed until it
answers. In READY every request is let in at once and holds a lease until its last byte; the last lease to return sets
the idle alarm, and when that rings the engine is STOPPING. A start that fails, or takes too long, leads to FAILED:
requests are refused at once until a cool-down is over, which grows with each failure in a row.

Three rules shape the table.

*What happened counts, not what we hoped.* The engine may be started, stopped, restarted or killed by anybody at any
time. SeenRunning and SeenStopped say what is true outside; the outcomes of our own commands are Started, StartFailed,
Stopped and StopFailed. An observation is handed in only if no command was given since it was made, so it is never
older than our own intent.

*A stop is decided and begun in one step.* The alarm rings, the leases are looked at, and the phase becomes STOPPING,
all in one call. A request that comes later finds STOPPING, waits, and is served by the next start. Nothing can slip
between the look and the leap.

*Old news is ignored.* Alarms, probes and lost contacts carry the number of the attempt they belong to; only the newest
counts, so a timer that could not be cancelled in time does no harm. Such an event is dropped before the table is asked.

A move that is not in the table is `IllegalEvent` and changes nothing. What is inelegant: SleepAsked may be declined
(EngineBusy), which no arrow can show; and RequestLeft is legal in every phase and moves none.
"""

from __future__ import annotations

from enum import Enum

from gateway.lifecycle.events import (
    AlarmRang,
    BecameReady,
    Event,
    LostContact,
    PolicyChanged,
    RequestArrived,
    RequestLeft,
    RoomGranted,
    RoomWanted,
    RuntimeSilent,
    SeenRunning,
    SeenStopped,
    SleepAsked,
    Started,
    StartFailed,
    StopFailed,
    Stopped,
    WakeAsked,
    WarmthChanged,
)


class Phase(Enum):
    """Where an engine stands."""

    ASLEEP = "asleep"
    QUEUED = "queued"
    WAKING = "waking"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"

    def __repr__(self) -> str:
        return self.name

    __hash__ = object.__hash__  # Enum's own is Python code, and the table is asked twice per request


ASLEEP, QUEUED, WAKING, READY, STOPPING, FAILED = Phase

Moves = dict[tuple[Phase, type[Event]], tuple[Phase, ...]]

NEXT: Moves = {
    (ASLEEP, RequestArrived): (QUEUED, WAKING, ASLEEP),  # ASLEEP if it is quiet
    (ASLEEP, WakeAsked): (QUEUED, WAKING),
    (ASLEEP, SleepAsked): (ASLEEP,),
    (ASLEEP, SeenRunning): (WAKING,),  # started by somebody else, or before we were: adopted, probed, not started
    (ASLEEP, SeenStopped): (ASLEEP,),
    (ASLEEP, WarmthChanged): (ASLEEP, QUEUED, WAKING),
    (QUEUED, RequestArrived): (QUEUED,),
    (QUEUED, WakeAsked): (QUEUED,),
    (QUEUED, SleepAsked): (ASLEEP,),
    (QUEUED, SeenRunning): (WAKING,),
    (QUEUED, SeenStopped): (QUEUED,),
    (QUEUED, RoomGranted): (WAKING,),  # there is room in the budget: our start begins
    (QUEUED, WarmthChanged): (QUEUED, ASLEEP),
    (WAKING, RequestArrived): (WAKING,),  # joins the wake already under way
    (WAKING, WakeAsked): (WAKING,),
    (WAKING, SleepAsked): (STOPPING,),
    (WAKING, Started): (WAKING,),  # our start returned: begin to probe
    (WAKING, StartFailed): (FAILED, WAKING),  # WAKING: somebody stopped it, and it is started once more
    (WAKING, RuntimeSilent): (WAKING,),  # Docker does not answer: tried again until the start alarm rings
    (WAKING, SeenRunning): (WAKING,),  # another run than the one we probe: probe that one
    (WAKING, SeenStopped): (FAILED, QUEUED, WAKING, ASLEEP),  # exited while starting; some are started again
    (WAKING, BecameReady): (READY, STOPPING),  # STOPPING if others have been waiting for its room
    (WAKING, AlarmRang): (FAILED, WAKING),  # start timeout; never a stop while a lease is out
    (WAKING, WarmthChanged): (WAKING,),
    (READY, RequestArrived): (READY,),
    (READY, WakeAsked): (READY,),
    (READY, SleepAsked): (STOPPING, READY),  # READY until quiet requests are served
    (READY, SeenRunning): (READY, WAKING),  # WAKING when it is another run than the one we knew
    (READY, SeenStopped): (ASLEEP, QUEUED, WAKING, FAILED),  # stopped by somebody else, or crashed; FAILED: once more
    (READY, LostContact): (WAKING,),  # it refuses connections: probe again, hold the requests
    (READY, AlarmRang): (STOPPING, READY),  # idle long enough
    (READY, WarmthChanged): (READY,),
    (STOPPING, RequestArrived): (STOPPING,),  # held, and served by the next start
    (STOPPING, WakeAsked): (STOPPING,),
    (STOPPING, SleepAsked): (STOPPING,),
    (STOPPING, SeenRunning): (STOPPING,),
    (STOPPING, SeenStopped): (STOPPING,),
    (STOPPING, Stopped): (ASLEEP, QUEUED, WAKING),  # ASLEEP if nobody waits
    (STOPPING, StopFailed): (WAKING,),  # it may well be alive: find out
    (STOPPING, RuntimeSilent): (STOPPING,),  # Docker may still carry it out: nothing is begun before it has answered
    (STOPPING, AlarmRang): (STOPPING,),  # who waits has waited long enough for that
    (STOPPING, WarmthChanged): (STOPPING,),
    (FAILED, RequestArrived): (FAILED, QUEUED, WAKING),  # refused at once; tried again if the runtime never heard of it
    (FAILED, WakeAsked): (QUEUED, WAKING, FAILED),  # at once; FAILED while the remains are cleared away
    (FAILED, SleepAsked): (FAILED,),
    (FAILED, SeenRunning): (WAKING, FAILED),  # somebody started it by hand; FAILED while the remains are cleared away
    (FAILED, SeenStopped): (FAILED,),
    (FAILED, Stopped): (FAILED, QUEUED, WAKING),  # the remains are cleared away: the cool-down begins
    (FAILED, StopFailed): (FAILED, QUEUED, WAKING),
    (FAILED, RuntimeSilent): (FAILED,),
    (FAILED, AlarmRang): (ASLEEP, QUEUED, WAKING, FAILED),  # the cool-down is over; FAILED until a stop is answered
    (FAILED, WarmthChanged): (FAILED,),
}
NEXT |= {(phase, RequestLeft): (phase,) for phase in Phase}
NEXT[QUEUED, RequestLeft] = (QUEUED, ASLEEP)  # nobody wants it any more
NEXT[READY, RequestLeft] = (READY, STOPPING)  # it was only let finish
NEXT |= {(phase, RoomWanted): (phase,) for phase in Phase}
NEXT[READY, RoomWanted] = (READY, STOPPING)  # READY until who is served has left
NEXT |= {(phase, PolicyChanged): (phase,) for phase in Phase}
NEXT[QUEUED, PolicyChanged] = (QUEUED, WAKING)  # it needs no room in the budget any more
