"""What a new word on `replay` means for a request that is under way: it counts only where both words allow it."""

from __future__ import annotations

import os
import threading

import pytest

from gateway.config import Config
from gateway.lifecycle.events import WakeAsked
from gateway.lifecycle.phases import Phase
from tests.fixtures.patience import PATIENCE
from tests.inprocess.mortals import Mortal
from tests.inprocess.staging import Stage, staged

BODY = os.urandom(1_000_000)


def say(stage: Stage, *, replay: bool) -> None:
    """As if the configuration said so from now on."""
    data = stage.gateway.app.config.model_dump(exclude_unset=True)
    data["engines"]["whisper"]["replay"] = replay
    stage.gateway.on_loop(lambda: stage.gateway.app.apply(Config.model_validate(data)))


@pytest.mark.parametrize("replay", [False, True])
def test_a_request_is_not_sent_again_if_that_was_forbidden_once(*, replay: bool) -> None:
    """Its body was not kept, or it must not be sent again any more: a second try would get a part of it, or do harm."""
    mortal = Mortal(reads=1000, deaths=9)
    half = len(BODY) // 2
    with staged(mortal, replay=replay) as stage:
        stage.gateway.on_loop(lambda: stage.gateway.engine().tell(WakeAsked()))
        stage.gateway.reaches(Phase.READY)
        said = threading.Event()

        def on_death() -> None:
            say(stage, replay=not replay)
            said.set()

        mortal.on_death = on_death
        stage.raw.send(f"POST /x HTTP/1.1\r\nHost: whisper.test\r\nContent-Length: {len(BODY)}\r\n\r\n")
        stage.raw.send(BODY[:half])
        assert said.wait(PATIENCE)
        answer = stage.raw.answer()
        assert (answer.status, mortal.died) == (502, 1)
        assert stage.gateway.events("request.replayed") == []
