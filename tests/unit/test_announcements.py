"""Facts reach those who listen, and nobody suffers from a listener."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
from structlog.testing import capture_logs

from gateway.announcements import Announcements, Fact, Reloaded, Replayed, RequestEnded

ENDED = RequestEnded("whisper", 200, None, None, 0.1)


def test_a_fact_reaches_all_who_listen_to_its_kind_in_order_and_nobody_else() -> None:
    announcements = Announcements()
    heard: list[object] = []
    announcements.listen(Replayed, lambda fact: heard.append(("first", fact)))
    announcements.listen(Replayed, lambda fact: heard.append(("second", fact)))
    announcements.listen(Reloaded, heard.append)
    announcements.tell(Replayed("whisper", "died"))
    assert heard == [("first", Replayed("whisper", "died")), ("second", Replayed("whisper", "died"))]


def test_a_fact_that_nobody_listens_to_is_lost_without_a_word() -> None:
    with capture_logs() as lines:
        Announcements().tell(ENDED)
    assert lines == []


def test_a_listener_that_breaks_is_logged_and_stops_neither_the_teller_nor_the_others() -> None:
    announcements = Announcements()
    heard: list[RequestEnded] = []

    def break_down(_: RequestEnded) -> None:
        raise ZeroDivisionError

    announcements.listen(RequestEnded, break_down)
    announcements.listen(RequestEnded, heard.append)
    with capture_logs() as lines:
        announcements.tell(ENDED)
    assert heard == [ENDED]
    assert [(line["event"], line["fact"]) for line in lines] == [("gateway.listener_broke", "RequestEnded")]


def test_a_listener_may_bring_another_which_hears_the_next_fact() -> None:
    announcements = Announcements()
    heard: list[Reloaded] = []
    announcements.listen(Reloaded, lambda _: announcements.listen(Reloaded, heard.append))
    announcements.tell(Reloaded(ok=True))
    assert heard == []
    announcements.tell(Reloaded(ok=False))
    assert heard == [Reloaded(ok=False)]


@pytest.mark.parametrize("kind", get_args(Fact))
def test_a_fact_cannot_be_changed_by_who_hears_it(kind: type) -> None:
    fields = kind._fields if hasattr(kind, "_fields") else [field.name for field in dataclasses.fields(kind)]
    fact = kind(*(None for _ in fields))
    with pytest.raises(AttributeError):
        setattr(fact, fields[0], "another")
